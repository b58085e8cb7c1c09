"""The central system for everyone else: plain calls from any thread, waits with a limit."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from chargepoint_driver.backends.ocpp.central.charger_commands import ChargerCommands
from chargepoint_driver.backends.ocpp.central.event_follower import EventFollower
from chargepoint_driver.backends.ocpp.central.id_tags import IdTagsAndReservations
from chargepoint_driver.backends.ocpp.central.named_operations import NamedOperations
from chargepoint_driver.backends.ocpp.central.stored_records import StoredRecords
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.operations.charger_access import ChargerAccess, LocalChargers
from chargepoint_driver.backends.ocpp.status import ChargerView
from chargepoint_driver.backends.ocpp.storage.interfaces import Queries, Stores
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import ChargePointError, TransientError
from chargepoint_driver.events import EventStream, SinkState
from chargepoint_driver.events.stream import MakeSharedRelay
from chargepoint_driver.process.loop_delay import LoopDelay
from chargepoint_driver.process.loop_thread import NativeLoop
from chargepoint_driver.text import get_logger

__all__ = ["CentralSystem"]

_log = get_logger(__name__)
_TOO_SLOW = "a subscriber is too slow; it gets a reset and reads everything again"


class CentralSystem(ChargerCommands, IdTagsAndReservations, NamedOperations, StoredRecords):
    """OCPP chargers that connect to us. Thread-safe; `start` first, `stop` at the end."""

    name = "ocpp"

    def __init__(
        self,
        config: OcppConfig,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        open_stores: Callable[[OcppConfig, Callable[[], float]], Awaitable[Stores]] | None = None,
    ) -> None:
        """`now` gives the time of day, seconds since 1970. `monotonic` decides what is live; by
        default that of the system, or `now` where that is another clock. `open_stores` opens the
        records, on the loop; by default they are in the SQLite file."""
        self.config = config
        self._now = now
        self._monotonic = monotonic
        self._open_stores = open_stores
        self._loop = NativeLoop("OCPP central system")
        self._csms: Csms | None = None
        self._access: ChargerAccess | None = None
        self._control: Any = None
        self._stream: EventStream | None = None
        # Tells this process from others that send events to the same sinks.
        self._writer = ""
        self._last_event = 0
        # Takes alerts of sinks: what it is about, and what happened. On the stream's thread.
        self.alert: Callable[[str, str], None] | None = None
        self._followers: list[EventFollower] = []

    # ---- life ----------------------------------------------------------------------------

    def start(
        self, *, control: str | None = None, token: str | None = None, more: Sequence[Any] = ()
    ) -> None:
        """Open the database and listen; `control` (address:port) opens the control API too, with
        `more` routes (see `HttpApi`).
        Raises ConfigurationError; then nothing is left running."""
        make: Any = None
        if control is not None:
            # Imported here and not on the loop's thread, where gevent's import locks hurt.
            from chargepoint_driver.backends.ocpp.control_api.http_api import HttpApi  # noqa: PLC0415

            make = lambda csms: HttpApi(csms, control, token, self._access, more)  # noqa: E731
        self._loop.start()
        try:
            self._loop.run(lambda: self._begin(make), 30)
            self._start_stream()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close every socket and the database. Safe to call more than once."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()
        try:
            self._loop.run(self._end, 20)
        except TransientError:
            pass
        finally:
            self._loop.stop()
            for follower in self._followers:
                follower.stop()
            self._followers.clear()
            self._csms = self._access = None

    def _start_stream(self) -> None:
        config = self.config
        if config.sinks:
            stream = EventStream(
                config.database,
                self.stream_name,
                config.sinks,
                self._running.statuses.feed(),
                alert=self._raise,
                now=self._now,
                begin=self._last_event,
                shared=self._shared_relay(),
                writer=self._writer,
            )
            stream.start()
            self._stream = stream
            self._running.sinks = stream.states

    def _shared_relay(self) -> MakeSharedRelay | None:
        """Return what makes the relay of events that are not only in the file of this process."""
        return None

    def _raise(self, about: str, what: str) -> None:
        if self.alert is not None:
            self.alert(about, what)

    async def _begin(self, make_control: Any) -> None:
        stores = None
        if self._open_stores is not None:
            stores = await self._open_stores(self.config, self._now)
        try:
            csms = Csms(self.config, self._now, self._monotonic, stores)
        except BaseException:
            if stores is not None:
                await stores.store.release()
            raise
        self._csms, self._access = csms, self._access_of(csms)
        self._last_event = csms.store.mark()[0]  # before the first charger of this run
        await csms.start()
        if make_control is not None:
            self._control = make_control(csms)
            await self._control.start()

    def _access_of(self, csms: Csms) -> ChargerAccess:
        """Return what reaches chargers."""
        return LocalChargers(csms)

    async def _end(self) -> None:
        if self._control is not None:
            await self._control.stop()
            self._control = None
        if self._csms is not None:
            await self._csms.stop()

    @property
    def ocpp_url(self) -> str:
        """Return where charge points connect to, without their id."""
        return self._running.url

    @property
    def control_url(self) -> str | None:
        """The control API; None where it was not opened."""
        return None if self._control is None else str(self._control.url)

    @property
    def stream_name(self) -> str:
        """The name of this central system in its events."""
        return self._running.statuses.account

    def add_event(
        self,
        action: str,
        station_id: str,
        connector: int | None,
        data: dict[str, Any],
        *,
        time_s: float | None = None,
    ) -> None:
        """Store an event of ours, like `Shed`, among those of chargers. From any thread; it is
        stored soon, and nobody waits for it."""
        csms = self._running
        now_s = csms.now()

        def add() -> None:
            when_s = now_s if time_s is None else time_s
            csms.log.add(action, station_id, connector, when_s, now_s, data)

        self._loop.soon(add)

    def sinks(self) -> list[SinkState]:
        """Return how each sink of events stands; empty where there is none."""
        stream = self._stream
        return [] if stream is None else stream.states()

    def live_status(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """The latest status of all charge points, or of one (see `events.live_status`). Raises
        NotFoundError."""
        csms = self._running
        if station_id is not None:
            csms.point(station_id)
        return csms.statuses.documents(station_id)

    @property
    def _running(self) -> Csms:
        if self._csms is None:
            raise TransientError("the OCPP central system is not running")
        return self._csms

    @property
    def _chargers(self) -> ChargerAccess:
        if self._access is None:
            raise TransientError("the OCPP central system is not running")
        return self._access

    # ---- reading -------------------------------------------------------------------------

    def charge_points(self) -> list[ChargerView]:
        """Every charge point that is known, connected or not."""
        csms = self._running
        return [csms.view(point) for _, point in sorted(csms.points.copy().items())]

    def each_charge_point(self) -> Iterator[ChargerView]:
        """Yield the same one by one, each as it stands when it is asked for."""
        csms = self._running
        for _, point in sorted(csms.points.copy().items()):
            yield csms.view(point)

    def charge_point(self, station_id: str) -> ChargerView:
        """One charge point. Raises NotFoundError."""
        csms = self._running
        return csms.view(csms.point(station_id))

    def known(self) -> list[str]:
        """Return the ids of every charge point that is known, connected or not."""
        return sorted(self._running.points.copy())

    def views(self, station_ids: Iterable[str]) -> dict[str, ChargerView | ChargePointError]:
        """Return id to charge point, of these; those that never connected are missing. One that
        cannot be read now has its error instead."""
        csms = self._running
        points = csms.points
        return {name: csms.view(points[name]) for name in station_ids if name in points}

    def counters(self) -> dict[str, int]:
        """Return what was out of order, by name, over all charge points."""
        return self._running.all_counters()

    def messages(self) -> dict[str, int]:
        """Action to the number of messages of charge points that were handled."""
        return dict(self._running.log.messages)

    def outcomes(self) -> dict[tuple[str, str], int]:
        """(action, `ok` or the code of its error) to the number of our requests that ended so."""
        return dict(self._running.requests)

    def connections(self) -> dict[str, int]:
        """Sockets at present: `authenticated` and `unauthenticated`."""
        return self._running.connections()

    def newest_event(self) -> int:
        """The id of the event that was stored last; 0 for none."""
        return self._running.store.mark()[0]

    def loop_delay(self) -> LoopDelay:
        """The delay of the central system's loop, measured from the first call on."""
        csms = self._running
        if csms.loop_delay is None:
            delay = LoopDelay()

            async def begin() -> None:
                csms.loop_delay = delay
                csms.spawn(delay.measure())

            self._loop.run(begin, 30)
        return csms.loop_delay or delay

    def active_charge_points(self, within_s: float | None = None) -> list[str]:
        """The charge points that sent something within that time (two heartbeats)."""
        limit_s = 2 * self.config.heartbeat_s if within_s is None else within_s
        now_s = self._running.now()
        return [
            station_id
            for station_id, point in sorted(self._running.points.copy().items())
            if point.last_seen_s is not None and now_s - point.last_seen_s <= limit_s
        ]

    def last_contact(self, station_id: str) -> str | None:
        """Return when the charge point last sent something, ISO 8601. Raises NotFoundError."""
        return self.charge_point(station_id).last_seen

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call back for each message, in order, on a thread (under gevent: a greenlet) of its own;
        return how to end it.

        A callback that is more than 10,000 messages behind loses the oldest. They are counted as
        `events_lost`, and the callback gets one event with the action `EventsLost`, `charge_point`
        '' and `data` {"lost": count}: read everything again."""
        csms = self._running
        follower = EventFollower(callback, lambda: csms.count(None, "events_lost", _TOO_SLOW))
        self._followers.append(follower)
        stop = self.listen(follower.put)

        def end() -> None:
            stop()
            follower.stop()

        return end

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call back for each message on the loop's own thread, before it is answered; return how
        to end it. For what takes no time and never waits."""
        return self._chargers.listen(callback)

    @property
    def _queries(self) -> Queries:
        return self._running.queries

    def _wait_until_stored(self) -> None:
        self._loop.run(self._flush, 30)

    async def _flush(self) -> None:
        await self._running.stored()

    # ---- calls ---------------------------------------------------------------------------

    def call(
        self, station_id: str, action: str, payload: dict[str, Any], timeout_s: float = 30.0
    ) -> dict[str, Any]:
        """Send any request and return the payload of its answer.

        Raises NotFoundError, InvalidValueError (nothing was sent), TransientError (not sent),
        WriteRejectedError (a CALLERROR: `service_code`), OutcomeUnknownError (no answer in
        time)."""
        answer: dict[str, Any] = self._ask(
            station_id, "call", action=action, payload=payload, timeout_s=timeout_s
        )
        return answer

    def operate(self, station_id: str, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation of `operations.OPERATIONS`; arguments as JSON has them."""
        answer: dict[str, Any] = self._ask(
            station_id, "operate", operation=name, arguments=dict(arguments)
        )
        return answer
