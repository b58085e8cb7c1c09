"""Times of the API as text."""

from __future__ import annotations

from datetime import datetime, timezone

__all__ = ["iso", "iso_or_none"]


def iso(time_s: float) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat(timespec="seconds")


def iso_or_none(time_s: float | None) -> str | None:
    """Return the same, and None for None."""
    return None if time_s is None else iso(time_s)
