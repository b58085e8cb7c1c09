"""Day-ahead prices. A moment without a price has none, and not that of another hour."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from chargepoint_driver.errors import InvalidValueError

__all__ = ["Price", "Prices"]

_HOUR = timedelta(hours=1)
_MAX_PERIOD = timedelta(days=1)
MAX_PRICES = 10_000


@dataclass(frozen=True)
class Price:
    """A price per kWh from `start` until before `end` (UTC)."""

    start: datetime
    end: datetime
    per_kwh: float


class Prices:
    """Prices in order of time, without overlaps."""

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        self._prices = sorted(prices, key=lambda each: each.start)
        self._starts = [each.start for each in self._prices]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prices) and self._prices == other._prices

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Any:
        return iter(self._prices)

    def __len__(self) -> int:
        return len(self._prices)

    def at(self, when: datetime) -> float | None:
        """Return the price of a moment; None: not known."""
        found = bisect_right(self._starts, when) - 1
        if found < 0 or when >= self._prices[found].end:
            return None
        return self._prices[found].per_kwh

    def merged(self, newer: Prices, since: datetime) -> Prices:
        """Return both; of the time that the newer ones span, only those. What ended before
        `since` is dropped."""
        found = list(newer._prices)
        first = found[0].start if found else None
        last = found[-1].end if found else None
        for each in self._prices:
            if first is None or last is None:
                found.append(each)
                continue
            if each.start < first:
                found.append(Price(each.start, min(each.end, first), each.per_kwh))
            if each.end > last:
                found.append(Price(max(each.start, last), each.end, each.per_kwh))
        return Prices(each for each in found if each.end > since)

    @classmethod
    def parse(cls, message: Any) -> Prices:
        """Return the prices of a message or file: `[{"start", "price", "end"?}, ...]`, or an
        object with that list as `prices`.

        Without `end` a price lasts until the next one, at most a day; the last one lasts as long
        as the one before it, or an hour. Raises InvalidValueError, and then none of it counts.
        """
        rows = message.get("prices") if isinstance(message, dict) else message
        if not isinstance(rows, list) or not rows:
            raise InvalidValueError('prices: must be a list of {"start": time, "price": number}')
        if len(rows) > MAX_PRICES:
            raise InvalidValueError(f"prices: {len(rows)} are too many; at most {MAX_PRICES}")
        read = sorted((_row(number, row) for number, row in enumerate(rows)), key=lambda r: r[0])
        found = []
        length = _HOUR
        for number, (start, end, price) in enumerate(read):
            following = read[number + 1] if number + 1 < len(read) else None
            if following is not None:
                if following[0] == start:
                    raise InvalidValueError(
                        f"prices: {start.isoformat()} has two prices; remove one"
                    )
                if end is not None and end > following[0]:
                    raise InvalidValueError(f"prices: {start.isoformat()} overlaps the next price")
                if end is None and following[0] - start <= _MAX_PERIOD:
                    length = following[0] - start
            found.append(Price(start, end or start + length, price))
        return cls(found)


def _row(number: int, row: Any) -> tuple[datetime, datetime | None, float]:
    where = f"prices.{number}"
    if not isinstance(row, dict) or not {"start", "price"} <= row.keys():
        raise InvalidValueError(f"{where}: must have start and price")
    price = row["price"]
    if isinstance(price, bool) or not isinstance(price, (int, float)) or not math.isfinite(price):
        raise InvalidValueError(f"{where}: price: expected a number, got {price!r}")
    start = parse_time(row["start"], f"{where}: start")
    end = None if row.get("end") is None else parse_time(row["end"], f"{where}: end")
    if end is not None and end <= start:
        raise InvalidValueError(f"{where}: end: is not after start")
    return start, end, float(price)


def parse_time(value: Any, where: str) -> datetime:
    """Return a time of ISO 8601 with its zone, as UTC. Raises InvalidValueError."""
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidValueError(
            f"{where}: expected a time with its zone, like 2026-12-01T14:00:00+01:00, "
            f"got {str(value)[:40]!r}"
        )
    return found.astimezone(timezone.utc)
