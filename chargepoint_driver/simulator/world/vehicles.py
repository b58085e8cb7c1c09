"""Vehicles, their drivers, and one visit of a vehicle to a port."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from .charging import ChargeCurve

# Session ids count seconds from here, so that they grow with time and stay unique.
SESSION_EPOCH_S = 1_451_606_400
MAX_PORTS = 10_000

TAPER_SHARE_OF_BATTERY = 0.08
FLOOR_SHARE_OF_MAX = 0.12


@dataclass(frozen=True)
class VehicleModel:
    """A kind of vehicle: battery size and the most its charger takes (AC)."""

    make: str
    model: str
    model_year: int
    battery_kwh: float
    max_kw: float


FLEET = (
    VehicleModel("Nissan", "Leaf", 2019, 40.0, 6.6),
    VehicleModel("Chevrolet", "Bolt EV", 2021, 65.0, 7.2),
    VehicleModel("Tesla", "Model 3", 2022, 75.0, 11.5),
    VehicleModel("Ford", "Mustang Mach-E", 2023, 88.0, 10.5),
    VehicleModel("Hyundai", "Ioniq 5", 2023, 77.4, 10.9),
    VehicleModel("Toyota", "Prius Prime", 2021, 8.8, 3.3),
    VehicleModel("Chrysler", "Pacifica Hybrid", 2020, 16.0, 6.6),
)
LONG_RANGE_FLEET = tuple(model for model in FLEET if model.battery_kwh > 70)


@dataclass(frozen=True)
class Driver:
    """The account that pays; made-up, but personal data in the real service."""

    user_id: str
    credential_id: str


@dataclass(frozen=True)
class Visit:
    """A vehicle at a port from `arrive_s` to `leave_s` (whole seconds, UTC)."""

    session_id: int
    arrive_s: int
    leave_s: int
    vehicle: VehicleModel
    driver: Driver
    start_charge_share: float
    curve: ChargeCurve

    def charge_percent(self, energy_kwh: float) -> int:
        """State of charge after `energy_kwh`, whole per cent, at most 100."""
        share = self.start_charge_share + energy_kwh / self.vehicle.battery_kwh
        return min(100, round(100 * share))

    def until(self, leave_s: int) -> Visit:
        """The same visit with another end."""
        return replace(self, leave_s=leave_s)


def make_driver(random: Random) -> Driver:
    """Return a driver out of a few thousand."""
    number = random.randrange(4000)
    return Driver(user_id=str(600_000 + number), credential_id=f"CNCP{481_000 + number:010d}")


def make_visit(
    random: Random,
    port_index: int,
    rated_kw: float,
    arrive_s: int,
    leave_s: int,
    full_kwh: float | None = None,
) -> Visit:
    """Draw a vehicle and its need.

    `full_kwh` fixes the energy it takes when left alone (None: drawn). The power
    stays below `rated_kw`: a charger never quite reaches its nameplate.
    """
    models = FLEET if full_kwh is None else LONG_RANGE_FLEET
    vehicle = random.choice(models)
    if full_kwh is None:
        start_share = random.uniform(0.2, 0.65)
        full_kwh = (random.uniform(0.85, 1.0) - start_share) * vehicle.battery_kwh
    else:
        full_kwh = min(full_kwh, 0.9 * vehicle.battery_kwh)
        start_share = random.uniform(0.05, 1.0 - full_kwh / vehicle.battery_kwh)
    max_kw = round(min(vehicle.max_kw, rated_kw) * random.uniform(0.93, 0.99), 3)
    taper_kwh = min(TAPER_SHARE_OF_BATTERY * vehicle.battery_kwh, 0.5 * full_kwh)
    return Visit(
        session_id=(arrive_s - SESSION_EPOCH_S) * MAX_PORTS + port_index,
        arrive_s=arrive_s,
        leave_s=leave_s,
        vehicle=vehicle,
        driver=make_driver(random),
        start_charge_share=start_share,
        curve=ChargeCurve(
            max_kw=max_kw,
            floor_kw=FLOOR_SHARE_OF_MAX * max_kw,
            knee_kwh=full_kwh - taper_kwh,
            full_kwh=full_kwh,
        ),
    )
