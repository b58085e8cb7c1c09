"""One account's stations as points: read many, write one, revert."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from chargepoint_driver.backend import (
    Backend,
    CountingBackend,
    DirectBackend,
    Request,
    SessionBackend,
    UsageBackend,
)
from chargepoint_driver.cache import DirectCache, SharedCache
from chargepoint_driver.cache.file_store import Disk
from chargepoint_driver.cache.shared_store import SharedStore
from chargepoint_driver.cache.single_flight import within
from chargepoint_driver.catalogue import CHARGEPOINT, TABLES, Call, Catalogue, Data
from chargepoint_driver.config import Account, AccountConfig
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    PermissionDeniedError,
)
from chargepoint_driver.events import SinkState
from chargepoint_driver.records import (
    EnergyReading,
    Event,
    SessionQuery,
    SessionRecord,
    StationRecord,
    Value,
)
from chargepoint_driver.registry import Point
from chargepoint_driver.service.account_stream import AccountStream
from chargepoint_driver.service.backend_factory import backend_of
from chargepoint_driver.service.direct_requests import DirectRequests
from chargepoint_driver.service.point_reader import Observe, PointReader
from chargepoint_driver.service.reading import Reading
from chargepoint_driver.service.session_pages import SessionPages
from chargepoint_driver.service.shed_control import (
    Alert,
    CommandFile,
    CommandStore,
    ShedController,
    ShedOptions,
)
from chargepoint_driver.service.station_alerts import StationAlerts
from chargepoint_driver.text import get_logger

__all__ = ["READ_TIMEOUTS", "Service"]

_log = get_logger(__name__)

READ_TIMEOUTS = 3
"""How many time limits of one call a read may last: it may wait for its turn behind another
call, then for its own, which may have several pages."""

_Answer = TypeVar("_Answer")

# A report of another process counts from this time after a command of the same station.
_SETTLE_S = 60.0
# Files are opened when the account is set up.
_RESTART_KEYS = ("command_file", "cache_file")


class Service(DirectRequests):
    """One account. May be used from several threads or greenlets."""

    def __init__(
        self,
        backend: Backend,
        *,
        timeout_s: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        disk: Disk | None = None,
        shared: SharedStore | None = None,
        commands: CommandStore | None = None,
        catalogue: Catalogue = CHARGEPOINT,
        unreachable_minutes: float = 0.0,
    ) -> None:
        """`timeout_s` is the limit of one call of the backend; reads and writes wait for a
        small multiple of it at most. `disk` keeps what hardly ever changes, `shared` all that is
        read, `commands` what is commanded. `unreachable_minutes`: see `StationAlerts`."""
        self.station_alerts = StationAlerts(now, unreachable_minutes)
        self._stream = AccountStream(now)
        self._backend = backend
        self.catalogue = catalogue
        self._account: Account | None = None
        self._limit_s = READ_TIMEOUTS * timeout_s
        self.cache: SharedCache | DirectCache = (
            DirectCache(backend, clock=clock)
            if isinstance(backend, DirectBackend)
            else SharedCache(
                backend,
                limit_s=self._limit_s,
                clock=clock,
                disk=disk,
                shared=shared,
                catalogue=catalogue,
            )
        )
        self.control = ShedController(
            backend, self.cache, limit_s=timeout_s + 5.0, clock=clock, now=now, store=commands
        )
        self._session_pages = SessionPages(backend, self.sessions, clock)
        observers = {name: self._observers_of(call) for name, call in catalogue.calls.items()}
        self._reader = PointReader(self.cache, self.control, observers)

    @classmethod
    def of_account(cls, account: Account, command_file: Path | None = None) -> Service:
        """Return the service of an account. ChargePoint's makes no call; a central system listens.
        `command_file` is where commands are kept if the account does not say; None for nowhere.
        Raises ConfigurationError when the account's own files cannot be used."""
        disk = None
        if isinstance(account, AccountConfig) and account.cache_file is not None:
            disk = Disk(account.cache_file, account.key)
        service = cls(
            backend_of(account),
            timeout_s=account.timeout,
            disk=disk,
            commands=_store(account, command_file),
            catalogue=TABLES[account.backend],
            unreachable_minutes=account.unreachable_minutes,
        )
        service._begin(account, command_file)
        return service

    @classmethod
    def of_shared(
        cls,
        account: Account,
        backend: Backend,
        commands: CommandStore,
        shared: SharedStore | None,
        events: Path,
    ) -> Service:
        """Return the service of an account that processes share, of which this one has it now.
        `events` is the file whose folder keeps events for sinks. Raises ConfigurationError."""
        service = cls(
            backend,
            timeout_s=account.timeout,
            shared=shared,
            commands=commands,
            catalogue=TABLES[account.backend],
            unreachable_minutes=account.unreachable_minutes,
        )
        service._forget_before_commands()
        service._begin(account, events)
        return service

    def _begin(self, account: Account, command_file: Path | None) -> None:
        """Hand events over. Raises ConfigurationError, and then it is closed."""
        self._account = account
        try:
            self._stream.begin(self._backend, account, command_file)
        except BaseException:
            self.close()
            raise
        self._stream.attach(self.control, self.station_alerts)

    def _forget_before_commands(self) -> None:
        """Read again what was reported of stations around their last command, or before it: the
        process before may have ended before it noted that the report is out of date."""
        for station, since_s in self.control.seconds_since_commands().items():
            age_s = self.cache.age_s(Data.LOAD, station)
            if age_s is not None and age_s > since_s - _SETTLE_S:
                self.cache.touch(Data.LOAD, station)

    def on_news(self, callback: Callable[[list[str]], None]) -> None:
        """Call back with stations of which there is news: a reading that differs, a message of a
        charger, a shed that changed. On any thread; it must return at once. Once."""

        def tell_message(event: dict[str, Any]) -> None:
            callback([str(event["charge_point"])])

        if isinstance(self.cache, SharedCache):
            self.cache.on_news = callback
        self.follow(tell_message)
        self.control.on_news = callback

    def newest_event(self) -> int | None:
        """Return the id of the event that an outbox stored last; None without one."""
        return self._stream.newest_event()

    def sinks(self) -> list[SinkState]:
        """Return how each sink of the account's events stands; empty where there is none."""
        return self._stream.sinks()

    def live_status(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """Return the latest status of every station that is known, or of one (see
        `events.live_status`). Raises NotFoundError."""
        return self._stream.live_status(station_id)

    @property
    def backend(self) -> Backend:
        """The backend of the account."""
        return self._backend

    def counters(self) -> dict[str, int]:
        """Return what was refused at the backend's own port, by kind; empty where it has none."""
        backend = self._backend
        return backend.counters() if isinstance(backend, CountingBackend) else {}

    def keep(
        self, alert: Alert, of_station: Alert | None = None, over: Alert | None = None
    ) -> None:
        """Look after sheds from now on: confirm, renew, raise alerts. `close` ends it.

        `of_station` takes alerts for stations: out of reach, faulted, with a new alarm. They are
        of what polls show. `over` is called once the problem of a shed's alert is over."""
        self.station_alerts.host = of_station
        self.control.alerts.host = alert
        self._stream.alert = alert
        if over is not None:
            self.control.alerts.over = over
        self.control.supervisor.start()

    def _observers_of(self, call: Call) -> list[tuple[Data, Observe]]:
        """Return what takes in what a call reports, for each thing that it reports."""
        found: list[tuple[Data, Observe]] = []
        for data in call.data:
            if data is Data.LOAD:
                found.append((data, self.control.observe))
            if data in StationAlerts.WATCHED:
                found.append((data, self.station_alerts.observe))
            # A backend whose chargers are connected to it has events of its own.
            if not isinstance(self._backend, DirectBackend):
                found.append((data, self._stream.observe))
        return found

    def read(self, points: Mapping[str, Point]) -> Reading:
        """Return the values of points, by the names given, each no older than its currency."""
        return self._reader.read(points)

    def write(
        self,
        point: Point,
        value: object,
        options: ShedOptions,
        warnings: list[str] | None = None,
    ) -> Value:
        """Carry out a write and read back what the service reports then.

        `warnings` takes what the write costs that its writer may not mean; the log has it too.
        What is only staged (a limit while no shed is in force) is answered with what is
        staged. None when the write was acknowledged and its state could not be read back.
        Raises what `Control.write` raises. A command is answered with the charger's word.
        """
        if point.attribute.is_command:
            if not point.writable:
                raise InvalidValueError(f"{point.name} ({point.attribute.name}) can only be read")
            answer = self.command(point.target, point.attribute.write, value)
            if not answer:
                _warn([f"{point.name} 0: nothing was sent; write 1 for it to happen"], warnings)
            return answer
        asks = warnings is not None
        _warn(self.control.warnings(point, value, ask=asks, options=options), warnings)
        if not self.control.write(point, value, options):
            limit = self.control.staged(point.target)
            said = self.control.staging.answer(point.target)
            if said and warnings is not None:
                warnings.append(said)
            if limit is None or point.attribute.data is not Data.LOAD:
                return 0
            return limit.allowed_load_kw if limit.percent_shed is None else limit.percent_shed
        reading = self.read({point.name: point})
        if point.name in reading.errors:
            _log.warning(
                "%s was written, and could not be read back: %s",
                point.name,
                reading.errors[point.name],
            )
            return None
        return reading.values[point.name]

    def revert(self, point: Point, writer: str = "") -> bool:
        """Take back what this driver did to the point's target; True when a command was sent.
        `writer`: who reverts, for the audit."""
        return self.control.revert(point, writer)

    def follow(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None] | None:
        """Call back for each message of a charger (see `DirectBackend.follow`: on the backend's
        own thread); None where the backend is asked and does not tell."""
        backend = self._backend
        return backend.follow(callback) if isinstance(backend, DirectBackend) else None

    def stations(self) -> list[StationRecord]:
        """Every station that the account may see, as the station list describes it; asked again."""
        request = Request(self.catalogue.name(Data.STATIONS))
        found = self._once(Data.STATIONS, lambda: self._backend.fetch(request))
        return list(found.records.values())

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return the charging sessions of a station (None: of all) that touch a time, oldest
        first."""
        return self._once(Data.SESSIONS, lambda: self._backend.sessions(station_id, since, until))

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """Return the first `query.limit` sessions that a query leaves, newest first."""
        if isinstance(self._backend, SessionBackend):
            return self._once(Data.SESSIONS, lambda: self._session_pages.page(query))
        return self._session_pages.page(query)

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Meter values within sessions by `sessionID`; those without any are missing."""
        return self._session_pages.energy_readings(session_ids)

    def session(self, session_id: str) -> Event:
        """One charging session by its `sessionID`, however old. Raises NotFoundError."""
        return self._once(Data.SESSIONS, lambda: self._backend.session(session_id))

    def intervals(self, session_id: str) -> list[Event]:
        """Return the quarter hours of one session, oldest first. Raises NotFoundError,
        PermissionDeniedError where the account's chargers have none."""
        backend = self._usage()
        return self._once(Data.INTERVALS, lambda: backend.intervals(session_id))

    def transactions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """Return what was billed in a time for a station (None: all), oldest first. Raises
        PermissionDeniedError where the account's chargers have no bills."""
        backend = self._usage()
        return self._once(Data.TRANSACTIONS, lambda: backend.transactions(station_id, since, until))

    def _once(self, data: Data, ask: Callable[[], _Answer]) -> _Answer:
        """Return the answer to one question, within the time limit."""
        call = self.catalogue.name(data)
        found: list[_Answer] = []
        within(lambda: found.append(self.cache.once(call, ask)), self._limit_s, call)
        return found[0]

    def _usage(self) -> UsageBackend:
        if not isinstance(self._backend, UsageBackend):
            raise PermissionDeniedError(
                "intervals and transactions are data of ChargePoint's service; export the meter "
                "values of these charge points"
            )
        return self._backend

    def stats(self) -> dict[str, Any]:
        """Counts, for people and tests: calls sent by operation, records kept."""
        calls = self._backend.calls()
        return {"calls": calls, "total": sum(calls.values()), "records": len(self.cache)}

    def down(self) -> dict[str, ChargePointError]:
        """Call name (`*`: the account) to error, for what does not work at present."""
        return self.cache.down()

    def reconfigure(self, account: Account) -> None:
        """Go on with other settings of the same account; what was refused is tried again. A
        warning names those that are used only after a restart."""
        self._backend.reconfigure(account)
        before, self._account = self._account, account
        waits = [
            key
            for key in _RESTART_KEYS
            if before is not None and getattr(before, key, None) != getattr(account, key, None)
        ]
        if waits:
            _log.warning(
                "account %s: %s: changed, and used only after a restart of this agent",
                " ".join(account.key),
                ", ".join(waits),
            )
        self._stream.reconfigure(self._backend, account)
        self._stream.attach(self.control, self.station_alerts)
        self.station_alerts.minutes = account.unreachable_minutes
        self.cache.forget_failures()

    def close(self) -> None:
        """Stop renewing sheds, and close connections."""
        self.control.close()
        self._stream.close()
        self._backend.close()


def _warn(found: list[str], warnings: list[str] | None) -> None:
    """Log what a write costs, and hand it to the writer who wants to know."""
    for warning in found:
        _log.warning("%s", warning)
    if warnings is not None:
        warnings += found


def _store(account: Account, default: Path | None) -> CommandStore | None:
    """Return where the account's commands are kept over a restart."""
    if account.command_file is not None:
        return CommandFile(account.command_file, account.key)
    if default is None:
        return None
    try:
        return CommandFile(default, account.key)
    except ConfigurationError as error:
        # Nobody asked for this file: sheds work without it, and expire.
        _log.error("%s; a restart will not know what is in force", error)
        return None
