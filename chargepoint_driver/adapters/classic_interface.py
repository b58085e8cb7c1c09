"""The driver interface of classic VOLTTRON 8 and 9: the same service behind the class that the
monolithic platform driver looks for.

The platform driver imports `Interface` from a module of its own package: see classic/README.md.
Each device has its own instance there; those of one account share a service, and with it the
cache and the sheds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import RLock
from platform_driver.interfaces import BaseInterface, BaseRegister, DriverInterfaceError

from chargepoint_driver.adapters.classic_shapes import classic_shape
from chargepoint_driver.adapters.host.caller import caller_of
from chargepoint_driver.adapters.host.greenlets import use_greenlets
from chargepoint_driver.adapters.host.host_errors import for_host, message_of, raising_for_host
from chargepoint_driver.catalogue import TABLES, Data, Kind
from chargepoint_driver.config import Account, Device, FleetDevice, read_device
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.fleet_client import FleetAccount, FleetStations
from chargepoint_driver.registry import Point, Selection, build
from chargepoint_driver.service import (
    Alert,
    Service,
    ShedOptions,
    check_minutes,
    probe_of,
    take_over,
)
from chargepoint_driver.text import get_logger

__all__ = ["Interface"]

_log = get_logger(__name__)

# The host replaces sockets and not threads, and a pooled socket of gevent's cannot be used by
# another thread than the one that made it. Replacing threads here, late, would keep the agent from
# ever stopping. So this comes before anything is made.
use_greenlets()

_TYPES: dict[Kind, type] = {
    Kind.STRING: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.BOOLEAN: bool,
    Kind.DATETIME: str,
    Kind.DICTIONARY: dict,
}
_FILE = "platform.driver.sqlite"


class _Shared:
    """The services of this process, one for each account. The host makes an instance of
    `Interface` for each device and tells nobody when one is no longer used, so they stay."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._services: dict[tuple[str, ...], tuple[Account, Service]] = {}
        self._fleet: dict[tuple[str, ...], FleetStations] = {}

    def of(self, device: Device, alert: Alert, of_station: Alert) -> Service | FleetStations:
        """Return the service of a device's account. The settings read last are used for all."""
        if isinstance(device, FleetDevice):
            return self._of_fleet(device)
        account = device.account
        with self._lock:
            known = self._services.get(device.key)
            if known is None:
                service = Service.of_account(account, _command_file())
                service.keep(alert, of_station)
            else:
                settings, service = known
                if settings != account:
                    account = take_over(service, settings, account, device.name, probe_of(device))
            self._services[device.key] = account, service
            return service

    def _of_fleet(self, device: FleetDevice) -> FleetStations:
        """Return the stations of an account that nodes of a fleet hold."""
        with self._lock:
            known = self._fleet.get(device.key)
            if known is None:
                if (missing := device.access.missing_secret()) is not None:
                    _log.error("%s: %s", device.name, missing)
                known = FleetStations(FleetAccount(device.access))
                self._fleet[device.key] = known
            elif known.account.config != device.access:
                known.account.reconfigure(device.access)
            return known

    def close(self) -> None:
        """Close everything; for tests."""
        with self._lock:
            for stations in self._fleet.values():
                stations.close()
            self._fleet.clear()
            for _, service in self._services.values():
                service.close()
            self._services.clear()


shared = _Shared()


class ChargePointRegister(BaseRegister):  # type: ignore[misc]  # the host has no types
    """One point as the host sees it."""

    def __init__(self, point: Point) -> None:
        super().__init__("byte", not point.writable, point.name, point.unit, point.notes)
        self.python_type = _TYPES[point.kind]
        self.point = point


