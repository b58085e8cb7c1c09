"""A simulator, an account on it behind one of two doors, and clocks that stand still.

The doors are the two ways into the driver: the service within the process, and the accounts of
a caching agent, whose questions and answers are JSON.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chargepoint_driver.backend import Target
from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.errors import ChargePointError, error_from_dict
from chargepoint_driver.registry import Point, build
from chargepoint_driver.service import Accounts, Service, ShedOptions, describe
from chargepoint_driver.simulator import ManualClock, Simulator

from .table import Fault, Reach, operation

STATIONS = ("1:34001", "1:34002", "1:34003", "1:34004")
PORTS = (1, 2)
FIRST, TARGET = STATIONS[0], STATIONS[3]
GROUP = "39491"  # of all four
PATIENT_S, HASTY_S = 10.0, 1.0
ANOTHER = "changed meanwhile"

_OF_PORT = {
    "Status": "StationStatusRegister",
    "TimeStamp": "StationStatusRegister",
    "portLoad": "LoadRegister",
    "shedState": "LoadRegister",
    "allowedLoad": "LoadRegister",
    "percentShed": "LoadRegister",
    "alarmType": "AlarmRegister",
    "alarmTime": "AlarmRegister",
    "sessionID": "ChargingSessionRegister",
    "Energy": "ChargingSessionRegister",
    "startTime": "ChargingSessionRegister",
    "Lat": "StationRegister",
    "Connector": "StationRegister",
}
_OF_STATION = {
    "stationLoad": "LoadRegister",
    "siteLoad": "LoadRegister",
    "stationRightsProfile": "StationRightsRegister",
    "stationModel": "StationRegister",
    "numPorts": "StationRegister",
    "clearAlarms": "AlarmRegister",
}
_OF_GROUP = dict.fromkeys(
    (
        "siteLoad",
        "siteHeadroom",
        "shedState",
        "allowedLoad",
        "percentShed",
        "shedStatus",
        "commandedLoad",
    ),
    "LoadRegister",
)
_WRITABLE = {"shedState", "allowedLoad", "percentShed", "clearAlarms"}


def _points() -> dict[str, Point]:
    """Some points of every call, of four stations and the group that they are; a value may be
    half an interval old."""
    found: dict[str, Point] = {}
    for station in (*STATIONS, ""):
        wanted = [(a, r, port) for a, r in _OF_PORT.items() for port in PORTS]
        wanted += [(a, r, None) for a, r in _OF_STATION.items()]
        if not station:
            wanted = [(a, r, None) for a, r in _OF_GROUP.items()]
        of = station or GROUP
        rows = [
            (
                line,
                {
                    "Volttron Point Name": f"{attribute} of {of} {port or ''}".strip(),
                    "Attribute Name": attribute,
                    "Register Name": register,
                    "Port #": "" if port is None else str(port),
                    "Writable": "TRUE" if attribute in _WRITABLE else "FALSE",
                    "Currency": "30",
                },
            )
            for line, (attribute, register, port) in enumerate(wanted, 2)
        ]
        registry = build(rows, "faults", station, group=None if station else GROUP)
        registry.raise_faults()
        found |= registry.points
    return found


POINTS = _points()


def of_call(call: str) -> dict[str, Point]:
    return {name: point for name, point in POINTS.items() if point.attribute.call == call}


class Clock:
    """The driver's; the world's stands still for good."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class Embedded:
    """The service in the process."""

    name = "embedded"

    def __init__(self, account: AccountConfig, clock: Clock, now: Any) -> None:
        self._service = Service(
            SoapBackend(account, now=now), timeout_s=account.timeout, clock=clock, now=_time_of(now)
        )

    def read(
        self, points: Mapping[str, Point]
    ) -> tuple[dict[str, Any], dict[str, ChargePointError]]:
        reading = self._service.read(points)
        return reading.values, reading.errors

    def write(self, point: Point, value: object) -> Any:
        return self._service.write(point, value, ShedOptions())

    def create(self, station: str, start: datetime) -> int:
        return self._service.control.events.create(
            Target(station), start, 15, allowed_load_per_port=2.0
        )

    def remove(self, event_id: int) -> None:
        self._service.control.events.remove(event_id)

    def configure(self, account: AccountConfig) -> None:
        self._service.reconfigure(account)

    def close(self) -> None:
        self._service.close()


