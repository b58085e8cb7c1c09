"""OCPP 2.0.1 as a charging station speaks it."""

from __future__ import annotations

import asyncio

from ..scheduler import Scheduler
from ..spec import TwinSpec
from ..station import News
from . import commands, device_model, firmware, local_list, smart_charging
from .charge_point import Charger201

__all__ = ["charge_point201"]


def charge_point201(
    spec: TwinSpec, agenda: Scheduler, seed: int, gate: asyncio.Semaphore, news: News
) -> Charger201:
    """Return a charge point with everything that answers its requests."""
    point = Charger201(spec, agenda, seed, gate, news)
    for module in (commands, firmware, local_list, device_model, smart_charging):
        point.handlers.update(module.handlers(point))
    return point
