"""The parts that every report shares: months, and CSV that spreadsheets can open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import MAXYEAR, datetime, timezone

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.text import csv_text

__all__ = ["as_csv", "month_bounds"]

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def month_bounds(month: object) -> tuple[datetime, datetime]:
    """Return the begin and end of a month written YYYY-MM, in UTC. Raises InvalidValueError."""
    found = _MONTH.fullmatch(month) if isinstance(month, str) else None
    if found is None or found[1] == "0000":
        raise InvalidValueError(f"month must be YYYY-MM, like 2026-01, not {str(month)[:20]!r}")
    year, number = int(found[1]), int(found[2])
    if year == MAXYEAR:
        raise InvalidValueError(f"month must be before {MAXYEAR}")
    return (
        datetime(year, number, 1, tzinfo=timezone.utc),
        datetime(year + number // 12, number % 12 + 1, 1, tzinfo=timezone.utc),
    )


def as_csv(fields: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return rows as CSV with a header. What is None is empty; no text is a formula."""
    return csv_text([fields, *([row.get(name) for name in fields] for row in rows)])
