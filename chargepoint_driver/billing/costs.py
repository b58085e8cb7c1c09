"""Cost of one session: exact, or not known with a reason.

Amounts are exact until the end; the cost of a session is rounded once, half up, to the unit of its
currency. Sums add rounded costs, so that a sum equals the lines above it.

Where the price of a kWh changes within a session, its energy is split at the changes by its meter
values. Between two meter values that are at most MAX_GAP_S apart the energy counts as even; such a
cost is marked as estimated. Between values further apart it is not known, and neither is the cost.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from chargepoint_driver.billing.prices import Piece, Prices, WeekClock
from chargepoint_driver.records import EnergyReading, SessionRecord

__all__ = ["MAX_GAP_S", "Cost", "Part", "cost_of", "energy_wh_of", "needs_readings", "rounded"]

MAX_GAP_S = 900
"""Seconds between two meter values between which energy may be split in proportion to time."""
MAX_SESSION_S = 366 * 86_400
# Meter values are rounded by chargers: up to this much they may contradict the session's energy.
_ROUNDING_MWH = 100_000

_NO_MINOR_UNIT = {
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
    "VUV", "XAF", "XOF", "XPF",
}  # fmt: skip
_THREE_DIGITS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}


class Part(NamedTuple):
    """A part of a cost. `kind`: session, energy (`quantity` in kWh) or time (in hours). `period`
    is "" for the price of the tariff itself."""

    kind: str
    period: str
    quantity: Fraction
    price: Decimal

    @property
    def amount(self) -> Fraction:
        return self.quantity * Fraction(self.price)


@dataclass(frozen=True)
class Cost:
    """Cost of a session. `amount` None: not known, `reason` (a code) and `words` say why.
    `is_estimated`: the energy was split in proportion to time between two meter values."""

    amount: Decimal | None = None
    currency: str | None = None
    tariff: str | None = None
    reason: str | None = None
    words: str | None = None
    is_estimated: bool = False
    parts: tuple[Part, ...] = ()


class _UnknownError(Exception):
    """The cost is not known."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def unknown(reason: str, words: str, prices: Prices | None = None) -> Cost:
    """Return a cost that is not known."""
    if prices is None:
        return Cost(reason=reason, words=words)
    return Cost(currency=prices.currency, tariff=prices.name, reason=reason, words=words)


def cost_of(
    session: SessionRecord,
    prices: Prices,
    clock: WeekClock,
    readings: Sequence[EnergyReading] = (),
) -> Cost:
    """Return the cost of a session. `readings`: meter values within it, oldest first."""
    try:
        begin_ms, end_ms = _span(session)
        if prices.longest_s is not None and end_ms - begin_ms > prices.longest_s * 1_000:
            raise _UnknownError(
                "pricing", "the session is longer than sessionTime of ChargePoint's pricing"
            )
        pieces = clock.pieces(prices, begin_ms, end_ms)
        if any(piece.rate < 0 for piece in pieces):
            raise _UnknownError("pricing", "the session is at a time whose price is not read")
        energy, is_estimated = _energy_parts(session, prices, pieces, readings)
        parts = [*energy, *_time_parts(session, prices, pieces)]
    except _UnknownError as error:
        return unknown(error.reason, str(error), prices)
    if prices.per_session:
        parts.insert(0, Part("session", "", Fraction(1), prices.per_session))
    amount = sum((part.amount for part in parts), Fraction(0))
    if prices.maximum is not None:
        amount = min(amount, Fraction(prices.maximum))
    if prices.minimum is not None:
        amount = max(amount, Fraction(prices.minimum))
    return Cost(
        rounded(amount, prices.currency),
        prices.currency,
        prices.name,
        is_estimated=is_estimated,
        parts=tuple(parts),
    )


def needs_readings(session: SessionRecord, prices: Prices, clock: WeekClock) -> bool:
    """Return True if the cost needs meter values within the session."""
    if prices.is_flat or not session.energy_wh or session.is_minimum:
        return False
    try:
        pieces = clock.pieces(prices, *_span(session))
    except _UnknownError:
        return False
    return len({prices.rates[piece.rate].per_kwh for piece in pieces if piece.rate >= 0}) > 1


def rounded(amount: Fraction, currency: str) -> Decimal:
    """Round an amount half up to the unit of its currency."""
    digits = 0 if currency in _NO_MINOR_UNIT else 3 if currency in _THREE_DIGITS else 2
    units = int(amount * 10**digits + Fraction(1, 2))
    return Decimal(units).scaleb(-digits)


def energy_wh_of(session: SessionRecord) -> Decimal | None:
    """Return the energy of a session to the thousandth of a Wh."""
    return None if session.energy_wh is None else Decimal(_mwh(session.energy_wh)).scaleb(-3)


def _span(session: SessionRecord) -> tuple[int, int]:
    """Return begin and end in ms."""
    if not session.has_ended:
        raise _UnknownError("running", "the session has not ended")
    if session.start_s is None:
        raise _UnknownError("no_begin", "the begin of the session is not known")
    if session.end_s is None:
        raise _UnknownError("no_end", "the end of the session is not known")
    begin_ms, end_ms = round(session.start_s * 1_000), round(session.end_s * 1_000)
    if end_ms < begin_ms:
        raise _UnknownError("times", "the session ends before it begins; check the charger's clock")
    if end_ms - begin_ms > MAX_SESSION_S * 1_000:
        raise _UnknownError("times", "the session lasts over a year; check the charger's clock")
    return begin_ms, end_ms


