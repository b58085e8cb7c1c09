"""A central system behind one of two doors, and charge points made of frames that connect to it.

The doors are those of the other matrix: the service within the process, and the accounts of a
caching agent, whose questions and answers are JSON. Each cell has charge points of its own.
"""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp import OcppBackend
from chargepoint_driver.catalogue import OCPP
from chargepoint_driver.config import OcppAccount
from chargepoint_driver.errors import ChargePointError, error_from_dict
from chargepoint_driver.registry import Point, build
from chargepoint_driver.service import Accounts, Service, ShedOptions, describe

from .peer import LIMIT_S, Peer
from .table import CALL_LIMIT_S, MAX_BYTES

CONNECTORS = (1, 2)
LIMITS = ("shedState", "allowedLoad", "acceptedLoad", "confirmedLoad", "limitRefused", "shedStatus")
_OF_CONNECTOR = (
    "Status",
    "ocppStatus",
    "errorCode",
    "composite_status",
    "available_for_charging",
    "portLoad",
    "sessionID",
    *LIMITS,
)
_METERED = (
    "portLoad",
    "portLoadEstimated",
    "portLoadSuspect",
    "energyRegister",
    "portVoltage",
    "portCurrent",
    "currentOffered",
    "SoC",
    "powerExported",
    "energyRegisterExported",
    *(f"{name}L{line}" for name in ("voltage", "current") for line in (1, 2, 3)),
)
_OF_STATION = ("Status", "connected", "stationLoad", "siteLoad", "configuration")
_COMMANDS = {"availability": 1, "remoteStart": 1, "remoteStop": 1, "unlock": 1, "reset": None}
_COMMANDS |= {"percentShed": 1}
AT_ONCE = ShedOptions(on_write=True)
_number = itertools.count(1)


@functools.lru_cache(maxsize=100)
def points_of(station_id: str) -> dict[str, Point]:
    """The points of a charge point that are read: `attribute connector`."""
    wanted: list[tuple[str, int | None]] = [(a, c) for a in _OF_CONNECTOR for c in CONNECTORS]
    wanted += [(attribute, None) for attribute in _OF_STATION]
    return _build(station_id, wanted)


@functools.lru_cache(maxsize=100)
def meters_of(station_id: str) -> dict[str, Point]:
    """The points of the first connector that its meter fills: `attribute 1`."""
    return _build(station_id, [(attribute, 1) for attribute in _METERED])


@functools.lru_cache(maxsize=100)
def commands_of(station_id: str) -> dict[str, Point]:
    """The points that are only written."""
    return _build(station_id, list(_COMMANDS.items()))


def _build(station_id: str, wanted: list[tuple[str, int | None]]) -> dict[str, Point]:
    rows = [
        (
            line,
            {
                "Volttron Point Name": f"{attribute} {place or ''}".strip(),
                "Attribute Name": attribute,
                "Port #": "" if place is None else str(place),
                "Writable": "TRUE" if attribute in {*_COMMANDS, *LIMITS[:2]} else "FALSE",
            },
        )
        for line, (attribute, place) in enumerate(wanted, 2)
    ]
    registry = build(rows, "faults", station_id, catalogue=OCPP)
    registry.raise_faults()
    return registry.points


class Embedded:
    """The service in the process."""

    name = "embedded"

    def __init__(self, account: OcppAccount) -> None:
        self._service = Service.of_account(account)

    @property
    def service(self) -> Service:
        return self._service

    def read(
        self, points: Mapping[str, Point]
    ) -> tuple[dict[str, Any], dict[str, ChargePointError]]:
        reading = self._service.read(points)
        return reading.values, reading.errors

    def write(self, point: Point, value: object) -> Any:
        return self._service.write(point, value, AT_ONCE)

    def stage(self, point: Point, value: object) -> Any:
        """Write a limit that is not sent before it is shed to."""
        return self._service.write(point, value, ShedOptions())

    def close(self) -> None:
        self._service.close()


class Agent:
    """The accounts of a caching agent, asked as its RPC is."""

    name = "agent"

    def __init__(self, account: OcppAccount) -> None:
        self._accounts = Accounts()
        fields = account.model_dump(exclude_none=True, exclude_defaults=True, mode="json")
        given = {"accounts": {"chargers": {"backend": "ocpp", **fields}}}
        assert self._accounts.configure(given) == []

    @property
    def service(self) -> Service:
        return self._accounts.service_of("chargers")

    def read(
        self, points: Mapping[str, Point]
    ) -> tuple[dict[str, Any], dict[str, ChargePointError]]:
        asked = json.loads(json.dumps({name: describe(point) for name, point in points.items()}))
        answer = json.loads(json.dumps(self._accounts.read(asked)))
        errors = {name: error_from_dict(fields) for name, fields in answer["errors"].items()}
        return answer["values"], errors

    def write(self, point: Point, value: object) -> Any:
        return self._accounts.write(describe(point), value, shed_on_write=True)

    def stage(self, point: Point, value: object) -> Any:
        """Write a limit that is not sent before it is shed to."""
        return self._accounts.write(describe(point), value)

    def close(self) -> None:
        self._accounts.close()


Door = Embedded | Agent
DOORS = {door.name: door for door in (Embedded, Agent)}


class Rig:
    """One central system and its door."""

    def __init__(self, door: str, *, sets_up: bool = False) -> None:
        """`sets_up`: it asks for settings and changes them, as soon as a charge point is there."""
        self._folder = tempfile.TemporaryDirectory()
        account = OcppAccount(
            listen="127.0.0.1:0",
            database=Path(self._folder.name, "ocpp.db"),
            call_timeout_s=CALL_LIMIT_S,
            boot_grace_s=60,
            configuration_delay_s=0.1 if sets_up else None,
            most_frame_bytes=MAX_BYTES,
        )
        self.door: Door = DOORS[door](account)

    @property
    def _backend(self) -> OcppBackend:
        backend = self.door.service._backend
        assert isinstance(backend, OcppBackend)
        return backend

    @property
    def ocpp_url(self) -> str:
        """Where charge points connect to."""
        return self._backend.system.ocpp_url

    def sessions(self, station_id: str) -> list[dict[str, Any]]:
        """The sessions of a charge point that are recorded this month and last, oldest first."""
        system = self._backend.system
        now = datetime.now(timezone.utc)
        months = sorted({f"{each:%Y-%m}" for each in (now - timedelta(days=1), now)})
        found = [row for month in months for row in system.transactions(month)]
        rows = {row["id"]: row for row in found if row["charge_point"] == station_id}
        return sorted(rows.values(), key=lambda row: int(row["id"]))

    def forgiven(self, station_id: str) -> set[str]:
        """The kinds of departures from the schema that are counted of a charge point."""
        return set(self._backend.system.charge_point(station_id).forgiven)

    def peer(self, version: str) -> Peer:
        """A charger that has reported its state."""
        peer = Peer(self.ocpp_url, f"CP{next(_number)}", version)
        peer.open()
        peer.introduce()
        return peer

    def lock_database(self, locked: bool) -> None:
        """While it is locked, each statement that writes fails, as with a disk that is full."""
        system = self._backend.system

        async def tell() -> None:
            system._running.store._db.execute(f"PRAGMA query_only = {int(locked)}")

        system._loop.run(tell, LIMIT_S)

    def stop(self) -> None:
        self.door.close()
        self._folder.cleanup()


def eventually(true: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Look until it is so; returns what was found."""
    end = time.monotonic() + limit_s
    while not (found := true()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found