class Interface(BaseInterface):  # type: ignore[misc]
    """A ChargePoint station, one of its ports, or a station group."""

    def configure(self, config_dict: dict[str, Any], registry_config: Any) -> None:
        """Take a device in. Raises ConfigurationError, a ValueError, with every fault at once."""
        device = read_device(config_dict)
        if device.cache_agent is not None:
            raise ConfigurationError(
                "driver_config: cache_agent: the caching agent needs modular VOLTTRON; remove it"
            )
        if not isinstance(registry_config, list):
            raise ConfigurationError("registry_config: is missing; name a CSV of the config store")
        registry = build(
            # The first data row of a CSV file is its row 2.
            enumerate(registry_config, start=2),
            f"registry of {device.name}",
            device.stationID,
            device.portNumber,
            device.cacheExpiration,
            TABLES[device.catalogue_name],
            device.stationGroup,
        )
        registry.raise_faults()
        for warning in registry.warnings:
            _log.warning("%s", warning)
        for point in registry.points.values():
            self.insert_register(ChargePointRegister(point))
        self._selection = Selection(registry.points)
        self._classic_shapes = device.classic_shapes
        self._options = ShedOptions.of(device)
        self._service = shared.of(device, self._alert, self._station_alert)

    # ---- reading -----------------------------------------------------------------------------

    def get_point(self, point_name: str, **kwargs: Any) -> Any:
        """One value. Raises DriverInterfaceError when it cannot be had."""
        del kwargs
        values, errors = self._read({point_name: self.get_register_by_name(point_name).point})
        if point_name in errors:
            raise for_host(errors[point_name], DriverInterfaceError)
        return values[point_name]

    def get_multiple_points(
        self, path: str, point_names: Iterable[str], **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Return (values, errors) by `path`/name: each name asked for is in one of the two."""
        del kwargs
        wanted = list(point_names)
        known = {name: self._selection[name] for name in wanted if name in self._selection}
        values, failed = self._read(known)
        errors = {f"{path}/{name}": message_of(error) for name, error in failed.items()}
        for name in wanted:
            if name not in known:
                errors[f"{path}/{name}"] = f"{name}: no such point is configured"
        return {f"{path}/{name}": value for name, value in values.items()}, errors

    def scrape_all(self) -> dict[str, Any]:
        """Every value that can be had: the host logs each point that is left out, and the
        reasons are logged here. Raises DriverInterfaceError when there is none at all."""
        values, errors = self._read(self._selection)
        reasons = sorted({message_of(error) for error in errors.values()})
        if errors and not values:
            raise DriverInterfaceError("; ".join(reasons))
        for reason in reasons:
            _log.warning("%s", reason)
        return values

    def _read(self, points: Mapping[str, Point]) -> tuple[dict[str, Any], Mapping[str, Exception]]:
        try:
            reading = self._service.read(points)
        except gevent.Timeout as error:
            late = TimeoutError(f"the reading was broken off: {error}")
            return {}, dict.fromkeys(points, late)
        values = dict(reading.values)
        if self._classic_shapes:
            values = {name: classic_shape(points[name], value) for name, value in values.items()}
        return values, reading.errors

    # ---- writing -----------------------------------------------------------------------------

    def set_point(self, point_name: str, value: Any, **kwargs: Any) -> Any:
        """Write one point; the value read back. `minutes` (optional): a limit is cleared after so
        long, whatever renews it. Raises ValueError for an invalid value and DriverInterfaceError
        for a write that failed."""
        point = self.get_register_by_name(point_name).point
        with raising_for_host(DriverInterfaceError, "the write was broken off and may be in force"):
            options = replace(self._options, writer=caller_of(self))
            if kwargs.get("minutes") is not None:
                options = replace(options, wanted_minutes=check_minutes(kwargs["minutes"]))
            return self._service.write(point, value, options)

    def revert_point(self, point_name: str, **kwargs: Any) -> None:
        """Put back what was in force before the first write, or clear; sends nothing else."""
        del kwargs
        point = self.get_register_by_name(point_name).point
        with raising_for_host(DriverInterfaceError, "the revert was broken off"):
            self._service.revert(point, caller_of(self))

    def revert_all(self, **kwargs: Any) -> None:
        """Take back every shed of this device. Every target is tried; the first failure is
        raised at the end."""
        del kwargs
        failed: list[Exception] = []
        for name, point in self._selection.items():
            if point.attribute.data is not Data.LOAD:
                continue
            try:
                self.revert_point(name)
            except (DriverInterfaceError, TimeoutError) as error:
                failed.append(error)
        if failed:
            raise failed[0]

    # ---- the host ----------------------------------------------------------------------------

    def _station_alert(self, about: str, what: str) -> None:
        """Raise an alert for a station through the platform's health system."""
        self._alert(about, what, "station")

    def _alert(self, about: str, what: str, kind: str = "shed") -> None:
        """Raise an alert through the platform's health system."""
        # Imported here: a module of the host's that does not exist on modular VOLTTRON.
        from volttron.platform.messaging.health import STATUS_BAD, Status  # noqa: PLC0415

        status = Status.build(STATUS_BAD, f"{about}: {what}")
        self.vip.health.send_alert(f"chargepoint/{kind}/{about}", status)


def _command_file() -> Path:
    return Path(os.environ.get("VOLTTRON_HOME", "~/.volttron")) / "chargepoint" / _FILE
