"""Table of OpenADR signals: what each asks of chargers, and in which unit.

Sources: OpenADR 2.0b profile specification, table of signal names and types; OpenADR 3.0.1
definitions, enumeration of event payload types.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "SIGNALS",
    "Ask",
    "Facts",
    "Meaning",
    "Signal",
    "UnresolvableSignalError",
    "resolve",
    "to_ask",
]


class Meaning(str, Enum):
    """Meaning of a signal's number."""

    LEVEL = "level"  # looked up in `levels`
    PRICE = "price"  # looked up in `prices`
    KW = "kW"  # the limit
    DELTA_KW = "delta kW"  # added to the load expected without the event
    MULTIPLIER = "multiplier"  # times the load expected without the event
    FRACTION = "fraction of rated power"  # 0.5: half of the rated power
    PERCENT_OFFSET = "per cent off rated power"  # -40: 60 per cent of the rated power
    NOTICE = "notice"  # asks for no limit


@dataclass(frozen=True)
class Signal:
    """One row. `type` is the signalType of 2.0b; None in OpenADR 3. `is_capacity`: the limit of
    a connection, of which `site_reserve_kw` is not for chargers. `needs_unit`: the number may be
    a temperature or a current, so that it counts only with a unit of power."""

    version: str
    name: str
    type: str | None
    meaning: Meaning
    is_capacity: bool = False
    needs_unit: bool = False


SIGNALS = (
    Signal("2.0b", "SIMPLE", "level", Meaning.LEVEL),
    Signal("2.0b", "ELECTRICITY_PRICE", "price", Meaning.PRICE),
    Signal("2.0b", "ENERGY_PRICE", "price", Meaning.PRICE),
    Signal("2.0b", "LOAD_DISPATCH", "setpoint", Meaning.KW),
    Signal("2.0b", "LOAD_DISPATCH", "delta", Meaning.DELTA_KW),
    Signal("2.0b", "LOAD_DISPATCH", "multiplier", Meaning.MULTIPLIER),
    Signal("2.0b", "LOAD_CONTROL", "x-loadControlSetpoint", Meaning.KW, needs_unit=True),
    Signal("2.0b", "LOAD_CONTROL", "x-loadControlCapacity", Meaning.FRACTION),
    Signal("2.0b", "LOAD_CONTROL", "x-loadControlPercentOffset", Meaning.PERCENT_OFFSET),
    Signal("3", "SIMPLE", None, Meaning.LEVEL),
    Signal("3", "PRICE", None, Meaning.PRICE),
    Signal("3", "DISPATCH_SETPOINT", None, Meaning.KW),
    Signal("3", "DISPATCH_SETPOINT_RELATIVE", None, Meaning.DELTA_KW),
    Signal("3", "CONTROL_SETPOINT", None, Meaning.KW, needs_unit=True),
    Signal("3", "IMPORT_CAPACITY_LIMIT", None, Meaning.KW, True),
    Signal("3", "IMPORT_CAPACITY_SUBSCRIPTION", None, Meaning.KW, True),
    Signal("3", "IMPORT_CAPACITY_RESERVATION", None, Meaning.NOTICE),
    Signal("3", "IMPORT_CAPACITY_AVAILABLE", None, Meaning.NOTICE),
    Signal("3", "EXPORT_CAPACITY_LIMIT", None, Meaning.NOTICE),
    Signal("3", "EXPORT_PRICE", None, Meaning.NOTICE),
    Signal("3", "GHG", None, Meaning.NOTICE),
    Signal("3", "ALERT_GRID_EMERGENCY", None, Meaning.NOTICE),
    Signal("3", "ALERT_POSSIBLE_OUTAGE", None, Meaning.NOTICE),
    Signal("3", "ALERT_FLEX_ALERT", None, Meaning.NOTICE),
    Signal("3", "ALERT_OTHER", None, Meaning.NOTICE),
)
_ROWS = {(row.version, row.name, row.type): row for row in SIGNALS}

_POWER = {Meaning.KW, Meaning.DELTA_KW}
_KILOWATTS = {"W": 0.001, "KW": 1.0, "MW": 1000.0}
# SI prefixes of OpenADR 2.0b, as factors.
_SCALES = {"none": 1.0, None: 1.0, "k": 1e3, "M": 1e6, "m": 1e-3}


