"""Baseline: the load expected without the event. Formula: docs/how-to/openadr.md.

Ten similar days: working days for a working day, Saturdays, Sundays and holidays for one of
those; days with an event are left out. The mean of each quarter of an hour is adjusted by the
load of the morning, as in the "10 of 10" baselines of grid operators.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from chargepoint_driver.demand_response.openadr.store import SLOT_S

__all__ = ["MIN_DAYS", "baseline_kw"]

DAYS = 10
MIN_DAYS = 5
LOOK_BACK_DAYS = 75
# The adjustment compares these hours before the event.
ADJUSTED_FROM = timedelta(hours=4)
ADJUSTED_TO = timedelta(hours=1)
MIN_FACTOR, MAX_FACTOR = 0.8, 1.2

Slots = Mapping[int, tuple[float, bool]]


def baseline_kw(
    slots: Slots,
    start: datetime,
    at: datetime,
    zone: ZoneInfo,
    holidays: Collection[date] = (),
) -> float | None:
    """Return the load expected at a time, for an event that begins at `start`; None where fewer
    than MIN_DAYS similar days were measured. `slots` as `Store.slots` has them."""

    def is_free(day: date) -> bool:
        return day.weekday() >= 5 or day in holidays

    days = _similar_days(slots, start, zone, is_free)
    expected = _mean(slots, days, at, start, zone)
    if expected is None:
        return None
    return expected * _factor(slots, days, start, zone)


def _similar_days(
    slots: Slots, start: datetime, zone: ZoneInfo, is_free: Callable[[date], bool]
) -> list[date]:
    today = start.astimezone(zone).date()
    measured: dict[date, bool] = {}
    for begin, (_, is_event) in slots.items():
        day = datetime.fromtimestamp(begin, zone).date()
        measured[day] = measured.get(day, False) or is_event
    candidates = (today - timedelta(days=back) for back in range(1, LOOK_BACK_DAYS + 1))
    found = [
        day for day in candidates if measured.get(day) is False and is_free(day) == is_free(today)
    ]
    return found[:DAYS]


def _mean(
    slots: Slots, days: list[date], at: datetime, start: datetime, zone: ZoneInfo
) -> float | None:
    """Return the mean of the similar days at a time of day; the day may have moved past
    midnight."""
    local = at.astimezone(zone)
    later = local.date() - start.astimezone(zone).date()
    values = []
    for day in days:
        there = datetime.combine(day + later, local.time(), zone)
        slot = slots.get(int(there.timestamp()) // SLOT_S * SLOT_S)
        if slot is not None:
            values.append(slot[0])
    return sum(values) / len(values) if len(values) >= MIN_DAYS else None


def _factor(slots: Slots, days: list[date], start: datetime, zone: ZoneInfo) -> float:
    """Measured load by expected load of the hours before the event, within its bounds; 1 where
    it cannot be found."""
    at, measured, expected = start - ADJUSTED_FROM, 0.0, 0.0
    while at < start - ADJUSTED_TO:
        slot = slots.get(int(at.timestamp()) // SLOT_S * SLOT_S)
        mean = _mean(slots, days, at, start, zone)
        if slot is not None and mean is not None:
            measured += slot[0]
            expected += mean
        at += timedelta(seconds=SLOT_S)
    if expected <= 0:
        return 1.0
    return min(MAX_FACTOR, max(MIN_FACTOR, measured / expected))
