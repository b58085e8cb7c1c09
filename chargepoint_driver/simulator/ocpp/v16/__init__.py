"""OCPP 1.6J as a charge point speaks it."""

from __future__ import annotations

import asyncio

from ..scheduler import Scheduler
from ..spec import TwinSpec
from ..station import News
from . import commands, firmware, local_list, smart_charging
from .charge_point import Charger16

__all__ = ["charge_point16"]


def charge_point16(
    spec: TwinSpec, agenda: Scheduler, seed: int, gate: asyncio.Semaphore, news: News
) -> Charger16:
    """Return a charge point with everything that answers its requests."""
    point = Charger16(spec, agenda, seed, gate, news)
    for module in (commands, firmware, local_list, smart_charging):
        point.handlers.update(module.handlers(point))
    return point
