"""One limit: how far it got, and how kW become the numbers of charging profiles and back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.errors import OutcomeUnknownError

__all__ = ["Composite", "LimitState", "kw_of", "rate", "units_of"]

# IEC 61851: below this current per phase nothing can be delivered.
MIN_A = 6.0
# How far above a limit a load is still one that obeys it: see `shed_tolerance_kw`.
_ABOVE_KW = 0.5
_ABOVE = 0.1


@dataclass(frozen=True)
class Composite:
    """Limit in force by a charger's composite schedule: its first period."""

    unit: str
    limit: float
    number_phases: int | None


@dataclass(frozen=True, slots=True)
class LimitState:
    """One limit in kW, as far as it got. None: not known, or not yet."""

    allowed_load_kw: float | None
    percent_shed: int | None
    base_kw: float | None
    requested_kw: float
    written_s: float
    until_s: float | None
    accepted_kw: float | None = None
    confirmed_kw: float | None = None
    confirmed_by: str | None = None
    unit: str | None = None
    value: float | None = None
    purposes: tuple[str, ...] = ()
    refused: str | None = None
    # The load was above it for longer than taking effect may last: no report of the charger
    # confirms it any more. `tried`: unit, kind and level of the variants that did not help.
    contradicted: bool = False
    tried: tuple[tuple[str, str, int], ...] = ()

    def is_over(self, now_s: float) -> bool:
        return self.until_s is not None and now_s >= self.until_s

    def is_satisfied_by(self, kw: float) -> bool:
        """Return True if a charger limited to `kw` satisfies this limit."""
        most_kw = self.requested_kw if self.accepted_kw is None else self.accepted_kw
        return kw <= most_kw * 1.01 + 0.01

    @property
    def is_taken(self) -> bool:
        """Return True if the charge point has it, or may have it."""
        return self.accepted_kw is not None or self.is_in_doubt

    @property
    def is_in_doubt(self) -> bool:
        """Return True if it was sent with unknown result, and no limit was accepted before."""
        return self.accepted_kw is None and self.refused == OutcomeUnknownError.code

    def is_contradicted_by(self, load_kw: float | None) -> bool:
        """True if the load, measured since the limit was written, is above it. A load that is
        not known contradicts nothing."""
        if load_kw is None or self.accepted_kw is None:
            return self.contradicted
        return load_kw > self.accepted_kw + max(_ABOVE_KW, self.accepted_kw * _ABOVE)

    def to_dict(self, now_s: float, load_kw: float | None = None) -> dict[str, Any]:
        """As the control API and the registers show it. `load_kw`: the load in kW measured since
        the limit was written, None where it is not known."""
        over = self.is_over(now_s)
        contradicted = self.is_contradicted_by(load_kw)
        confirmed_kw = None if contradicted else self.confirmed_kw
        stated_kw = self.accepted_kw if confirmed_kw is None else confirmed_kw
        # Never less than what flows, and nothing where that is not known of one who did not obey.
        effective = stated_kw
        if stated_kw is not None and load_kw is not None:
            effective = max(stated_kw, load_kw)
        elif contradicted:
            effective = None
        return {
            "active": self.accepted_kw is not None and not over,
            "in_doubt": self.is_in_doubt and not over,
            "allowed_load_kw": self.allowed_load_kw,
            "percent_shed": self.percent_shed,
            "base_kw": self.base_kw,
            "requested_kw": self.requested_kw,
            "accepted_kw": None if over else self.accepted_kw,
            "confirmed_kw": None if over else confirmed_kw,
            "confirmed_by": None if over or contradicted else self.confirmed_by,
            "stated_kw": None if over else stated_kw,
            "effective_kw": None if over else effective,
            "contradicted": contradicted and not over,
            "unit": self.unit,
            "value": self.value,
            "purposes": list(self.purposes),
            "written": iso(self.written_s),
            "until": iso(self.until_s),
            "refused": self.refused,
        }


def rate(kw: float, unit: str, electrical: Electrical) -> tuple[float, float]:
    """Return (the number that goes into a profile, the kW that it stands for): never above `kw`, in
    steps of 0.1. A is per phase. What is too little to be delivered becomes 0."""
    watts = Decimal(repr(max(kw, 0.0))) * 1000
    per_amp = Decimal(repr(electrical.voltage)) * electrical.phases
    if not electrical.is_dc and watts < per_amp * Decimal(repr(MIN_A)):
        watts = Decimal(0)
    number = watts if unit == "W" else watts / per_amp
    number = number.quantize(Decimal("0.1"), rounding=ROUND_FLOOR)
    stands_for = number if unit == "W" else number * per_amp
    return float(number), float(stands_for / 1000)


def units_of(text: str | None) -> list[str]:
    """Return the units that a charge point takes, best first. W is a total, so nothing of it
    depends on voltage and phases; a missing setting means A."""
    words = {word.strip().lower() for word in (text or "").replace(";", ",").split(",")}
    found = []
    if words & {"w", "power", "watt", "watts", "kw"}:
        found.append("W")
    if words & {"a", "current", "amp", "amps", "ampere"} or not found:
        found.append("A")
    return found


def kw_of(found: Composite, electrical: Electrical) -> float:
    """Return the kW that a limit of a charge point stands for."""
    if found.unit == "W":
        return found.limit / 1000
    phases = found.number_phases or electrical.phases
    return found.limit * electrical.voltage * phases / 1000
