"""Values of rows: recorded times and numbers; anything else counts as not reported."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

__all__ = ["flag", "number", "of_seconds", "text", "time"]


def number(value: object) -> float | None:
    """Return a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def text(value: object) -> str | None:
    """Return a text that is not empty, or a number as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return str(value) or None


def flag(value: object) -> bool | None:
    """Return a truth value, also 0 or 1; None for anything else."""
    return bool(value) if isinstance(value, bool) or value in (0, 1) else None


def time(value: object) -> datetime | None:
    """Return a moment of ISO 8601, UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def of_seconds(value: Any) -> datetime | None:
    """Return a moment of seconds since 1970; None for anything else."""
    seconds = number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
