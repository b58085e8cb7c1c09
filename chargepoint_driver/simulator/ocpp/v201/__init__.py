"""OCPP 2.0.1 as a charging station speaks it."""

from __future__ import annotations

from ..protocol.handlers import factory
from . import commands, device_model, firmware, local_list, smart_charging
from .charge_point import Charger201

__all__ = ["charge_point201"]

charge_point201 = factory(
    Charger201,
    commands.handlers,
    device_model.handlers,
    firmware.handlers,
    local_list.handlers,
    smart_charging.handlers,
)
