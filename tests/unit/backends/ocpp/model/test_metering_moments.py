"""What belongs to one moment is one sample: time, context, location, phases and direction."""

# ruff: noqa: E501 - a row for each case
from __future__ import annotations

import itertools
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.meter import Meter
from chargepoint_driver.backends.ocpp.model.metering import COMPUTED, Raw, sample

P, E, V, A = "Power.Active.Import", "Energy.Active.Import.Register", "Voltage", "Current.Import"
OUT, FEED = "Power.Active.Export", "Energy.Active.Export.Register"
OFFERED = "Current.Offered"
ONE, THREE = Electrical(230, 1), Electrical(230, 3)
DC = Electrical(240, 3, is_dc=True)


def value(measurand: str, number: object, **fields: Any) -> dict[str, Any]:
    return {"measurand": measurand, "value": str(number), **fields}


def read(*values: dict[str, Any], supply: Electrical = ONE, ending: bool = False) -> Any:
    return sample([Raw(**each) for each in values], supply, ending=ending)


def lines(measurand: str, *numbers: float, **fields: Any) -> list[dict[str, Any]]:
    return [value(measurand, n, phase=f"L{i}", **fields) for i, n in enumerate(numbers, 1)]


def meter_values(charger: Any, *entries: tuple[str, list[dict[str, Any]]], **fields: Any) -> None:
    found = [{"timestamp": at, "sampledValue": values} for at, values in entries]
    charger.ask("MeterValues", {"connectorId": 1, "meterValue": found, **fields})


@pytest.fixture
def charger(site: Any) -> Any:
    charger = site.charger()
    charger.status("Charging")
    return charger


# ---- time -----------------------------------------------------------------------------------

WHOLE = [value(P, 7100, unit="W"), value(E, 5000, unit="Wh"), value(A, 30.9), value(V, 230)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_one_moment_in_many_entries_in_any_order(site, charger, clock, order) -> None:
    spellings = (clock.iso(20), clock.iso(20)[:-1] + ".000+00:00", clock.iso(20)[:-1] + "+00", clock.iso(20)[:-1])  # fmt: skip
    for ago in (40, 20):
        at = [text.replace(clock.iso(20)[:-1], clock.iso(ago)[:-1]) for text in spellings]
        meter_values(charger, *[(at[i], [WHOLE[i]]) for i in order])
    connector = site.connector()
    assert (connector.load_kw, connector.load_estimated) == (7.1, False)
    assert (connector.energy_wh, connector.voltage_v) == (5000, 230)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_measured_power_stays_where_the_register_has_a_message_of_its_own(
    site, clock, order, version
) -> None:
    charger = site.charger(subprotocols=[f"ocpp{version}"])
    number = "connectorId" if version == "1.6" else "evseId"
    kind = str if version == "1.6" else float
    for ago in (120, 60, 0):
        messages = [{"measurand": P, "value": kind(6900)}, {"measurand": E, "value": kind(5000)}]
        for i in order:
            entry = {"timestamp": clock.iso(ago), "sampledValue": [messages[i]]}
            charger.ask("MeterValues", {number: 1, "meterValue": [entry]})
            if ago < 120:
                assert site.connector().load_kw == 6.9
    assert (site.connector().load_kw, site.connector().load_estimated) == (6.9, False)


def test_the_register_may_stand_a_second_behind_the_power(site, charger, clock) -> None:
    for ago in (122, 62, 2):
        meter_values(charger, (clock.iso(ago), [value(P, 6900)]))
        meter_values(charger, (clock.iso(ago - 1), [value(E, 5000)]))
        assert site.connector().load_kw == 6.9


def test_a_register_between_two_samples_gives_the_load_where_no_power_comes() -> None:
    meter = Meter()
    meter.take(read(value(P, 6900), value(E, 900)), 40, 40)
    meter.take(read(value(E, 1000)), 100, 100)  # its power may be on the way
    assert meter.known(0)["load_kw"][0] == 6.9
    meter.take(read(value(E, 1100)), 160, 160)
    assert meter.known(0)["load_kw"][0] == pytest.approx(6.0)
    meter.take(read(value(E, 1050)), 220, 220)  # it fell: no load is made of that
    assert meter.known(0)["load_kw"][1] == 160
    meter.take(read(value(E, 1150)), 280, 280)
    assert meter.known(0)["load_kw"][0] == pytest.approx(6.0)


MESSAGES = {
    "power": [value(P, 7000)],
    "register": [value(E, 9000)],
    "both": [value(E, 9000), value(P, 7000)],
    "current": [value(V, 230), value(A, 20)],
}


@given(st.lists(st.sampled_from(sorted(MESSAGES)), min_size=1, max_size=6))
def test_the_best_of_one_moment_counts_in_any_order(kinds) -> None:
    meter = Meter()
    meter.take(read(value(E, 1000)), 0, 0)
    for kind in kinds:
        meter.take(read(*MESSAGES[kind]), 60, 60)
    known = meter.known(0).get("load_kw")
    assert known is not None
    if {"power", "both"} & set(kinds):
        assert (known[0], known[3] >= COMPUTED) == (7.0, False)
    elif "current" in kinds:
        assert (known[0], known[3] >= COMPUTED) == (4.6, True)
    else:
        assert known[0] == pytest.approx(480)


def test_phases_of_one_moment_in_messages_of_their_own(site, charger, clock) -> None:
    for each in lines(A, 10, 11, 12):
        meter_values(charger, (clock.iso(), [each]))
    assert {line: it["current_a"] for line, it in site.connector().phases.items()} == {
        "L1": 10, "L2": 11, "L3": 12,
    }  # fmt: skip


# ---- context --------------------------------------------------------------------------------

NOW = ["Sample.Periodic", "Sample.Clock", "Trigger", None]
THEN = ["Transaction.Begin", "Interruption.Begin", "Interruption.End"]


@pytest.mark.parametrize("then", THEN)
@pytest.mark.parametrize("now", [*NOW, "Transaction.End", "Other"])
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_measured_now_counts_before_what_was(now, then, turned) -> None:
    pair = [value(E, 678, context=now), value(E, 5, context=then)]
    assert read(*(reversed(pair) if turned else pair)).energy_wh == 678
    pair = [*lines(P, 1000, 900, context=now), *lines(P, 1, 2, 3, context=then)]
    assert read(*(reversed(pair) if turned else pair)).load_kw == 1.9


@pytest.mark.parametrize("turned", [False, True])
def test_the_end_counts_at_the_end(turned) -> None:
    pair = [value(E, 900, context="Transaction.End"), value(E, 880, context="Sample.Clock")]
    pair = list(reversed(pair)) if turned else pair
    assert read(*pair, ending=True).energy_wh == 900
    assert read(*pair).energy_wh == 880


def test_the_begin_alone_is_read() -> None:
    assert read(value(E, 5, context="Transaction.Begin")).energy_wh == 5


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("register", [5300, None])
def test_begin_and_end_in_the_data_of_a_stop(site, clock, turned, register) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=1000)
    at = clock.iso()
    pair = [value(E, 5300, context="Transaction.End"), value(E, 1000, context="Transaction.Begin")]
    data = [{"timestamp": at, "sampledValue": [each]} for each in pair]
    stop = {"transactionId": transaction, "timestamp": at, "meterStop": register}
    charger.ask("StopTransaction", {**stop, "transactionData": data[::-1] if turned else data})
    assert site.month()[0]["energy_wh"] == 4300