class UnresolvableSignalError(ValueError):
    """A signal asks for something that the configuration or the meter does not answer."""


@dataclass(frozen=True)
class Ask:
    """Request of one signal in one interval. Powers are in kW."""

    name: str
    meaning: Meaning
    value: float
    is_capacity: bool = False


@dataclass(frozen=True)
class Facts:
    """Facts that turn a signal into a limit. `levels` and `prices`: threshold to the limit in kW;
    `rated_kw` None: not configured; `expected_kw`: load without the event, None: not known."""

    levels: Mapping[float, float]
    prices: Mapping[float, float]
    rated_kw: float | None = None
    expected_kw: float | None = None
    site_reserve_kw: float = 0.0


def to_ask(
    version: str,
    name: str,
    kind: str | None,
    value: object,
    unit: str | None = None,
    scale: str | None = None,
) -> Ask:
    """Read one value of a signal. A power without unit is in kW. Raises UnresolvableSignalError
    where the signal is not in the table, or the value or its unit is of no use."""
    row = _ROWS.get((version, name.upper(), kind))
    if row is None:
        said = name if kind is None else f"{name} of type {kind}"
        raise UnresolvableSignalError(f"signal {said} is not supported")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        if row.meaning is Meaning.NOTICE:
            return Ask(row.name, row.meaning, 0.0)
        raise UnresolvableSignalError(f"{name}: {value!r} is not a number")
    number = float(value)
    if row.needs_unit and unit is None:
        raise UnresolvableSignalError(
            f"{name}: needs a unit; without one {number:g} may not be a power"
        )
    if unit and unit.upper() == "PERCENT" and row.meaning is Meaning.KW:
        return Ask(row.name, Meaning.FRACTION, number / 100, row.is_capacity)
    if row.meaning in _POWER and unit is not None:
        if unit.upper() not in _KILOWATTS or scale not in _SCALES:
            raise UnresolvableSignalError(
                f"{name}: unit {unit} (scale {scale}) is not a power in W or kW"
            )
        number *= _KILOWATTS[unit.upper()] * _SCALES[scale]
    return Ask(row.name, row.meaning, number, row.is_capacity)


def resolve(ask: Ask, facts: Facts) -> float | None:
    """Return the limit of a signal in kW; None: no limit. Raises UnresolvableSignalError."""
    limit = _limit(ask, facts)
    if limit is None:
        return None
    if ask.is_capacity:
        limit -= facts.site_reserve_kw
    return max(0.0, limit)


def _table(ask: Ask, steps: Mapping[float, float], key: str) -> float | None:
    if not steps:
        raise UnresolvableSignalError(f"{ask.name} {ask.value:g}: `{key}` of the config is empty")
    reached = [step for step in steps if ask.value >= step]
    return steps[max(reached)] if reached else None


def _rated(ask: Ask, facts: Facts) -> float:
    if facts.rated_kw is None:
        raise UnresolvableSignalError(f"{ask.name} {ask.value:g}: needs `rated_kw` in the config")
    return facts.rated_kw


def _expected(ask: Ask, facts: Facts) -> float:
    if facts.expected_kw is None:
        raise UnresolvableSignalError(
            f"{ask.name} {ask.value:g}: the load without the event is not known"
        )
    return facts.expected_kw


def _limit(ask: Ask, facts: Facts) -> float | None:
    value = ask.value
    limits: dict[Meaning, Callable[[], float | None]] = {
        Meaning.LEVEL: lambda: _table(ask, facts.levels, "levels"),
        Meaning.PRICE: lambda: _table(ask, facts.prices, "prices"),
        Meaning.KW: lambda: value,
        Meaning.DELTA_KW: lambda: _expected(ask, facts) + value,
        Meaning.MULTIPLIER: lambda: _expected(ask, facts) * value,
        Meaning.FRACTION: lambda: _rated(ask, facts) * value,
        Meaning.PERCENT_OFFSET: lambda: _rated(ask, facts) * (1 + value / 100),
        Meaning.NOTICE: lambda: None,
    }
    return limits[ask.meaning]()
