"""The reading rules: what becomes the load, and what never does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.meter import Meter
from chargepoint_driver.backends.ocpp.model.metering import COMPUTED, Raw, raw_values, sample
from chargepoint_driver.backends.ocpp.model.timestamps import historic, iso, parse

P, A, V, E = "Power.Active.Import", "Current.Import", "Voltage", "Energy.Active.Import.Register"


ONE, THREE = Electrical(230, 1), Electrical(230, 3)


def of(*rows: tuple, phases: int = 1):
    raw = [Raw(v, measurand=m, phase=p, unit=u) for m, p, v, u in rows]
    return sample(raw, Electrical(230, phases))


@pytest.mark.parametrize(
    ("rows", "phases", "load_kw", "estimated"),
    [
        ([(P, None, "3500", "W")], 1, 3.5, False),
        ([(P, None, "3.5", "kW")], 1, 3.5, False),
        ([(P, None, "3500", None)], 1, 3.5, False),
        ([(P, "L1", "1000", "W"), (P, "L2", "1000", "W"), (P, "L3", "500", "W")], 3, 2.5, False),
        ([(P, "L1-N", "1000", "W"), (P, "N", "900", "W")], 1, 1.0, False),
        ([(P, None, "3000", "W"), (P, "L1", "1000", "W"), (P, "L2", "1000", "W")], 3, 3.0, False),
        ([(V, "L1-N", "230", "V"), (A, "L1", "10", "A")], 1, 2.3, True),
        ([(V, "L1-L2", "400", "V"), (A, "L1", "10", "A")], 1, 4 / math.sqrt(3), True),
        ([(V, None, "230", "V"), (A, None, "10", "A")], 3, 6.9, True),
        ([(A, None, "10", "A")], 1, None, False),
        ([(P, None, "", "W")], 1, None, False),
        ([(P, None, "nan", "W")], 1, None, False),
        ([(P, None, "0", "W")], 1, 0.0, False),
        ([(P, "N", "5", "W")], 1, None, False),
        ([(P, None, "5", "furlong")], 1, None, False),
    ],
)
def test_load(rows, phases, load_kw, estimated) -> None:
    found = of(*rows, phases=phases)
    assert found.load_kw == (None if load_kw is None else pytest.approx(load_kw))
    assert found.load_estimated is estimated


def test_a_bare_value_is_the_register_in_wh() -> None:
    assert sample([Raw("1234")], ONE).energy_wh == 1234
    assert of((E, None, "1.5", "kWh")).energy_wh == 1500


def test_charge_and_temperature_count_from_everywhere() -> None:
    found = sample(
        [
            Raw("9", measurand=P, location="EV"),
            Raw("55", measurand="SoC", location="EV"),
            Raw("95", measurand="Temperature", location="Body", unit="Fahrenheit"),
        ],
        ONE,
    )
    assert (found.load_kw, found.soc_percent, found.temperature_c) == (None, 55, pytest.approx(35))


def test_the_load_from_the_register() -> None:
    meter = Meter()
    for at, wh in ((100, 1000.0), (105, 1010.0), (110, 1100.0), (125, 50.0), (140, 150.0)):
        meter.take(sample([Raw(str(wh))], ONE), at, at)
        known = meter.known(0).get("load_kw")
        if at < 110:
            assert known is None
        elif at < 140:
            assert (known[0], known[3] >= COMPUTED) == (
                pytest.approx(36.0),
                True,
            )  # 100 Wh in 10 s; no reset counts
    assert meter.known(0)["load_kw"][0] == pytest.approx(24.0)


def test_older_values_never_replace_newer_ones() -> None:
    meter = Meter()
    assert meter.take(of((P, None, "5000", "W")), 100, 100)
    assert not meter.take(of((P, None, "1000", "W")), 50, 101)
    assert meter.known(0)["load_kw"][0] == 5


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["value", "unit", "phase", "measurand", "location", "x"]), inner
            )
        ),
    )
)
def test_nothing_that_was_parsed_can_break_it(entries) -> None:
    found = sample(raw_values(entries), THREE)
    assert found.load_kw is None or math.isfinite(found.load_kw)


@given(st.text())
def test_times_of_any_text(text) -> None:
    found = parse(text)
    assert found is None or isinstance(iso(historic(found, 1.7e9)), str)


def test_times() -> None:
    assert parse("2026-01-01T00:00:00") == parse("2026-01-01T00:00:00Z")
    assert parse("2026-01-01T01:00:00.5+01:00") == parse("2026-01-01T00:00:00.500Z")
    assert historic(parse("1970-01-01T00:00:05Z"), 1.7e9) == 1.7e9


@pytest.mark.parametrize(
    ("texts", "loads"),
    [
        (["9e14", "9e14"], (9e11, 9e14)),  # each is possible, their sum is much
        (["2e15", "7"], (None, 7.0)),
        (["nan", "7"], (None, 7.0)),
        (["inf", "-inf"], (None, None)),
        (["1_0", "7"], (None, 7.0)),
        (["-0", "-0.0"], (0.0, 0.0)),
    ],
)
def test_what_is_no_number_has_no_value_and_costs_no_other(texts, loads) -> None:
    found = sample(
        [
            Raw(texts[0], measurand="Power.Active.Import", unit="W"),
            Raw(texts[1], measurand="Energy.Active.Import.Register", unit="Wh"),
        ],
        THREE,
    )
    assert (found.load_kw, found.energy_wh) == loads
    for value in found.values.values():
        assert math.copysign(1, value) == 1
