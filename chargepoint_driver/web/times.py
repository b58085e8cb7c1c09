"""Times of the API as text."""

from __future__ import annotations

from datetime import datetime, timezone

from chargepoint_driver.errors import InvalidValueError

__all__ = ["iso", "iso_or_none", "moment"]


def iso(time_s: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat(timespec="seconds")


def iso_or_none(time_s: float | None) -> str | None:
    """Return the same, and None for None."""
    return None if time_s is None else iso(time_s)


def moment(name: str, text: str) -> float:
    """Return seconds since 1970 of an ISO 8601 time; UTC where it has no zone. Raises
    InvalidValueError that has the `name`."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "+"))
        return found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp()
    except (ValueError, OverflowError, OSError):
        raise InvalidValueError(f"{name}: {text[:40]!r} is not an ISO 8601 time") from None
