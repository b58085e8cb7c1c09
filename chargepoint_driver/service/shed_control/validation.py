"""What a write may say: numbers and truth values, and how a device sheds. Nothing is sent here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from chargepoint_driver.backend import Limit
from chargepoint_driver.config import ShedSettings
from chargepoint_driver.errors import BadValue
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point

__all__ = [
    "Division",
    "ShedOptions",
    "allowed_load",
    "check_kw",
    "check_percent",
    "percent_shed",
    "truth",
]

Division = Literal["equal", "load", "rated"]

# Highest limit that is taken for meant, in kW: above any charger there is. A group has many.
_MOST_KW = 10_000.0


@dataclass(frozen=True)
class ShedOptions:
    """How a device sheds: `minutes` until a shed ends by itself unless it is renewed (0 =
    never), whether a limit is sent as soon as it is written, `confirm_minutes` until a command
    that is not reported counts as failed, the least that a port is throttled to, in kW, and how
    the total of a station group is divided."""

    minutes: int = 60
    on_write: bool = False
    confirm_minutes: float = 10.0
    floor_kw: float = 0.0
    division: Division = "equal"

    @classmethod
    def of(cls, settings: ShedSettings) -> ShedOptions:
        """As a device's configuration or a caller says."""
        return cls(
            settings.shed_duration,
            settings.shed_on_write,
            settings.shed_confirm_timeout,
            settings.floor_kw,
            settings.division,
        )


def allowed_load(point: Point, value: object) -> Limit:
    """The limit that a write of allowedLoad asks for. Raises BadValue."""
    return Limit(allowed_load_kw=check_kw(point.name, value))


def percent_shed(point: Point, value: object) -> Limit:
    """The limit that a write of percentShed asks for. Raises BadValue."""
    return Limit(percent_shed=check_percent(point.name, value))


def check_kw(name: str, value: object) -> float:
    """A limit in kW. Raises BadValue with the name of what it is for."""
    kw = _number(name, value, "kW")
    if not 0 <= kw <= _MOST_KW:
        raise BadValue(f"{name}: {kw:g} kW is not within 0 … {_MOST_KW:g} kW")
    return kw


def check_percent(name: str, value: object) -> int:
    """A whole percentage. Raises BadValue with the name of what it is for."""
    percent = _number(name, value, "percent")
    if not 0 <= percent <= 100:
        raise BadValue(f"{name}: {percent:g} is not a percentage within 0 … 100")
    if not percent.is_integer():
        raise BadValue(f"{name}: {percent:g} is not a whole percentage")
    return int(percent)


def truth(point: Point, value: object) -> bool:
    """The truth value that a write gives. Raises BadValue."""
    text = value.strip().lower() if isinstance(value, str) else value
    if text in (True, "1", "true"):
        return True
    if text in (False, "0", "false"):
        return False
    raise BadValue(f"{point.name}: the value is no truth value; write 1 or 0")


def _number(name: str, value: Value | object, unit: str) -> float:
    """A finite number. Texts are taken where they are one, truth values are not."""
    if isinstance(value, str) and value.strip() and "_" not in value:
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadValue(f"{name}: the value is no number; write a number ({unit})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadValue(f"{name}: the value is not finite; write a number ({unit})")
    return number
