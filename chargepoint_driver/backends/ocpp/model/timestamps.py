"""Times of messages. Inside the backend a time is seconds since 1970 (float, UTC)."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from functools import lru_cache

import msgspec

__all__ = ["historic", "iso", "parse", "parse_slowly"]

# A clock this far ahead of ours, or before this date, is not believed.
_FAR_AHEAD_S = 10 * 366 * 86_400.0
_CLOCK_NEVER_SET_S = datetime(2015, 1, 1, tzinfo=timezone.utc).timestamp()
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# Extended and compact form; ASCII digits only.
_ISO = re.compile(
    r"""\s*
    (?P<year>[0-9]{4}) (?P<dash>-?) (?P<month>[0-9]{2}) (?P=dash) (?P<day>[0-9]{2})
    (?:[Tt_]|\x20+)
    (?P<hour>[0-9]{2}) (?P<colon>:?) (?P<minute>[0-9]{2})
    (?:(?P=colon) (?P<second>[0-9]{2}) (?:[.,] (?P<fraction>[0-9]*))?)?
    \s*
    (?:[Zz] | (?P<sign>[+-]) (?P<offset_hour>[0-9]{2}) (?: :? (?P<offset_minute>[0-9]{2}))?)?
    \s*""",
    re.VERBOSE,
)
_WHOLE = frozenset(
    ("year", "month", "day", "hour", "minute", "second", "offset_hour", "offset_minute")
)


def parse(text: object) -> float | None:
    """Return the time of an ISO 8601 date and time; None for anything else.

    Without an offset it counts as UTC. Beyond RFC 3339 chargers also send offsets of hours only,
    the compact form, a comma before the fraction, 24:00, a leap second and no seconds at all.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return parse_slowly(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def parse_slowly(text: str) -> float | None:
    """Return what `parse` returns, by our own rules only.

    The rules of `datetime.fromisoformat` differ between versions of Python, so it is not used.
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    parts = {name: int(digits) for name, digits in found.groupdict("0").items() if name in _WHOLE}
    hour, minute, second = parts["hour"], parts["minute"], parts["second"]
    fraction = found["fraction"] or ""
    if hour == 24 and (minute or second or fraction.strip("0")):
        return None
    if hour > 24 or minute > 59 or second > 60:
        return None
    if parts["offset_hour"] > 23 or parts["offset_minute"] > 59:
        return None
    try:
        day = date(parts["year"], parts["month"], parts["day"]).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    offset_s = parts["offset_hour"] * 3600 + parts["offset_minute"] * 60
    whole_s = day * 86_400 + hour * 3600 + minute * 60 + second
    whole_s -= -offset_s if found["sign"] == "-" else offset_s
    digits = f"{fraction[:7]:<07s}"
    microseconds = int(digits[:6]) + (digits[6] >= "5")
    return (whole_s * 1_000_000 + microseconds) / 1_000_000


def historic(time_s: float | None, received_s: float) -> float:
    """Return the time of a message for the record: its own, unless it has none or its clock was
    never set; then when it was received."""
    if time_s is None or not _CLOCK_NEVER_SET_S <= time_s <= received_s + _FAR_AHEAD_S:
        return received_s
    return time_s


def iso(time_s: float | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z; None stays None."""
    if time_s is None:
        return None
    second, milliseconds = divmod(round(time_s * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)
def _second(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
