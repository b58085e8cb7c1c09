"""A device of any backend: which model its driver config is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from chargepoint_driver.config.fleet_account import FleetDevice
from chargepoint_driver.config.ocpp_device import OcppAccount, OcppDevice
from chargepoint_driver.config.soap_account import AccountConfig, DeviceConfig
from chargepoint_driver.errors import ConfigurationError

__all__ = ["BACKENDS", "Account", "Device", "read_device", "unknown_backend"]

BACKENDS = ("chargepoint", "ocpp", "fleet")

Account: TypeAlias = AccountConfig | OcppAccount
Device: TypeAlias = DeviceConfig | OcppDevice | FleetDevice


def read_device(fields: Mapping[str, Any], source: str = "driver_config") -> Device:
    """Return the validated `driver_config` of a device. Raises ConfigurationError with every fault
    at once; secrets do not show in it. The platform driver's own keys are left out."""
    backend = fields.get("backend", BACKENDS[0])
    if backend not in BACKENDS:
        raise ConfigurationError(f"{source}: {unknown_backend(backend)}")
    if backend == "ocpp":
        return OcppDevice.from_dict(fields, source)
    if backend == "fleet":
        return FleetDevice.from_dict(fields, source)
    return DeviceConfig.from_dict(fields, source)


def unknown_backend(backend: object) -> str:
    """Return the message for an unknown backend."""
    return (
        f"backend: unknown backend {backend!r}; write {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}"
    )
