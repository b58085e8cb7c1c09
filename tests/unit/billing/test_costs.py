"""Costs: exact, or not known with a reason."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargepoint_driver.billing.costs import Cost, cost_of, energy_wh_of, needs_readings, rounded
from chargepoint_driver.billing.prices import Prices, Rate, WeekClock, of_chargepoint, of_tariff
from chargepoint_driver.records import EnergyReading, SessionRecord

from .conftest import BERLIN, DAY_NIGHT, at, session, tariff

CLOCK = WeekClock(BERLIN)


def cost(one: SessionRecord, readings: Any = (), **fields: Any) -> Cost:
    return cost_of(one, of_tariff(tariff(**fields)), CLOCK, readings)


def reading(text: str, wh: float) -> EnergyReading:
    return EnergyReading(at(text), wh)


def test_a_flat_price() -> None:
    found = cost(
        session("2026-11-02T10:00", "2026-11-02T12:30", 7_333.0),
        per_session="0.35",
        per_kwh="0.30",
        per_hour="1.20",
    )
    # 0.35 + 2.1999 + 3.00
    assert (found.amount, found.currency, found.tariff) == (Decimal("5.55"), "EUR", "T")
    assert [(part.kind, part.amount) for part in found.parts] == [
        ("session", Fraction("0.35")),
        ("energy", Fraction("2.1999")),
        ("time", Fraction(3)),
    ]
    assert (found.reason, found.is_estimated) == (None, False)


def test_free_is_a_cost_and_needs_no_energy() -> None:
    found = cost(session("2026-11-02T10:00", "2026-11-02T12:00", None), per_session=0)
    assert (found.amount, found.reason) == (Decimal("0.00"), None)
    found = cost(session("2026-11-02T10:00", "2026-11-02T12:00", None), per_hour="1")
    assert found.amount == Decimal("2.00")


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (session("2026-11-02T10:00", None), "running"),
        (session("2026-11-02T10:00", "2026-11-02T11:00", None), "no_energy"),
        (session("2026-11-02T10:00", "2026-11-02T11:00", 5.0, is_minimum=True), "minimum"),
        (session(None, "2026-11-02T11:00"), "no_begin"),
        (session("2026-11-02T10:00", None, has_ended=True), "no_end"),
        (session("2026-11-02T10:00", "2026-11-02T09:00"), "times"),
        (session(0.0, "2026-11-02T09:00"), "times"),
    ],
)
def test_what_is_not_known_is_not_zero(one: SessionRecord, reason: str) -> None:
    found = cost(one, per_kwh="0.30")
    assert (found.amount, found.reason, found.tariff) == (None, reason, "T")
    assert found.words


LONG = ("2026-11-02T06:00", "2026-11-02T10:00")


def test_energy_is_split_by_meter_values() -> None:
    found = cost(session(*LONG, 10_000.0), [reading("2026-11-02T08:00", 4_000.0)], **DAY_NIGHT)
    # 4 kWh at 0.20 and 6 kWh at 0.50
    assert (found.amount, found.is_estimated) == (Decimal("3.80"), False)
    assert [(part.period, part.quantity, part.price) for part in found.parts] == [
        ("", 4, Decimal("0.20")),
        ("day", 6, Decimal("0.50")),
    ]


def test_energy_between_near_meter_values_is_estimated() -> None:
    near = [reading("2026-11-02T07:55", 4_000.0), reading("2026-11-02T08:10", 5_500.0)]
    found = cost(session(*LONG, 10_000.0), near, **DAY_NIGHT)
    # A third of the 1.5 kWh is before 8.
    assert (found.amount, found.is_estimated) == (Decimal("3.65"), True)
    assert found.parts[0].quantity == Fraction("4.5")


def test_energy_between_far_meter_values_is_not_known() -> None:
    far = [reading("2026-11-02T07:55", 4_000.0), reading("2026-11-02T08:11", 5_500.0)]
    found = cost(session(*LONG, 10_000.0), far, **DAY_NIGHT)
    assert (found.amount, found.reason) == (None, "cannot_split")
    assert found.words == "cannot be split: no meter value in 16 minutes around a change of price"
    assert cost(session(*LONG, 10_000.0), **DAY_NIGHT).reason == "cannot_split"


def test_no_energy_between_meter_values_is_known() -> None:
    idle = [reading("2026-11-02T06:30", 4_000.0), reading("2026-11-02T09:30", 4_000.0)]
    found = cost(session(*LONG, 10_000.0), idle, **DAY_NIGHT)
    assert (found.amount, found.is_estimated) == (Decimal("3.80"), False)
    full = [reading("2026-11-02T07:00", 10_000.0)]
    assert cost(session(*LONG, 10_000.0), full, **DAY_NIGHT).amount == Decimal("2.00")
    assert cost(session(*LONG, 0.0), **DAY_NIGHT).amount == Decimal("0.00")


def test_meter_values_that_contradict_the_energy() -> None:
    for values in ([("07:00", 12_000.0)], [("07:00", 9_000.0), ("07:30", 5_000.0)]):
        wrong = [reading(f"2026-11-02T{time}", wh) for time, wh in values]
        found = cost(session(*LONG, 10_000.0), wrong, **DAY_NIGHT)
        assert found.reason == "cannot_split"
        assert "contradict" in str(found.words)
    # Rounding of the charger: to a tenth of a kWh.
    near = [reading("2026-11-02T08:00", 4_000.0), reading("2026-11-02T09:00", 10_050.0)]
    assert cost(session(*LONG, 10_000.0), near, **DAY_NIGHT).amount == Decimal("3.80")


def test_meter_values_outside_the_session_do_not_count() -> None:
    outside = [reading("2026-11-02T05:00", 900.0), reading("2026-11-02T11:00", 11_000.0)]
    inside = [reading("2026-11-02T08:00", 4_000.0)]
    found = cost(session(*LONG, 10_000.0), [outside[0], *inside, outside[1]], **DAY_NIGHT)
    assert found.amount == Decimal("3.80")


def test_a_session_within_one_period_needs_no_meter_values() -> None:
    day = session("2026-11-02T08:00", "2026-11-02T20:00", 10_000.0)
    assert cost(day, **DAY_NIGHT).amount == Decimal("5.00")
    prices = of_tariff(tariff(**DAY_NIGHT))
    assert not needs_readings(day, prices, CLOCK)
    assert needs_readings(session(*LONG, 10_000.0), prices, CLOCK)
    assert not needs_readings(session(*LONG, None), prices, CLOCK)
    assert not needs_readings(session(LONG[0], None), prices, CLOCK)


def test_hours_are_split_exactly_also_when_the_clock_changes() -> None:
    early = {"name": "early", "from": "02:00", "until": "03:00", "per_hour": "10"}
    both = session("2026-10-25T00:00", "2026-10-25T06:00", None)
    assert cost(both, per_hour="1", periods=[early]).amount == Decimal("25.00")
    neither = session("2026-03-29T00:00", "2026-03-29T06:00", None)
    assert cost(neither, per_hour="1", periods=[early]).amount == Decimal("5.00")


def test_hours_with_power() -> None:
    one = session("2026-11-02T10:00", "2026-11-02T20:00", None, charging_s=5_400.0)
    assert cost(one, per_hour="2", hours="charging").amount == Decimal("3.00")
    unknown = session("2026-11-02T10:00", "2026-11-02T20:00", None)
    assert cost(unknown, per_hour="2", hours="charging").reason == "no_charging_time"
    late = {"name": "late", "from": "18:00", "per_hour": "9"}
    found = cost(one, per_hour="2", hours="charging", periods=[late])
    assert (found.amount, found.reason) == (None, "cannot_split")


def test_same_price_in_two_periods_is_one_part() -> None:
    parked = {"name": "parked", "from": "08:00", "until": "20:00", "per_hour": "1"}
    found = cost(session(*LONG, 10_000.0), per_kwh="0.5", periods=[parked])
    assert [(part.kind, part.period, part.amount) for part in found.parts] == [
        ("energy", "parked", 5),
        ("time", "parked", 2),
    ]


def test_minimum_and_maximum_of_chargepoints_pricing() -> None:
    values = {
        "unitPricePerKWh": 1.0,
        "minPrice": 2.0,
        "maxPrice": 5.0,
        "currencyCode": "USD",
        "startTime": "08:00:00",
        "endTime": "20:00:00",
    }
    prices = of_chargepoint(values)
    assert prices is not None
    for wh, amount in ((500.0, 2), (3_000.0, 3), (9_000.0, 5)):
        one = session("2026-11-02T10:00", "2026-11-02T11:00", wh)
        assert cost_of(one, prices, CLOCK).amount == amount
    assert cost_of(session(*LONG, 9.0), prices, CLOCK).reason == "pricing"


def test_a_session_longer_than_chargepoints_session_time() -> None:
    values = {"unitPricePerSession": 1.0, "currencyCode": "USD", "sessionTime": "2 hours"}
    prices = of_chargepoint(values)
    assert prices is not None
    assert cost_of(session("2026-11-02T10:00", "2026-11-02T12:00"), prices, CLOCK).amount == 1
    longer = session("2026-11-02T10:00", "2026-11-02T12:01")
    assert cost_of(longer, prices, CLOCK).reason == "pricing"


def test_rounding() -> None:
    assert rounded(Fraction("0.005"), "EUR") == Decimal("0.01")
    assert rounded(Fraction("0.00499999"), "EUR") == Decimal("0.00")
    assert rounded(Fraction("10.5"), "JPY") == Decimal(11)
    assert rounded(Fraction("1.0005"), "KWD") == Decimal("1.001")
    assert str(rounded(Fraction(2), "EUR")) == "2.00"
    assert energy_wh_of(session(0.0, 1.0, 0.1 + 0.2)) == Decimal("0.300")


@settings(max_examples=200)
@given(
    begin=st.integers(1_767_000_000, 1_799_000_000),
    lasts=st.integers(0, 3 * 86_400),
    steps=st.lists(st.integers(0, 2_000_000), max_size=300),
    step_s=st.sampled_from([60, 300, 899, 900]),
)
def test_the_parts_of_a_split_are_the_whole(
    begin: int, lasts: int, steps: list[int], step_s: int
) -> None:
    """With meter values that are near enough no energy and no hour is lost or invented."""
    times = range(begin + step_s, begin + lasts, step_s)
    steps = (steps or [1]) * (len(times) // max(1, len(steps)) + 1)
    total, readings = 0, []
    for time_s, rise in zip(times, steps, strict=False):
        total += rise
        readings.append(EnergyReading(float(time_s), total / 1_000))
    total += steps[0]
    one = session(float(begin), float(begin + lasts), total / 1_000)
    rates = tuple(Rate(str(n), Decimal(n), Decimal(1)) for n in range(1, 4))
    week = tuple(quarter // 3 % 3 for quarter in range(672))
    found = cost_of(one, Prices("T", "EUR", Decimal(0), rates, week), CLOCK, readings)
    assert found.reason is None
    energy = [part for part in found.parts if part.kind == "energy"]
    time = [part for part in found.parts if part.kind == "time"]
    assert sum(part.quantity for part in energy) == Fraction(total, 1_000_000)
    assert sum(part.quantity for part in time) == Fraction(lasts, 3_600)
    assert min((part.quantity for part in found.parts), default=0) >= 0
    exact = sum((part.amount for part in found.parts), Fraction(0))
    assert found.amount is not None
    assert abs(Fraction(found.amount) - exact) <= Fraction("0.005")
    kwh, hours = Fraction(total, 10**6), Fraction(lasts, 3_600)
    assert kwh + hours <= exact <= 3 * kwh + hours