def _energy_parts(
    session: SessionRecord,
    prices: Prices,
    pieces: Sequence[Piece],
    readings: Sequence[EnergyReading],
) -> tuple[list[Part], bool]:
    """Return the parts by kWh, and whether any is estimated."""
    rates = [prices.rates[piece.rate] for piece in pieces]
    if not any(rate.per_kwh for rate in rates):
        return [], False
    if session.energy_wh is None:
        raise _UnknownError("no_energy", "the energy of the session is not known")
    if session.is_minimum:
        raise _UnknownError(
            "minimum", "the energy is a minimum: a register was reset, or the end has none"
        )
    total = _mwh(session.energy_wh)
    if len({rate.per_kwh for rate in rates}) == 1:
        name = ", ".join(dict.fromkeys(rate.name for rate in rates if rate.name))
        return [Part("energy", name, _kwh(Fraction(total)), rates[0].per_kwh)], False
    curve = _Curve(pieces[0].begin_ms, pieces[-1].end_ms, total, readings)
    by_price: dict[Decimal, Fraction] = {}
    names: dict[Decimal, list[str]] = {}
    before = Fraction(0)
    for piece, rate, following in zip(pieces, rates, [*rates[1:], None], strict=True):
        names.setdefault(rate.per_kwh, []).append(rate.name)
        # Where the same price goes on, the energy is not cut.
        if following is None or following.per_kwh != rate.per_kwh:
            after = Fraction(total) if following is None else curve.at(piece.end_ms)
            by_price[rate.per_kwh] = by_price.get(rate.per_kwh, Fraction(0)) + after - before
            before = after
    parts = [
        Part("energy", ", ".join(filter(None, dict.fromkeys(names[price]))), _kwh(energy), price)
        for price, energy in by_price.items()
        if energy
    ]
    return parts, curve.is_estimated


def _time_parts(session: SessionRecord, prices: Prices, pieces: Sequence[Piece]) -> list[Part]:
    rates = [prices.rates[piece.rate] for piece in pieces]
    if not any(rate.per_hour for rate in rates):
        return []
    if prices.hours == "charging":
        if session.charging_s is None:
            raise _UnknownError(
                "no_charging_time",
                "the time with power is not reported, and its hours count",
            )
        if len({rate.per_hour for rate in rates}) > 1:
            raise _UnknownError(
                "cannot_split", "cannot be split: when power flowed is not reported"
            )
        hours = Fraction(round(session.charging_s * 1_000), 3_600_000)
        return [Part("time", "", hours, rates[0].per_hour)]
    by_rate: dict[int, int] = {}
    for piece in pieces:
        by_rate[piece.rate] = by_rate.get(piece.rate, 0) + piece.end_ms - piece.begin_ms
    return [
        Part(
            "time",
            prices.rates[rate].name,
            Fraction(lasts_ms, 3_600_000),
            prices.rates[rate].per_hour,
        )
        for rate, lasts_ms in by_rate.items()
        if lasts_ms and prices.rates[rate].per_hour
    ]


class _Curve:
    """Energy of a session over time, in mWh since its begin."""

    def __init__(
        self, begin_ms: int, end_ms: int, total: int, readings: Sequence[EnergyReading]
    ) -> None:
        """Raises _UnknownError where meter values contradict the total."""
        self.is_estimated = False
        self._times, self._energies = [begin_ms], [0]
        for time_s, energy_wh in readings:
            time_ms, energy = round(time_s * 1_000), _mwh(energy_wh)
            if not self._times[-1] < time_ms < end_ms:
                continue
            fitting = min(max(energy, self._energies[-1]), total)
            if abs(fitting - energy) > _ROUNDING_MWH:
                raise _UnknownError(
                    "cannot_split",
                    "cannot be split: the meter values contradict the energy of the session",
                )
            self._times.append(time_ms)
            self._energies.append(fitting)
        self._times.append(end_ms)
        self._energies.append(total)

    def at(self, time_ms: int) -> Fraction:
        """Return the energy at a time within the session. Raises _UnknownError."""
        after = bisect.bisect_left(self._times, time_ms)
        if self._times[after] == time_ms:
            return Fraction(self._energies[after])
        begin_ms, end_ms = self._times[after - 1 : after + 1]
        low, high = self._energies[after - 1 : after + 1]
        if low == high:
            return Fraction(low)
        if end_ms - begin_ms > MAX_GAP_S * 1_000:
            minutes = round((end_ms - begin_ms) / 60_000)
            raise _UnknownError(
                "cannot_split",
                f"cannot be split: no meter value in {minutes} minutes around a change of price",
            )
        self.is_estimated = True
        return low + Fraction((high - low) * (time_ms - begin_ms), end_ms - begin_ms)


def _mwh(energy_wh: float) -> int:
    return round(energy_wh * 1_000)


def _kwh(energy_mwh: Fraction) -> Fraction:
    return energy_mwh / 1_000_000
