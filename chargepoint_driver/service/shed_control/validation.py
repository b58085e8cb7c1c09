"""Validation of written values and of shed options. Sends nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from chargepoint_driver.backend import Limit
from chargepoint_driver.config import ShedSettings
from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point

__all__ = [
    "LIMITS",
    "Division",
    "ShedOptions",
    "allowed_load",
    "as_bool",
    "check_kw",
    "check_lease",
    "check_minutes",
    "check_percent",
    "percent_shed",
    "refuse_zero",
]

Division = Literal["equal", "load", "rated"]
ZeroLimit = Literal["stop", "release", "refuse"]

# Highest limit that is taken for meant, in kW: above any charger there is. A group has many.
_MAX_KW = 10_000.0
_MAX_MINUTES = 525_600.0
# A lease shorter than this could not be renewed by a call that takes its time.
_MIN_LEASE_S = 5.0
_MAX_LEASE_S = 86_400.0


@dataclass(frozen=True)
class ShedOptions:
    """Shed options of a device and of one write.

    `minutes`: interval sent with a shed, which is renewed within it (0: without end).
    `on_write`: a limit is sent as soon as it is written. `confirm_minutes`: until a command that
    is not reported counts as failed. `floor_kw`: minimum limit of a port. `division`: how the
    total of a station group is divided. `tolerance_kw`, `tolerance_percent`: excess of the load
    that still obeys; the larger one counts. `lease_s`: the writer must write again within these
    seconds (0: no lease). `zero`: what 0 kW written to allowedLoad means. `staged_alert_minutes`:
    until a limit that was not sent raises an alert (0: never). Of one write: `wanted_minutes`
    until the limit is cleared, whatever renews it (0: no deadline), and `writer`, who asks for it
    ('': not known).
    """

    minutes: float = 60
    on_write: bool = False
    confirm_minutes: float = 10.0
    floor_kw: float = 0.0
    division: Division = "equal"
    tolerance_kw: float = 0.5
    tolerance_percent: float = 10.0
    lease_s: float = 0.0
    wanted_minutes: float = 0.0
    writer: str = ""
    zero: ZeroLimit = "stop"
    staged_alert_minutes: float = 15.0

    @classmethod
    def of(
        cls, settings: ShedSettings, *, minutes: float | None = None, writer: str = ""
    ) -> ShedOptions:
        """Return the options that a device's configuration or a caller asks for. `minutes`:
        deadline of this write; None or 0 for none. Raises InvalidValueError."""
        return cls(
            settings.shed_duration,
            settings.shed_on_write,
            settings.shed_confirm_timeout,
            settings.floor_kw,
            settings.division,
            settings.shed_tolerance_kw,
            settings.shed_tolerance_percent,
            settings.command_lease,
            0.0 if minutes is None else check_minutes(minutes),
            writer,
            settings.zero_limit,
            settings.staged_alert_minutes,
        )

    def config_values(self) -> dict[str, Any]:
        """Return the options as values of a driver config, with those of one write."""
        return {
            "shed_duration": int(self.minutes),
            "shed_on_write": self.on_write,
            "shed_confirm_timeout": self.confirm_minutes,
            "floor_kw": self.floor_kw,
            "division": self.division,
            "shed_tolerance_kw": self.tolerance_kw,
            "shed_tolerance_percent": self.tolerance_percent,
            "command_lease": self.lease_s,
            "zero_limit": self.zero,
            "staged_alert_minutes": self.staged_alert_minutes,
        }

    def most_kw(self, limit_kw: float) -> float:
        """Return the highest load that still obeys a limit."""
        return limit_kw + max(self.tolerance_kw, limit_kw * self.tolerance_percent / 100)

    def interval_min(self, lease_s: float, left_s: float | None) -> float:
        """Return the minutes that a shed is sent for (0: without end): no longer than the lease
        and the time left until the deadline, so that it ends although this process dies."""
        limits = [self.minutes] if self.minutes else []
        limits += [lease_s / 60] if lease_s else []
        limits += [max(left_s, 1.0) / 60] if left_s is not None else []
        return min(limits, default=0)

    def until(self, deadline_s: float | None, now_s: float) -> ShedOptions:
        """Return the options of a renewal, whose interval ends with the deadline."""
        if deadline_s is None:
            return self
        return replace(self, minutes=self.interval_min(0.0, deadline_s - now_s))

    def as_share(self) -> ShedOptions:
        """Return the options of a station that holds a share: deadline and lease are the
        group's."""
        return replace(self, lease_s=0.0, wanted_minutes=0.0, writer="")


