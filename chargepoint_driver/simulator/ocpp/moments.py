"""Times as texts, and back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def iso(seconds: float) -> str:
    """Return `2026-03-03T18:00:00.000Z` for seconds since the epoch."""
    moment = EPOCH + timedelta(milliseconds=round(1000 * seconds))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def seconds_of(text: str) -> float | None:
    """Seconds since the epoch of such a text (UTC, Z); None for anything else."""
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone.utc).timestamp() if text.endswith("Z") else None
