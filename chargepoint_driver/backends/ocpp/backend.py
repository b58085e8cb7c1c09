"""The central system as a backend: points are answered from memory, writes are requests."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from chargepoint_driver.backend import OPERATIONS, Limit, Reply, Request, Target
from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.register_commands import ORDERS
from chargepoint_driver.backends.ocpp.registers import Sessions, record_of
from chargepoint_driver.backends.ocpp.status import ChargerView, view_of
from chargepoint_driver.backends.ocpp.storage.offline import event_of, id_of
from chargepoint_driver.config import Account, OcppAccount
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    PermissionDeniedError,
)
from chargepoint_driver.events import SinkState
from chargepoint_driver.process import threads
from chargepoint_driver.records import (
    EnergyReading,
    Event,
    SessionQuery,
    SessionRecord,
    StationRecord,
)

__all__ = ["OcppBackend"]

# Messages after which another session may be the newest one.
_OF_SESSIONS = {"StartTransaction", "StopTransaction", "TransactionEvent"}

Callback = Callable[[dict[str, Any]], None]


class OcppBackend:
    """See `backend.Backend` and `backend.DirectBackend`. Of one database there is one in a
    process, since it has one writer; `at` finds it."""

    name = "ocpp"
    group_calls = False
    # A charger acts on a profile within seconds; a vehicle has five to follow (IEC 61851-1).
    effect_s = 30.0
    _running: dict[Path, OcppBackend] = {}  # noqa: RUF012 - the one place that knows them all
    _starting = threads.Lock()

    def __init__(self, account: OcppAccount, now: Callable[[], float] = time.time) -> None:
        """Opens the database and listens. Raises ConfigurationError."""
        self._account = account
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._newest: dict[str, Sessions] = {}
        self._version = 0
        self._followers: tuple[Callback, ...] = ()
        self._alert_host: Callable[[str, str], None] | None = None
        self._system = self._start(account)

    @classmethod
    def at(cls, account: OcppAccount) -> OcppBackend:
        """The one that runs with this database, with these settings from now on, or a new one."""
        path = account.database.absolute()
        with cls._starting:
            found = cls._running.get(path)
            if found is None:
                found = cls._running[path] = cls(account)
            else:
                found.reconfigure(account)
        return found

    @property
    def system(self) -> CentralSystem:
        """The central system itself."""
        return self._system

    def _start(self, account: OcppAccount) -> CentralSystem:
        system = CentralSystem(account, self._now)
        system.alert = self._alert
        system.start()
        system.listen(self._on_event)
        return system

    # ---- reading -------------------------------------------------------------------------

    def fetch(self, request: Request) -> Reply:
        """Look at memory. A charge point that never connected is out of reach; one that may not
        connect is missing."""
        found: dict[str, StationRecord] = {}
        for station, record in self.records(request.stations or self._system.known()).items():
            if isinstance(record, ChargePointError):
                raise record
            found[station] = record
        return Reply(found)

    def records(self, stations: Iterable[str]) -> dict[str, StationRecord | ChargePointError]:
        """Look at memory, once for each charger, as `fetch` does. One that cannot be read now has
        its error instead."""
        account = self._account
        wanted = [station for station in stations if account.of(station) is not None]
        views: dict[str, ChargerView] = {}
        failed: dict[str, StationRecord | ChargePointError] = {}
        for station, view in self._system.views(wanted).items():
            if isinstance(view, ChargePointError):
                failed[station] = view
            else:
                views[station] = view
        # What runs is known from memory, and is newer than what is in the file.
        of_sessions = [
            station
            for station, view in views.items()
            if any(number and not it.transaction for number, it in view.connectors.items())
        ]
        sessions = self._newest_sessions(of_sessions) if of_sessions else {}
        return failed | {
            station: record_of(
                views.get(station) or self._unheard(station), account, sessions.get(station, {})
            )
            for station in wanted
            if station not in failed
        }

    def _unheard(self, station_id: str) -> ChargerView:
        """Return a charge point that never connected."""
        point = Charger(station_id, Electrical(self._account.voltage, self._account.phases))
        return view_of(point, self._now(), self._account.heartbeat_s)

    def _newest_sessions(self, station_ids: list[str]) -> dict[str, Sessions]:
        with self._lock:
            found = {each: self._newest[each] for each in station_ids if each in self._newest}
            version = self._version
        missing = [each for each in station_ids if each not in found]
        if missing:
            asked = self._system.newest_sessions(missing)
            found.update(asked)
            with self._lock:
                if version == self._version:
                    self._newest.update(asked)
        return found

    def _on_event(self, event: dict[str, Any]) -> None:
        """Take an event, on the central system's own thread."""
        if event["action"] in _OF_SESSIONS:
            with self._lock:
                self._version += 1
                self._newest.pop(event["charge_point"], None)
        for callback in self._followers:
            callback(event)

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """The charging sessions of a charge point (None: of all) that touch a time, oldest
        first."""
        until_s = None if until is None else until.timestamp()
        return [
            event_of(row) for row in self._system.sessions(station_id, since.timestamp(), until_s)
        ]

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """A page of sessions, newest first; see `backend.SessionBackend`."""
        return self._system.session_page(query)

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Meter values within sessions; see `backend.SessionBackend`."""
        return self._system.energy_readings(session_ids)

    def session(self, session_id: str) -> Event:
        """One charging session, however old. Raises NotFoundError."""
        return event_of(self._system.transaction(id_of(session_id)))

    # ---- writing -------------------------------------------------------------------------

    def shed(self, target: Target, limit: Limit, minutes: float) -> None:
        """Limit the load of a charge point or connector for `minutes` (0 = no end)."""
        self._counts["shed"] += 1
        self._system.shed(target, limit, minutes)

    def try_otherwise(self, target: Target) -> bool:
        """Send the limit in force in its next form, since the load does not obey it. False where
        every form was tried."""
        self._counts["try_otherwise"] += 1
        return self._system.contradict(target)

    def clear(self, target: Target) -> None:
        """End our limits there."""
        self._counts["clear"] += 1
        self._system.clear(target)

    def clear_alarms(self, station_id: str) -> None:
        """Put the alarms until now away."""
        self._counts["clearAlarms"] += 1
        self._system.clear_alarms(station_id)

    def command(self, target: Target, name: str, argument: object) -> str:
        """One of `ORDERS`; the charge point's answer."""
        order = ORDERS.get(name)
        if order is None:
            raise InvalidValueError(
                f"{target}: no command {name!r}; write one of {', '.join(ORDERS)}"
            )
        self._counts[name] += 1
        return order(self._system, target, argument)

    def call(
        self, station_id: str, action: str, payload: Mapping[str, Any], timeout_s: float
    ) -> dict[str, Any]:
        """Send any request of OCPP. Returns the payload of the answer."""
        self._must_allow(f"{station_id}: {action}")
        self._counts["call"] += 1
        return self._system.call(station_id, action, dict(payload), timeout_s)

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one of `OPERATIONS`."""
        if name not in OPERATIONS:
            raise InvalidValueError(
                f"no operation {name!r}; expected one of {', '.join(OPERATIONS)}"
            )
        self._must_allow(f"{station_id}: {name}")
        self._counts[name] += 1
        return self._system.operate(station_id, name, arguments)

    def _must_allow(self, what: str) -> None:
        if not self._account.allow_call:
            raise PermissionDeniedError(
                f"{what} was not sent: this account does not allow it; set allow_call to true "
                "in the entry that names its database"
            )

    def stored_messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Stored messages of a charger; see `backend.MessageBackend`."""
        return self._system.stored_messages(station_id, before, limit, action)

    def follow(self, callback: Callback) -> Callable[[], None]:
        """Call back for each message, on the central system's own thread; return how to end it.
        It goes on after a `reconfigure`."""
        self._followers = (*self._followers, callback)

        def end() -> None:
            self._followers = tuple(each for each in self._followers if each is not callback)

        return end

    # ---- the event stream ----------------------------------------------------------------

    def has_sinks(self) -> bool:
        """Return True if any sink is configured."""
        return bool(self._account.sinks)

    def add_event(
        self,
        action: str,
        station: str,
        connector: int | None,
        data: dict[str, Any],
        *,
        time_s: float | None = None,
    ) -> None:
        """Store an event of ours among those of chargers. From any thread; never waits."""
        self._system.add_event(action, station, connector, data, time_s=time_s)

    def sinks(self) -> list[SinkState]:
        """Return how each sink of events stands."""
        return self._system.sinks()

    def live_status(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """The latest status of all charge points, or of one. Raises NotFoundError."""
        return self._system.live_status(station_id)

    def alert_to(self, alert: Callable[[str, str], None]) -> None:
        """Call with what an alert of a sink is about and what happened."""
        self._alert_host = alert

    def _alert(self, about: str, what: str) -> None:
        if self._alert_host is not None:
            self._alert_host(about, what)

    # ---- life ----------------------------------------------------------------------------

    def secret_digest(self) -> None:
        """None: charge points say who they are, not we."""

    def counters(self) -> dict[str, int]:
        """Return what the central system refused, forgave or found out of order, by kind."""
        return self._system.counters()

    def outcomes(self) -> dict[tuple[str, str], int]:
        """(action, `ok` or the code of its error) to the number of our requests that ended so."""
        return self._system.outcomes()

    def calls(self) -> dict[str, int]:
        """Command to the number of times that it was asked for."""
        return dict(self._counts)

    def reconfigure(self, account: Account) -> None:
        """Go on with other settings: charge points connect again. Raises ConfigurationError, and
        then goes on with those before."""
        if not isinstance(account, OcppAccount):
            raise ConfigurationError("an OCPP account cannot become one of another backend")
        if account == self._account:
            return
        before = self._account
        self._system.stop()
        try:
            self._system = self._start(account)
        except ConfigurationError:
            self._system = self._start(before)
            raise
        self._account = account

    def close(self) -> None:
        """Close all connections and the database. Safe to call more than once."""
        with self._starting:
            for path, backend in list(self._running.items()):
                if backend is self:
                    del self._running[path]
        self._system.stop()
