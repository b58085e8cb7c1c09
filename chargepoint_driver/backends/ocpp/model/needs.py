"""Charging needs of a vehicle (OCPP 2.0.1 use case K15, NotifyEVChargingNeeds)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import iso, parse

__all__ = ["ChargingNeeds", "needs_of"]


@dataclass(frozen=True, slots=True)
class ChargingNeeds:
    """Energy in kWh and time of departure, s since 1970. None: not said."""

    energy_kwh: float | None
    departure_s: float | None

    def to_dict(self) -> dict[str, Any]:
        return {"energy_kwh": self.energy_kwh, "departure": iso(self.departure_s)}


def needs_of(payload: dict[str, Any]) -> ChargingNeeds | None:
    """Return the needs of a NotifyEVChargingNeeds; None if it has none that can be used.

    The energy is energyAmount (Wh). A vehicle with direct current may give its state of charge
    and capacity instead: what lacks to its full state, or to 100 %.
    """
    given = payload.get("chargingNeeds")
    if not isinstance(given, dict):
        return None
    energy_wh: float | None = None
    for name in ("acChargingParameters", "dcChargingParameters"):
        fields = given.get(name)
        if energy_wh is None and isinstance(fields, dict):
            energy_wh = _number(fields.get("energyAmount"))
            energy_wh = _missing_wh(fields) if energy_wh is None else energy_wh
    departure_s = parse(given.get("departureTime"))
    if energy_wh is None and departure_s is None:
        return None
    return ChargingNeeds(None if energy_wh is None else energy_wh / 1000, departure_s)


def _missing_wh(fields: dict[str, Any]) -> float | None:
    soc, capacity_wh = _number(fields.get("stateOfCharge")), _number(fields.get("evEnergyCapacity"))
    full = _number(fields.get("fullSoC"))
    if soc is None or capacity_wh is None:
        return None
    return max(0.0, (100.0 if full is None else full) - soc) / 100 * capacity_wh


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and value >= 0 else None  # type: ignore[arg-type, operator]