def allowed_load(point: Point, value: object) -> Limit:
    """Return the limit that a write of allowedLoad asks for. Raises InvalidValueError."""
    return Limit(allowed_load_kw=check_kw(point.name, value))


def percent_shed(point: Point, value: object) -> Limit:
    """Return the limit that a write of percentShed asks for. Raises InvalidValueError."""
    return Limit(percent_shed=check_percent(point.name, value))


LIMITS: dict[str, Callable[[Point, object], Limit]] = {
    "allowedLoad": allowed_load,
    "limit": allowed_load,
    "percentShed": percent_shed,
}
"""The points that a limit is written to, and what checks the value."""


def check_kw(name: str, value: object) -> float:
    """Return a limit in kW. Raises InvalidValueError with the name of what it is for."""
    kw = _number(name, value, "kW")
    if not 0 <= kw <= _MAX_KW:
        raise InvalidValueError(f"{name}: {kw:g} kW is not within 0 … {_MAX_KW:g} kW")
    return kw


def refuse_zero(name: str) -> InvalidValueError:
    """Return the error of 0 kW where the configuration refuses it."""
    return InvalidValueError(
        f"{name}: 0 kW is refused by zero_limit; nothing was sent. Write shedState 0 to release, "
        "or 0 to the point limit to stop charging"
    )


def check_percent(name: str, value: object) -> int:
    """Return a whole percentage. Raises InvalidValueError with the name of what it is for."""
    percent = _number(name, value, "percent")
    if not 0 <= percent <= 100:
        raise InvalidValueError(f"{name}: {percent:g} is not a percentage within 0 … 100")
    if not percent.is_integer():
        raise InvalidValueError(f"{name}: {percent:g} is not a whole percentage")
    return int(percent)


def check_minutes(value: object) -> float:
    """Return how long a limit is wanted, in minutes; 0 for no deadline. Raises
    InvalidValueError."""
    minutes = _number("minutes", value, "minutes")
    if not 0 <= minutes <= _MAX_MINUTES:
        raise InvalidValueError(f"minutes: {minutes:g} is not within 0 … {_MAX_MINUTES:g}")
    return minutes


def check_lease(name: str, value: object) -> float:
    """Seconds of a lease; 0 for none. Raises InvalidValueError with the name of what it is for."""
    seconds = _number(name, value, "seconds")
    if seconds and not _MIN_LEASE_S <= seconds <= _MAX_LEASE_S:
        raise InvalidValueError(
            f"{name}: {seconds:g} s is not a lease; write 0 for none, or "
            f"{_MIN_LEASE_S:g} … {_MAX_LEASE_S:g} s"
        )
    return seconds


def as_bool(point: Point, value: object) -> bool:
    """Return the boolean value of a write. Raises InvalidValueError."""
    text = value.strip().lower() if isinstance(value, str) else value
    if text in (True, "1", "true"):
        return True
    if text in (False, "0", "false"):
        return False
    raise InvalidValueError(f"{point.name}: the value is not a boolean; write 1 or 0")


def _number(name: str, value: Value | object, unit: str) -> float:
    """Return a finite number. Texts that are one are accepted, booleans are not."""
    if isinstance(value, str) and value.strip() and "_" not in value:
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidValueError(f"{name}: the value is not a number; write a number ({unit})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidValueError(f"{name}: the value is not finite; write a number ({unit})")
    return number
