"""Prices of a tariff by the quarter hour of the week, and pieces of a time by price."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from chargepoint_driver.config import TariffConfig
from chargepoint_driver.records import Unreadable

__all__ = ["Piece", "Prices", "PricingError", "Rate", "WeekClock", "of_chargepoint", "of_tariff"]

QUARTER_MS = 900_000
_DAY = 96
_WEEK = 7 * _DAY
_MAX_KNOWN_QUARTERS = 400_000
_LENGTH = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)|(\d{1,4}) hours?")
_PRICE_FIELDS = ("unitPricePerSession", "unitPricePerHour", "unitPricePerKWh")


class PricingError(ValueError):
    """ChargePoint's pricing does not say what a session costs."""


class Rate(NamedTuple):
    """Prices of one time of use. `name` "" is that of the tariff itself."""

    name: str
    per_kwh: Decimal
    per_hour: Decimal


@dataclass(frozen=True)
class Prices:
    """Prices of a tariff, ready to be used.

    `week` has the index in `rates` of each quarter hour from Monday at 00:00, -1 where no price is
    known. `is_flat`: one rate counts at all times. The cost of a session is at least `minimum` and
    at most `maximum`; of a session longer than `longest_s` it is not known.
    """

    name: str
    currency: str
    per_session: Decimal
    rates: tuple[Rate, ...]
    week: tuple[int, ...]
    hours: Literal["connected", "charging"] = "connected"
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    longest_s: int | None = None

    @property
    def is_flat(self) -> bool:
        return len(self.rates) == 1 and -1 not in self.week


class Piece(NamedTuple):
    """A time within a session, in ms since 1970, and the index of its rate."""

    begin_ms: int
    end_ms: int
    rate: int


class WeekClock:
    """The local quarter hour of the week at any time.

    Zones change their offset at whole quarter hours of UTC, so one answer is good for a whole
    quarter hour, also where the clock is set forward or back.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._known: dict[int, int] = {}

    def quarter(self, number: int) -> int:
        """Return the local quarter hour of the week (0: Monday at 00:00) of a quarter hour since
        1970, UTC."""
        found = self._known.get(number)
        if found is None:
            local = datetime.fromtimestamp(number * 900, self.zone)
            found = local.weekday() * _DAY + local.hour * 4 + local.minute // 15
            if len(self._known) >= _MAX_KNOWN_QUARTERS:
                self._known.clear()
            self._known[number] = found
        return found

    def pieces(self, prices: Prices, begin_ms: int, end_ms: int) -> list[Piece]:
        """Cut a time where the rate changes. Neighbours differ; a time without length is one
        piece."""
        first, last = begin_ms // QUARTER_MS, max(begin_ms, end_ms - 1) // QUARTER_MS
        if prices.is_flat:
            return [Piece(begin_ms, end_ms, 0)]
        found: list[Piece] = []
        at_ms, rate = begin_ms, prices.week[self.quarter(first)]
        for number in range(first + 1, last + 1):
            following = prices.week[self.quarter(number)]
            if following != rate:
                found.append(Piece(at_ms, number * QUARTER_MS, rate))
                at_ms, rate = number * QUARTER_MS, following
        found.append(Piece(at_ms, end_ms, rate))
        return found


@lru_cache(maxsize=256)
def of_tariff(tariff: TariffConfig) -> Prices:
    """Return the prices of a configured tariff."""
    rates = [Rate("", tariff.per_kwh, tariff.per_hour)]
    week = [0] * _WEEK
    for period in tariff.periods:
        for quarter in period.quarters():
            week[quarter] = len(rates)
        rates.append(
            Rate(
                period.name,
                tariff.per_kwh if period.per_kwh is None else period.per_kwh,
                tariff.per_hour if period.per_hour is None else period.per_hour,
            )
        )
    return Prices(
        tariff.name, tariff.currency, tariff.per_session, tuple(rates), tuple(week), tariff.hours
    )


def of_chargepoint(values: Mapping[str, Any]) -> Prices | None:
    """Return the prices that ChargePoint reports of a station (its attribute Pricing), None
    where it reports none. Raises PricingError where they do not say what a session costs.

    Only the first pricing specification of a station is read. Outside its time of day no price is
    known.
    """
    reported = [name for name in _PRICE_FIELDS if values.get(name) is not None]
    if not reported:
        return None
    if _amount(values, "unitPriceForFirst"):
        raise PricingError("unitPriceForFirst is set, and its effect is not documented")
    per_hour = _amount(values, "unitPricePerHour")
    thereafter = values.get("unitPricePerHourThereafter")
    if thereafter is not None and _amount(values, "unitPricePerHourThereafter") != per_hour:
        raise PricingError("the price of an hour changes within a session, at no documented time")
    currency = values.get("currencyCode")
    if not isinstance(currency, str) or not currency.isalpha() or len(currency) != 3:
        raise PricingError("currencyCode is not reported")
    maximum = _amount(values, "maxPrice")
    begin, end = _time_of_day(values, "startTime", 0), _time_of_day(values, "endTime", _DAY)
    covered = _covered(begin, end)
    return Prices(
        "ChargePoint",
        currency.upper(),
        _amount(values, "unitPricePerSession"),
        (Rate("", _amount(values, "unitPricePerKWh"), per_hour),),
        tuple(0 if quarter % _DAY in covered else -1 for quarter in range(_WEEK)),
        minimum=_amount(values, "minPrice") or None,
        # 0 is what stations without a maximum report.
        maximum=maximum or None,
        longest_s=_length_s(values.get("sessionTime")),
    )


def _length_s(text: Any) -> int | None:
    """Return the seconds of `sessionTime`, like 08:00:00 or 4 hours; None for no limit."""
    if text is None or text == "":
        return None
    found = _LENGTH.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise PricingError("sessionTime cannot be read")
    if found[4] is not None:
        return int(found[4]) * 3_600
    return int(found[1]) * 3_600 + int(found[2]) * 60 + int(found[3])


def _covered(begin: int, end: int) -> set[int]:
    """Return the quarter hours of a day from begin to end. The same for both is the whole day."""
    length = (end - begin) % _DAY or _DAY
    return {quarter % _DAY for quarter in range(begin, begin + length)}


def _amount(values: Mapping[str, Any], name: str) -> Decimal:
    value = values.get(name)
    if value is None:
        return Decimal(0)
    if isinstance(value, (Unreadable, bool)):
        raise PricingError(f"{name} cannot be read")
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        raise PricingError(f"{name} cannot be read") from None
    if not found.is_finite() or found < 0:
        raise PricingError(f"{name} is not a price")
    return found


def _time_of_day(values: Mapping[str, Any], name: str, otherwise: int) -> int:
    """Return the quarter hour of a day of hh:mm:ss."""
    value = values.get(name)
    if value is None or value == "":
        return otherwise
    parts = str(value).split(":") if isinstance(value, str) else []
    if len(parts) == 3 and all(part[:2].isdecimal() for part in parts):
        hour, minute, second = (int(part[:2]) for part in parts)
        if (hour, minute, second) in ((23, 59, 59), (23, 59, 0), (24, 0, 0)):
            return _DAY
        if hour < 24 and minute < 60 and minute % 15 == second == 0:
            return hour * 4 + minute // 15
    raise PricingError(f"{name} is not a time in quarter hours")
