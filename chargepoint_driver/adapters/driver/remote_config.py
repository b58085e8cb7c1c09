"""The config of a device as the host keeps it, and what the project reads out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ConfigDict
from volttron.driver.base.config import RemoteConfig

from chargepoint_driver.config import Device, read_device
from chargepoint_driver.registry import Point
from chargepoint_driver.registry import columns as col

__all__ = ["ChargePointRemoteConfig", "device_of", "interval_of"]


class ChargePointRemoteConfig(RemoteConfig):  # type: ignore[misc]  # the host has no types
    """The driver_config of the first device of an account, as it came: `DeviceConfig` checks
    it. Devices of one account differ in station and port, which is not a mismatch."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, validate_assignment=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChargePointRemoteConfig):
            return NotImplemented
        return device_of(self).shared == device_of(other).shared

    __hash__ = None  # type: ignore[assignment]

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return ((key, value) for key, value in super().__repr_args__() if key != "password")


def interval_of(row: Mapping[str, Any], point: Point) -> dict[str, int]:
    """Return the host's column for a scrape interval: the row's own, else one of the host's columns
    as the row gives it, else the catalogue's."""
    named = row.get("interval") or row.get("polling_interval")
    if point.scrape_interval_s is None or (named and not row.get(col.SCRAPE_INTERVAL)):
        return {}
    return {"interval": point.scrape_interval_s}


def device_of(config: RemoteConfig) -> Device:
    """Return the device of a config, the host's own keys included. Raises ConfigurationError."""
    return read_device(dict(config.model_dump()))
