"""Times of messages. Inside the backend a time is seconds since 1970 (float, UTC)."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache

import msgspec

__all__ = ["effective", "historic", "iso", "month_bounds", "parse"]

# A clock this far ahead of ours, or before this date, is not believed.
_FAR_AHEAD_S = 10 * 366 * 86_400.0
_CLOCK_NEVER_SET_S = datetime(2015, 1, 1, tzinfo=timezone.utc).timestamp()


def parse(text: object) -> float | None:
    """The time of an RFC 3339 text, naive ones taken as UTC; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = msgspec.convert(text.strip(), datetime)
    except msgspec.ValidationError:
        try:
            moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    try:
        return moment.timestamp()
    except (OverflowError, ValueError):
        return None


def historic(time_s: float | None, received_s: float) -> float:
    """The time of a message for the record: its own, unless it has none or its clock was never
    set; then when it was received."""
    if time_s is None or not _CLOCK_NEVER_SET_S <= time_s <= received_s + _FAR_AHEAD_S:
        return received_s
    return time_s


def effective(time_s: float, received_s: float) -> float:
    """When a message counts as sent for what is live: never later than it was received, or a
    clock that is fast would keep what comes after it was put right from counting."""
    return min(time_s, received_s)


def iso(time_s: float | None) -> str | None:
    """ISO 8601 in UTC with milliseconds and Z; None stays None."""
    if time_s is None:
        return None
    second, milliseconds = divmod(round(time_s * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)
def _second(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def month_bounds(month: str) -> tuple[float, float]:
    """Begin and end of a month written YYYY-MM, in UTC. Raises ValueError."""
    if len(month) != len("2026-01"):
        raise ValueError(f"month must be YYYY-MM, like 2026-01, not {month[:20]!r}")
    try:
        begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError(f"month must be YYYY-MM, like 2026-01, not {month!r}") from None
    if begin.year == 9999:
        raise ValueError("month must be before 9999")
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return begin.timestamp(), end.timestamp()