@pytest.mark.parametrize("turned", [False, True])
def test_begin_and_end_in_an_event_that_ends(site, clock, turned) -> None:
    charger = site.charger(subprotocols=["ocpp2.0.1"])

    def event(kind: str, seq: int, ago: float, *values: dict[str, Any]) -> None:
        entries = [{"timestamp": clock.iso(ago), "sampledValue": [each]} for each in values]
        info = {"transactionId": "t"}
        payload = {"eventType": kind, "seqNo": seq, "timestamp": clock.iso(ago)}
        payload |= {"triggerReason": "Trigger", "transactionInfo": info, "evse": {"id": 1}}
        charger.ask("TransactionEvent", {**payload, "meterValue": entries})

    event("Started", 0, 600, {"measurand": E, "value": 1000.0, "context": "Transaction.Begin"})
    pair = [
        {"measurand": E, "value": 5300.0, "context": "Transaction.End"},
        {"measurand": E, "value": 1000.0, "context": "Transaction.Begin"},
    ]
    event("Ended", 1, 0, *(reversed(pair) if turned else pair))
    assert site.month()[0]["energy_wh"] == 4300


# ---- location -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "load_kw"),
    [
        (["Outlet", "Cable", "Body", "Inlet"], 1),
        (["Inlet", "Body", "Cable", None], 4),
        (["Inlet", "Body", "Cable"], 3),
        (["Inlet", "Body"], 2),
        (["Inlet"], 1),
        (["EV"], None),
    ],
)
def test_the_best_place_counts(places, load_kw) -> None:
    values = [value(P, 1000 * n, location=place) for n, place in enumerate(places, 1)]
    assert read(*values).load_kw == load_kw


@pytest.mark.parametrize("turned", [False, True])
def test_a_quirk_names_the_place(start, clock, turned) -> None:
    site = start(charge_points={"CP1": {"quirks": {"location": "Inlet"}}})
    charger = site.charger()
    charger.status("Charging")
    values = [value(P, 7000, location="Outlet"), value(P, 7300, location="Inlet")]
    meter_values(charger, (clock.iso(), values[::-1] if turned else values))
    assert site.connector().load_kw == 7.3


