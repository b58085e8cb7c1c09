"""OCPP 2.0.1 as a charging station speaks it."""

from __future__ import annotations

import asyncio

from ..scheduler import Scheduler
from ..spec import TwinSpec
from ..station import News
from . import commands, firmware, local, model, smart
from .point import Charger201

__all__ = ["charge_point201"]


def charge_point201(
    spec: TwinSpec, agenda: Scheduler, seed: int, gate: asyncio.Semaphore, news: News
) -> Charger201:
    """Return a charge point with everything that answers its requests."""
    point = Charger201(spec, agenda, seed, gate, news)
    for module in (commands, firmware, local, model, smart):
        point.handlers.update(module.handlers(point))
    return point
