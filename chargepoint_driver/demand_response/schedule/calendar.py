"""Local times of days as moments, over changes of daylight saving time too."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from chargepoint_driver.demand_response.schedule.config import WEEKDAYS, RuleConfig

__all__ = ["applies_on", "days", "moment", "span"]

_SECOND = timedelta(seconds=1)


def moment(day: date, clock: str, zone: ZoneInfo, *, is_end: bool = False) -> datetime:
    """Return the UTC moment of a local time of a day, `HH:MM` up to 24:00.

    A time that the clocks skip is the moment at which they are set forward. Of a time that
    comes twice a span begins at the first and ends at the second: a limit lasts rather longer.
    """
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    wall = datetime.combine(day, time.fromisoformat(clock), zone)
    first = wall.replace(fold=0).astimezone(timezone.utc)
    second = wall.replace(fold=1).astimezone(timezone.utc)
    if second < first:
        return _set_forward(second, first, zone)
    return second if is_end else first


def _set_forward(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment between two at which the offset of the zone changes."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def span(day: date, begin: str, end: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return begin and end of what lasts from one local time to another, at most a day later."""
    is_next = end != "24:00" and end <= begin
    last = day + timedelta(days=1) if is_next else day
    return moment(day, begin, zone), moment(last, end, zone, is_end=True)


def days(start: datetime, end: datetime, zone: ZoneInfo) -> list[date]:
    """Return the local days on which something may begin that lasts between two moments."""
    first = start.astimezone(zone).date() - timedelta(days=1)
    count = (end.astimezone(zone).date() - first).days + 1
    return [first + timedelta(days=number) for number in range(count)]


def applies_on(rule: RuleConfig, day: date, holidays: frozenset[str]) -> bool:
    """Return whether a rule begins on a day."""
    is_holiday = day.isoformat() in holidays
    if rule.holidays == "only":
        if not is_holiday:
            return False
    elif (is_holiday and rule.holidays == "never") or WEEKDAYS[day.weekday()] not in rule.weekdays:
        return False
    if rule.season is None:
        return True
    first, last = rule.season
    today = f"{day:%m-%d}"
    return first <= today <= last if first <= last else today >= first or today <= last
