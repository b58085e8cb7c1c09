"""Times as texts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def iso(seconds: float) -> str:
    """`2026-03-03T18:00:00.000Z` for seconds since the epoch."""
    moment = EPOCH + timedelta(milliseconds=round(1000 * seconds))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
