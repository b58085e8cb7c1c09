"""A vehicle at a connector: battery, state of charge, and what it takes (AC or DC)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from ...world.charging import ChargeCurve
from ...world.vehicles import FLEET

DC_KNEE_SOC = 0.8
AC_KNEE_SOC = 0.95
FLOOR_SHARE_OF_MAX = 0.12
# The most a vehicle takes from DC, as a multiple of its battery's kWh.
DC_POWER_PER_KWH = 1.8


@dataclass(frozen=True)
class Vehicle:
    """A vehicle when it is plugged in; `soc` and `target_soc` are shares from 0 to 1."""

    battery_kwh: float = 60.0
    soc: float = 0.2
    max_ac_kw: float = 11.0
    max_dc_kw: float = 120.0
    ac_phases: int = 3
    target_soc: float = 1.0
    name: str = "vehicle"

    def curve(self, kind: str) -> ChargeCurve | None:
        """Its demand over the energy taken; None when it needs nothing."""
        full_kwh = (self.target_soc - self.soc) * self.battery_kwh
        max_kw = self.max_dc_kw if kind == "DC" else self.max_ac_kw
        if full_kwh <= 0 or max_kw <= 0:
            return None
        knee_soc = DC_KNEE_SOC if kind == "DC" else AC_KNEE_SOC
        knee_kwh = max(0.0, min((knee_soc - self.soc) * self.battery_kwh, 0.999 * full_kwh))
        return ChargeCurve(max_kw, FLOOR_SHARE_OF_MAX * max_kw, knee_kwh, full_kwh)

    def soc_after(self, energy_kwh: float) -> float:
        """State of charge after that much energy, a share from 0 to 1."""
        return max(0.0, min(1.0, self.soc + energy_kwh / self.battery_kwh))


def draw_vehicle(random: Random) -> Vehicle:
    """One of the fleet, with a battery that is not full."""
    model = random.choice(FLEET)
    return Vehicle(
        battery_kwh=model.battery_kwh,
        soc=round(random.uniform(0.1, 0.6), 3),
        max_ac_kw=model.max_kw,
        max_dc_kw=round(DC_POWER_PER_KWH * model.battery_kwh, 1),
        ac_phases=3 if model.max_kw > 7.4 else 1,
        name=f"{model.make} {model.model}",
    )


@dataclass
class Charge:
    """A vehicle while it is plugged in: the energy it has taken, kWh."""

    vehicle: Vehicle
    kind: str
    energy_kwh: float = 0.0
    curve: ChargeCurve | None = field(init=False)

    def __post_init__(self) -> None:
        self.curve = self.vehicle.curve(self.kind)

    def want(self, max_kw: float) -> None:
        """Have it take at most that much from now on, kW; 0: nothing."""
        self.vehicle = replace(self.vehicle, max_ac_kw=max_kw, max_dc_kw=max_kw)
        self.curve = self.vehicle.curve(self.kind)

    @property
    def soc(self) -> float:
        """State of charge, a share from 0 to 1."""
        return self.vehicle.soc_after(self.energy_kwh)

    @property
    def is_full(self) -> bool:
        """Return True if it wants no more."""
        return self.curve is None or self.energy_kwh >= self.curve.full_kwh - 1e-9

    def power_w(self, ceiling_w: float) -> float:
        """Return what it draws under that ceiling, W."""
        if self.curve is None or self.is_full:
            return 0.0
        return 1000 * self.curve.load_kw(self.energy_kwh, ceiling_w / 1000)

    def flowing_s(self, ceiling_w: float, span_s: float) -> float:
        """For how much of the span it would take power."""
        if self.curve is None or self.is_full:
            return 0.0
        return self.curve.deliver(self.energy_kwh, ceiling_w / 1000, span_s)[1]

    def giving_s(self, power_w: float) -> float:
        """For how long it can feed back that much, seconds."""
        return 3_600_000 * self.soc * self.vehicle.battery_kwh / power_w

    def give(self, power_w: float, span_s: float) -> float:
        """Feed back for that long, until the battery is empty; returns the energy, Wh."""
        given_wh = power_w * min(span_s, self.giving_s(power_w)) / 3600
        self.energy_kwh -= given_wh / 1000
        return given_wh

    def deliver(self, ceiling_w: float, span_s: float) -> float:
        """Charge for that long; returns the energy it took, Wh."""
        if self.curve is None or self.is_full:
            return 0.0
        before_kwh = self.energy_kwh
        self.energy_kwh, _ = self.curve.deliver(before_kwh, ceiling_w / 1000, span_s)
        return 1000 * (self.energy_kwh - before_kwh)
