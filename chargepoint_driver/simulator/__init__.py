"""Simulated ChargePoint service: stations, vehicles and a SOAP endpoint.

Part of the product, and free of the client: nothing here imports the driver, so the
two can never agree on the same mistake.

Layers, top to bottom: `command`; `simulator`; `server` and `control`; `soap`; `world`.
Next to them, and used by all: `faults`, `calls`, `accounts`. `ocpp` has chargers for OCPP.
"""

from __future__ import annotations

from .faults import Faults
from .simulator import DEFAULT_PASSWORD, DEFAULT_USERNAME, Simulator
from .world.clock import Clock, ManualClock, ScaledClock
from .world.world import World

__all__ = [
    "DEFAULT_PASSWORD",
    "DEFAULT_USERNAME",
    "Clock",
    "Faults",
    "ManualClock",
    "ScaledClock",
    "Simulator",
    "World",
]
