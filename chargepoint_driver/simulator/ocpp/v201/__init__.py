"""OCPP 2.0.1 as a charging station speaks it."""

from __future__ import annotations

import asyncio

from ..scheduler import Agenda
from ..spec import TwinSpec
from ..station import News
from . import commands, firmware, local, model, smart
from .point import ChargePoint201

__all__ = ["charge_point201"]


def charge_point201(
    spec: TwinSpec, agenda: Agenda, seed: int, gate: asyncio.Semaphore, news: News
) -> ChargePoint201:
    """Return a charge point with everything that answers its requests."""
    point = ChargePoint201(spec, agenda, seed, gate, news)
    for module in (commands, firmware, local, model, smart):
        point.handlers.update(module.handlers(point))
    return point