def test_each_measurand_has_its_own_best_place_and_none_are_multiplied_across() -> None:
    found = read(value(V, 230, location="Outlet"), value(A, 10, location="Inlet"))
    assert (found.load_kw, found.voltage_v, found.current_a) == (None, 230, 10)
    found = read(value(V, 230, location="Body"), value(A, 10, location="Body"))
    assert found.load_kw == pytest.approx(2.3)


# ---- phases ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "supply", "offered_kw"),
    [
        ([value(OFFERED, 16), *lines(V, 230, 230, 230)], ONE, 11.04),
        ([value(OFFERED, 16), value(V, 230), *lines(A, 15, 0, 15)], ONE, 11.04),
        ([value(OFFERED, 16), value(V, 230)], THREE, 11.04),
        ([value(OFFERED, 16), value(V, 230)], ONE, 3.68),
        ([value(OFFERED, 16), *lines(V, 230, 0, 230)], THREE, 7.36),
        ([*lines(OFFERED, 16, 16, 0), *lines(V, 230, 230, 230)], THREE, 7.36),
        ([value(OFFERED, 16)], THREE, 11.04),
        ([value(OFFERED, 0)], THREE, 0.0),
        ([value(OFFERED, 100), value(V, 400)], DC, 40.0),
        ([value(OFFERED, 100), value(V, 400), *lines(A, 60, 60, 60)], DC, 40.0),
        ([value(OFFERED, 100)], DC, None),
        ([value(OFFERED, 0)], DC, 0.0),
        ([value("Power.Offered", 22, unit="kW"), value(OFFERED, 16)], ONE, 22),
    ],
)
def test_offered_current_by_the_phases_of_the_message(values, supply, offered_kw) -> None:
    found = read(*values, supply=supply).offered_kw
    assert found == (None if offered_kw is None else pytest.approx(offered_kw))


@pytest.mark.parametrize(
    ("values", "supply", "load_kw"),
    [
        ([*lines(V, 230, 230, 230), *lines(A, 16, 0, 16)], THREE, 7.36),
        ([*lines(V, 230, 0, 230), value(A, 16)], THREE, 7.36),
        ([*lines(V, 230, 230, 230), *lines(A, 16, 0, 0)], THREE, 3.68),
        ([*lines(P, 3680, 0, 3680)], THREE, 7.36),
        ([value(V, 400), value(A, 100)], DC, 40),
        ([value(V, 400, phase="L1"), value(A, 100, phase="L1")], DC, 40),
        ([*lines(V, 230, 230, 230), value(A, 30, phase="N")], THREE, None),
        ([*lines(P, 1000, 1000), value(P, 500, phase="N")], THREE, 2),
    ],
)
def test_a_dead_phase_counts_and_n_does_not(values, supply, load_kw) -> None:
    found = read(*values, supply=supply).load_kw
    assert found == (None if load_kw is None else pytest.approx(load_kw))


@pytest.mark.parametrize(
    ("volts", "supply", "mean"),
    [
        ((230, 230, 230), THREE, 230),
        ((230, 0, 230), THREE, 460 / 3),
        ((230, 0, 0), THREE, 230),
        ((230, 0, 0), ONE, 230),
        ((120, 120, 0), Electrical(120, 2), 120),
        ((0, 0, 0), THREE, 0),
    ],
)
def test_a_dead_phase_shows_in_the_mean(volts, supply, mean) -> None:
    assert read(*lines(V, *volts), supply=supply).voltage_v == pytest.approx(mean)


@pytest.mark.parametrize(
    ("supply", "values", "confirmed"),
    [
        ({"voltage": 230, "phases": 1}, [value(OFFERED, 16), value(V, 230)], True),
        ({"voltage": 230, "phases": 1}, [value(OFFERED, 16), *lines(V, 230, 230, 230)], False),
        ({"voltage": 230, "phases": 3}, [value(OFFERED, 6), *lines(V, 230, 230, 230)], True),
        ({"current": "DC"}, [value(OFFERED, 9), value(V, 400)], True),
        ({"current": "DC"}, [value(OFFERED, 16), value(V, 400)], False),
    ],
)
def test_a_limit_is_confirmed_by_what_is_offered_in_truth(start, supply, values, confirmed) -> None:
    quirks = {"composite": False, "read_configuration": False}
    site = start(charge_points={"CP1": {**supply, "quirks": quirks}})
    charger = site.charger()
    charger.status("Charging")
    shed_to(site, charger, 4.2)
    meter_values(charger, (site.clock.iso(), values))
    limit = site.connector().limit
    assert (limit["confirmed_by"] == "offered") is confirmed


