"""OCPP 1.6J as a charge point speaks it."""

from __future__ import annotations

from ..protocol.handlers import factory
from . import commands, firmware, local_list, smart_charging
from .charge_point import Charger16

__all__ = ["charge_point16"]

charge_point16 = factory(
    Charger16, commands.handlers, firmware.handlers, local_list.handlers, smart_charging.handlers
)
