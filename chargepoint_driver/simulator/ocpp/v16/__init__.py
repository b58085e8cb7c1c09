"""OCPP 1.6J as a charge point speaks it."""

from __future__ import annotations

import asyncio

from ..scheduler import Agenda
from ..spec import TwinSpec
from ..station import News
from . import commands, firmware, local, smart
from .point import ChargePoint16

__all__ = ["charge_point16"]


def charge_point16(
    spec: TwinSpec, agenda: Agenda, seed: int, gate: asyncio.Semaphore, news: News
) -> ChargePoint16:
    """Return a charge point with everything that answers its requests."""
    point = ChargePoint16(spec, agenda, seed, gate, news)
    for module in (commands, firmware, local, smart):
        point.handlers.update(module.handlers(point))
    return point