def shed_to(site: Any, charger: Any, kw: float) -> None:
    done = threading.Event()

    def answer() -> None:
        while not done.is_set():
            try:
                frame = json.loads(charger.ws.recv(0.1))
            except TimeoutError:
                continue
            charger.ws.send(json.dumps([3, frame[1], {"status": "Accepted"}]))

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        site.system.shed(Target("CP1", 1), Limit(allowed_load_kw=kw), 60)
    finally:
        done.set()
        thread.join()


# ---- direction ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "load_kw"),
    [
        ([value(OUT, 5000)], -5),
        ([value(P, 0), value(OUT, 5000)], -5),
        ([value(P, 200), value(OUT, 5000)], -4.8),
        ([value(P, 7000), value(OUT, 0)], 7),
        ([value(P, -3000)], -3),
        ([value(OUT, 0)], None),
        ([*lines(P, 0, 0, 0), *lines(OUT, 1000, 1000, 500)], -2.5),
        ([value(V, 400), value("Current.Export", 10)], -4),
    ],
)
def test_a_vehicle_that_feeds_back_is_negative(values, load_kw) -> None:
    found = read(*values).load_kw
    assert found == (None if load_kw is None else pytest.approx(load_kw))


def test_phases_of_a_vehicle_that_feeds_back() -> None:
    found = read(*lines(OUT, 1000, 900), *lines(P, 0, 0))
    assert [found.phases[line]["load_kw"] for line in ("L1", "L2")] == [-1, -0.9]


def test_the_load_of_registers_that_feed_back() -> None:
    meter = Meter()
    meter.take(read(value(E, 1000), value(FEED, 500)), 0, 0)
    meter.take(read(value(E, 1000), value(FEED, 600)), 60, 60)
    assert meter.known(0)["load_kw"][0] == pytest.approx(-6)


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV", "SuspendedEVSE"])
def test_feeding_back_is_no_zero(site, clock, status) -> None:
    charger = site.charger()
    charger.status(status)
    meter_values(charger, (clock.iso(), [value(OUT, 4000), value(FEED, 90_000)]))
    connector = site.connector()
    assert (connector.load_kw, connector.export_kw, connector.exported_wh) == (-4, 4, 90_000)
    charger.status("Available")
    assert site.connector().load_kw == 0


def test_what_was_fed_back_before_the_status_is_over(site, clock) -> None:
    charger = site.charger()
    charger.status("Charging")
    meter_values(charger, (clock.iso(), [value(OUT, 4000)]))
    assert site.connector().load_kw == -4
    clock.ahead_s += 2
    charger.status("SuspendedEV")
    assert site.connector().load_kw == 0


def test_the_neutral_says_nothing_of_the_grid() -> None:
    found = read(value("Frequency", 1, phase="N"), value("Frequency", 50, phase="L1"))
    assert found.frequency_hz == 50


# ---- more ------------------------------------------------------------------------------------


def test_what_else_is_kept() -> None:
    found = read(
        value("Frequency", 49.98, unit="Hz", phase="L1"),
        value("Power.Factor", 0.98),
        value("Power.Reactive.Import", 1.2, unit="kvar"),
        value("Power.Reactive.Export", 300, unit="var"),
        value("Energy.Reactive.Import.Register", 2, unit="kvarh"),
        value("Temperature", 212, unit="Fahrenheit"),
    )
    assert (found.frequency_hz, found.power_factor) == (49.98, 0.98)
    assert (found.reactive_kvar, found.reactive_exported_kvar) == (1.2, 0.3)
    assert (found.reactive_varh, found.temperature_c) == (2000, pytest.approx(100))


@pytest.mark.parametrize(
    ("unit", "number", "celsius"),
    [("Fahrenheit", 32, 0), ("F", -40, -40), ("Fahrenheit", 98.6, 37), ("K", 300, 26.85), ("Celsius", 20, 20), (None, 20, 20)],
)  # fmt: skip
def test_temperatures(unit, number, celsius) -> None:
    found = read(value("Temperature", number, unit=unit)).temperature_c
    assert found == pytest.approx(celsius)


@pytest.mark.parametrize(("watts", "suspect"), [(11_000, False), (16_500, False), (16_600, True), (-17_000, True), (690_000, True)])  # fmt: skip
def test_a_load_beyond_the_rated_power_is_flagged_and_shown(start, clock, watts, suspect) -> None:
    site = start(charge_points={"CP1": {"rated_kw": 11}})
    charger = site.charger()
    charger.status("Charging")
    meter_values(charger, (clock.iso(), [value(P, watts)]))
    connector = site.connector()
    assert (connector.load_kw, connector.load_suspect) == (watts / 1000, suspect)
    assert site.point().counters.get("suspect_loads", 0) == suspect


def test_nothing_is_suspect_where_the_rated_power_is_not_known(site, charger, clock) -> None:
    meter_values(charger, (clock.iso(), [value(P, 999_000)]))
    assert (site.connector().load_kw, site.connector().load_suspect) == (999, None)
