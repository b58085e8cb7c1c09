"""The account that devices of one interface share: in this process, behind the caching agent, or
held by nodes of a fleet."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.adapters.agent_proxy import Proxy
from chargepoint_driver.adapters.host import platform
from chargepoint_driver.adapters.host.metrics_listener import DRIVER
from chargepoint_driver.config import Device, FleetDevice
from chargepoint_driver.fleet_client import FleetAccount, FleetStations
from chargepoint_driver.registry import Point
from chargepoint_driver.service import (
    Service,
    Stations,
    commanded_stations,
    probe_of,
    take_over,
)
from chargepoint_driver.text import get_logger

__all__ = ["SharedAccount"]

_log = get_logger(__name__)


class SharedAccount:
    """Stations of the account, by the settings that were stored last."""

    def __init__(self, driver_agent: Any, device: Device) -> None:
        """Raises ConfigurationError."""
        self._driver_agent = driver_agent
        self._settings = device.shared
        # Of a device behind the caching agent, or of a fleet, the others have the account.
        self._account = None
        if not isinstance(device, FleetDevice) and device.cache_agent is None:
            self._account = device.account
        # Stations that this driver may have limited itself, before nodes held the account.
        self._own_limits: set[str] = set()
        self.stations: Stations = self._reach(device)
        if isinstance(self.stations, Service) and self._account is not None:
            account = self._account
            name = account.stream_name or device.account_label or account.backend
            DRIVER.join(name, self.stations, device.metrics_port)

    def _reach(self, device: Device) -> Stations:
        """Return the account in this process, behind the caching agent, or of a fleet."""
        if isinstance(device, FleetDevice):
            if (missing := device.access.missing_secret()) is not None:
                _log.error("%s: %s", device.name, missing)
            self._own_limits = commanded_stations(platform.command_file(self._driver_agent))
            return FleetStations(FleetAccount(device.access), self._identity)
        if device.cache_agent is None:
            service = Service.of_account(device.account, platform.command_file(self._driver_agent))
            service.keep(
                platform.alert_of(self._driver_agent), platform.station_alert_of(self._driver_agent)
            )
            return service
        if any(device.shared.get(key) for key in ("password", "password_env", "password_file")):
            _log.warning(
                "account %s: with cache_agent a password is not used; the agent holds its own. "
                "Remove it from the driver config",
                device.account_label,
            )
        return Proxy(
            self._driver_agent.vip,
            device.cache_agent,
            device.account_label,
            device.timeout,
            self._identity,
        )

    @property
    def _identity(self) -> str:
        return str(getattr(self._driver_agent.core, "identity", None) or "")

    @property
    def fleet_account(self) -> FleetAccount | None:
        """Return the account where nodes of a fleet hold it."""
        return self.stations.account if isinstance(self.stations, FleetStations) else None

    def embedded(self) -> Service | None:
        """Return the account where it is in this process."""
        return self.stations if isinstance(self.stations, Service) else None

    def release(self, point: Point, on_delete: str) -> bool:
        """The device of the point's target was deleted."""
        stations = self.stations
        if isinstance(stations, Service):
            lapse = on_delete == "lapse"
            return stations.control.owners.release(point.target, "lapse" if lapse else "clear")
        assert isinstance(stations, Proxy | FleetStations)
        return stations.release(point, on_delete)

    def take_over(self, device: Device) -> None:
        """Take over the settings stored last for the account: a corrected password counts at
        once."""
        self._warn_of_own_limits(device)
        settings = device.shared
        if settings == self._settings:
            return
        if isinstance(device, FleetDevice):
            if isinstance(self.stations, FleetStations):
                self.stations.account.reconfigure(device.access)
        elif isinstance(self.stations, Service) and self._account is not None:
            account = device.account
            used = take_over(self.stations, self._account, account, device.name, probe_of(device))
            if used is not account:
                return
            self._account = used
        else:
            _log.warning(
                "%s: the settings of the account's devices differ; those read last are used for "
                "all",
                device.name,
            )
            self.stations = self._reach(device)
        self._settings = settings

    def _warn_of_own_limits(self, device: Device) -> None:
        """Warn where this driver limited a station before nodes held its account: it renews and
        clears nothing of it any more."""
        if device.stationID not in self._own_limits:
            return
        self._own_limits.discard(device.stationID)
        _log.warning(
            "%s: this driver limited it before the fleet had the account, and neither renews nor "
            "clears that any more. A limit with shed_duration ends then; else write shedState 0",
            device.stationID,
        )

    def stop(self) -> None:
        """Close the account where it is in this process: chargers see a closed socket."""
        if isinstance(self.stations, FleetStations):
            self.stations.close()
        if isinstance(self.stations, Service):
            DRIVER.leave(self.stations)
            self.stations.close()