class Agent:
    """The accounts of a caching agent, asked as its RPC is."""

    name = "agent"

    def __init__(self, account: AccountConfig, clock: Clock, now: Any) -> None:
        def serve(given: AccountConfig) -> Service:
            return Service(
                SoapBackend(given, now=now), timeout_s=given.timeout, clock=clock, now=_time_of(now)
            )

        self._accounts = Accounts(serve)
        self.configure(account)

    def read(
        self, points: Mapping[str, Point]
    ) -> tuple[dict[str, Any], dict[str, ChargePointError]]:
        asked = json.loads(json.dumps({name: describe(point) for name, point in points.items()}))
        answer = json.loads(json.dumps(self._accounts.read(asked)))
        errors = {name: error_from_dict(fields) for name, fields in answer["errors"].items()}
        return answer["values"], errors

    def write(self, point: Point, value: object) -> Any:
        return self._accounts.write(describe(point), value)

    def create(self, station: str, start: datetime) -> int:
        return self._accounts.create_load_shed_event(
            start.isoformat(), 15, station=station, allowed_load_per_port=2.0
        )

    def remove(self, event_id: int) -> None:
        self._accounts.remove_load_shed_event(event_id)

    def configure(self, account: AccountConfig) -> None:
        fields = account.model_dump(exclude_none=True, mode="json")
        assert self._accounts.configure({"accounts": {"garage": fields}}) == []

    def close(self) -> None:
        self._accounts.close()


def _time_of(now: Any) -> Any:
    return lambda: now().timestamp()


DOORS = {door.name: door for door in (Embedded, Agent)}


class Rig:
    """One simulator; doors of both kinds are opened on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name, "password")
        self._port = 0
        self.sim = self._start()
        self._port = int(self.sim.control_url.rpartition(":")[2])

    def _start(self) -> Simulator:
        """The same world each time, at the same port."""
        sim = Simulator(stations=len(STATIONS), soap_port=self._port, clock=ManualClock())
        for station in STATIONS[1:]:
            sim.world.raise_alarm(station, "GFCI Trip", 1)
        self._is_up = True
        self._file.write_text(f"{sim.password}\n", encoding="utf-8")
        return sim.start()

    def stop(self) -> None:
        self.sim.stop()
        self._folder.cleanup()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.sim.clock.now_s(), timezone.utc)

    def account(self, timeout_s: float = PATIENT_S) -> AccountConfig:
        return AccountConfig(
            username=self.sim.username,
            password_file=self._file,
            endpoint=self.sim.soap_url,
            timeout=timeout_s,
        )

    def open(self, door: str, timeout_s: float = PATIENT_S) -> Embedded | Agent:
        return DOORS[door](self.account(timeout_s), self.clock, self.now)

    def pass_(self, seconds: float) -> None:
        """Let time pass for the driver."""
        self.clock.now_s += seconds

    # ---- faults --------------------------------------------------------------------------

    def begin(self, fault: Fault, call: str) -> None:
        """Let the fault begin: at that call, or at every one where it is the account's."""
        if fault.name == "connection refused":
            self.sim.stop()
            self._is_up = False
        elif fault.kind is None:
            self.sim.accounts.add(self.sim.username, ANOTHER)
        else:
            where = "*" if fault.reach is Reach.ACCOUNT else operation(call)
            self.sim.faults.set(where, fault.kind, **fault.params)

    def end(self, fault: Fault) -> None:
        """All is well again at the service, or in the account's file."""
        if fault.by_file:
            self._file.write_text(f"{ANOTHER}\n", encoding="utf-8")
        else:
            self.restore()

    def restore(self) -> None:
        """As it was at the start."""
        if not self._is_up:
            self.sim = self._start()
        self.sim.faults.clear()
        self.sim.accounts.add(self.sim.username, self.sim.password)
        self._file.write_text(f"{self.sim.password}\n", encoding="utf-8")

    def settle(self, limit_s: float = 10.0) -> None:
        """Wait until the service has nothing left to answer, also of what nobody waits for."""
        end = time.monotonic() + limit_s
        while self.sim.calls.in_flight and time.monotonic() < end:
            time.sleep(0.01)
        assert not self.sim.calls.in_flight
