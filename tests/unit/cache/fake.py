"""A backend that answers from memory, records what it is asked, and can be held or made to fail."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from chargepoint_driver.backend import Limit, Reply, Request, Target
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.records import StationRecord

LIMIT_S = 60.0
"""How long anything in these tests may take before it counts as hung."""


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds


class _Values(dict[str, Any]):
    """The values of a record, whose life can be followed."""


class FakeBackend:
    """Each record holds `made`, the time at which its reply was made, and `serial`, which counts
    replies up. `absent` are stations that replies leave out."""

    name = "fake"

    def __init__(self, clock: Callable[[], float], stations: Iterable[str] = ()) -> None:
        self.stations = list(stations)
        self.groups: dict[str, set[str]] = {}
        self.absent: dict[str, set[str]] = {}  # call, or group id, to stations
        self.failure: Callable[[Request], BaseException | None] = lambda request: None
        self.requests: list[Request] = []
        self.secret: bytes | None = None
        self._made = 0
        self.alive: weakref.WeakValueDictionary[int, _Values] = weakref.WeakValueDictionary()
        self._clock = clock
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._open = threading.Event()
        self._open.set()
        self._served = 0

    # ---- what tests do with it ---------------------------------------------------------------

    def hold(self) -> None:
        """Keep every request that arrives from now on waiting until `release`. What is answered
        then is what was so when the request arrived."""
        self._open = threading.Event()

    def release(self) -> None:
        self._open.set()

    def wait_for_requests(self, number: int) -> None:
        """Wait until this number of requests has arrived."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= number, LIMIT_S), (
                f"{len(self.requests)} requests instead of {number}"
            )

    def asked(self, call: str) -> list[Request]:
        with self._lock:
            return [request for request in self.requests if request.call == call]

    def fail_with(self, error: BaseException | None, call: str | None = None) -> None:
        """Fail every request of the call (None: of all calls) from now on."""
        self.failure = lambda request: error if call in {None, request.call} else None

    # ---- the protocol ------------------------------------------------------------------------

    def fetch(self, request: Request) -> Reply:
        with self._arrived:
            gate = self._open
            self.requests.append(request)
            self._served += 1
            reply = Reply(self._records(request, self._served))
            failure = self.failure(request)
            self._arrived.notify_all()
        assert gate.wait(LIMIT_S), "never released"
        if failure is not None:
            raise failure
        return reply

    def _records(self, request: Request, serial: int) -> Mapping[str, StationRecord]:
        if request.group is not None:
            named = self.groups.get(request.group, set()) - self.absent.get(request.group, set())
        else:
            named = set(request.stations or self.stations)
        records = {}
        for station in sorted(named - self.absent.get(request.call, set())):
            values = _Values(made=self._clock(), serial=serial)
            if request.call == "getStations":
                values["sgID"] = ", ".join(
                    sorted(g for g, m in self.groups.items() if station in m)
                )
            records[station] = StationRecord(station, values)
            self._made += 1
            self.alive[self._made] = values
        return records

    def shed(self, target: Target, limit: Limit, minutes: int) -> None:
        raise NotImplementedError

    def clear(self, target: Target) -> None:
        raise NotImplementedError

    def clear_alarms(self, station_id: str) -> None:
        raise NotImplementedError

    def reconfigure(self, account: AccountConfig) -> None:
        raise NotImplementedError

    def secret_digest(self) -> bytes | None:
        return self.secret

    def close(self) -> None:
        pass


def ids(number: int) -> list[str]:
    return [f"1:{index:05}" for index in range(1, number + 1)]


STATUS, LOAD, ALARMS, SESSIONS, RIGHTS, STATIONS = (
    "getStationStatus",
    "getLoad",
    "getAlarms",
    "getChargingSessionData",
    "getStationRights",
    "getStations",
)
assert {STATUS, LOAD, ALARMS, SESSIONS, RIGHTS, STATIONS} == set(CHARGEPOINT.calls)
