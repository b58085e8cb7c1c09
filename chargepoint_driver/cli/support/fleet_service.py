"""An account that nodes of a fleet hold, as commands use the service of an account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chargepoint_driver.backend import Target
from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.errors import InvalidReplyError
from chargepoint_driver.fleet_client import FleetAccount, FleetStations
from chargepoint_driver.records import Event, StationRecord, Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Reading, ShedOptions

__all__ = ["FleetService"]


class FleetService:
    """See the module. Each question is one request to a node."""

    def __init__(self, config: FleetAccountConfig) -> None:
        self._account = FleetAccount(config)
        self._stations = FleetStations(self._account)

    def read(self, points: Mapping[str, Point]) -> Reading:
        """See `Service.read`."""
        return self._stations.read(points)

    def write(
        self, point: Point, value: object, options: ShedOptions, warnings: list[str] | None = None
    ) -> Value:
        """See `Service.write`."""
        return self._stations.write(point, value, options, warnings)

    def is_release(self, target: Target, limit_kw: float) -> bool:
        """Return False: only the node knows the rated power."""
        del target, limit_kw
        return False

    def stations(self) -> list[StationRecord]:
        """See `Service.stations`. Raises InvalidReplyError."""
        return [_record(each) for each in self._account.stations()]

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """See `Service.sessions`. Raises InvalidReplyError."""
        end = None if until is None else until.isoformat()
        return [_event(each) for each in self._account.sessions(station_id, since.isoformat(), end)]

    def close(self) -> None:
        """Close all connections."""
        self._stations.close()


def _record(fields: Mapping[str, Any]) -> StationRecord:
    try:
        ports = {int(number): dict(values) for number, values in fields["ports"].items()}
        return StationRecord(str(fields["station"]), dict(fields["values"]), ports)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InvalidReplyError("the fleet's list of stations cannot be understood") from None


def _event(fields: Mapping[str, Any]) -> Event:
    try:
        values = dict(fields)
        station, port = str(values.pop("station")), values.pop("port")
    except (KeyError, TypeError, ValueError):
        raise InvalidReplyError("the fleet's sessions cannot be understood") from None
    return Event(station, port, str(values.get("startTime") or ""), values)
