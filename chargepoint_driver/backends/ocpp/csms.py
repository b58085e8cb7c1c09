"""The central system: what is known of all charge points, on one asyncio loop.

Everything here runs on the loop's thread, but for reading views. `facade.py` is the way in from
other threads.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from chargepoint_driver.backends.ocpp.charger_events import ChargerEvents
from chargepoint_driver.backends.ocpp.housekeeping import Housekeeping
from chargepoint_driver.backends.ocpp.live_status import LiveStatuses
from chargepoint_driver.backends.ocpp.model.authorization import IdTags
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.electrical import Electrical
from chargepoint_driver.backends.ocpp.model.live_clock import LiveClock, moved
from chargepoint_driver.backends.ocpp.model.plan import PLANS
from chargepoint_driver.backends.ocpp.model.quirks import quirks_of
from chargepoint_driver.backends.ocpp.protocol import v16, v201
from chargepoint_driver.backends.ocpp.protocol.own_requests import record_answer, record_request
from chargepoint_driver.backends.ocpp.protocol.requests import RequestBuilder, RequestPayload
from chargepoint_driver.backends.ocpp.protocol.set_up import SetUp
from chargepoint_driver.backends.ocpp.protocol.v16.outbound import RequestBuilder16
from chargepoint_driver.backends.ocpp.protocol.v201.outbound import RequestBuilder201
from chargepoint_driver.backends.ocpp.smart_charging.limiter import Limiter
from chargepoint_driver.backends.ocpp.smart_charging.plans import Plans
from chargepoint_driver.backends.ocpp.smart_charging.profiles import Profiles
from chargepoint_driver.backends.ocpp.status import ChargerView, view_of
from chargepoint_driver.backends.ocpp.storage.file_queries import FileQueries
from chargepoint_driver.backends.ocpp.storage.interfaces import Queries
from chargepoint_driver.backends.ocpp.storage.restore import restore
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.transport.connection import Connection, ConnectionLimits
from chargepoint_driver.backends.ocpp.transport.own_calls import CallRefusedError
from chargepoint_driver.backends.ocpp.transport.throttle import Allowance, ThrottledConnection
from chargepoint_driver.backends.ocpp.transport.websocket_server import (
    WebSocketServer,
    every,
    peer_of,
)
from chargepoint_driver.backends.ocpp.wire.schemas import named
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
)
from chargepoint_driver.events import SinkState
from chargepoint_driver.process.loop_delay import LoopDelay
from chargepoint_driver.process.loop_thread import native_lock, off_loop
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["ALARMS_CLEARED", "Csms"]

ALARMS_CLEARED = "alarms_cleared_s"
"""Key of a charger's record: when its alarms were last cleared."""

_log = get_logger(__name__)
_DIALECTS = {"1.6": v16.DIALECT, "2.0.1": v201.DIALECT, "2.1": v201.DIALECT_21}
_OUTBOUND: dict[str, RequestBuilder] = {
    "1.6": RequestBuilder16(), "2.0.1": RequestBuilder201(), "2.1": RequestBuilder201()
}  # fmt: skip

_T = TypeVar("_T")


class Csms:
    """See the module. Also the `HandlerContext` of the handlers."""

    def __init__(
        self,
        config: OcppConfig,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        store: Store | None = None,
        queries: Queries | None = None,
    ) -> None:
        """Opens the database and loads what is in it. `now` is the time of day; `monotonic` what
        decides what is live (see `LiveClock`). `store` and `queries` are by default those of the
        SQLite file. Raises ConfigurationError."""
        self.config = config
        self._clock = LiveClock(now, monotonic)
        self.now: Callable[[], float] = self._clock
        self._clock_lock = native_lock()
        self.store = Store(config.database, now) if store is None else store
        self.queries = FileQueries(config.database) if queries is None else queries
        try:
            self.tags = IdTags(config.accept_id_tags, self.store.saved_tags())
        except BaseException:
            self.store.close()
            raise
        self._lines = RateLimitedLog(_log)
        self.log = ChargerEvents(self.store, self._lines)
        self.counters, self.count, self.record_event = (
            self.log.counters,
            self.log.count,
            self.log.record_event,
        )
        self.touched = self.log.touched
        self._housekeeping = Housekeeping(self, self._lines)
        self.store.on_lock = lambda text: self.log.count_outside("database_locked", text)
        self._listed_revision = self.tags.revision
        self.points: dict[str, Charger] = {}
        # For metrics: our requests by action and outcome.
        self.requests: Counter[tuple[str, str]] = Counter()
        self.loop_delay: LoopDelay | None = None
        self.statuses = LiveStatuses(self)
        self.sinks: Callable[[], list[SinkState]] = list
        self.plans = Plans(
            Profiles(self.ask, self.outbound, now, self.count),
            self.ask,
            self.outbound,
            self.learn,
            lambda point: self.save_point(point, worked=point.learned),
            now,
        )
        self.limiter = Limiter(
            self.store, self.ask, self.outbound, self.learn, self.now, self.count
        )
        self.log.observe = self.limiter.observe
        self._set_up = SetUp(self)
        self._is_stopping = False
        self._readers = asyncio.Semaphore(2)
        self._boots_to_come: set[str] = set()
        self._front = WebSocketServer(config, self._take, self.log.count_outside)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._link_limits = ConnectionLimits(
            config.call_timeout_s, config.messages_per_second, config.bytes_per_second
        )
        restore(self.store, self._new_point, self.limiter.restore, self.now())

    # ---- life ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Return where charge points connect to, without their id."""
        return self._front.url

    @property
    def heartbeat_s(self) -> int:
        return self.config.heartbeat_s

    async def start(self) -> None:
        """Listen. Raises ConfigurationError."""
        await self._front.start()
        self.store.check_in_background(self._tell_damage)
        self.spawn(every(min(1.0, self.config.ping_s), self._ping))
        self.spawn(every(30.0, self._housekeeping.save_contacts))
        self.spawn(every(5.0, self._front.end_revoked))
        self.spawn(every(1.0, self._follow_clock))
        self.spawn(every(3_600.0, self._housekeeping.prune))
        self.spawn(every(60.0, self._housekeeping.watch_size))
        self.spawn(every(10.0, self._watch_tags))

    def _tell_damage(self, text: str) -> None:
        self.counters["database_damaged"] += 1
        _log.error("database: %s", text)

    async def stop(self) -> None:
        """Close sockets and the database; nothing is left running."""
        self._is_stopping = True
        await self._front.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._housekeeping.save_contacts()
        await off_loop(self.statuses.close)
        self.store.close()

    def all_counters(self) -> dict[str, int]:
        """Return what was out of order, by name, over all charge points and at the port."""
        return dict(self.counters + Counter(self._front.counts))

    def connections(self) -> dict[str, int]:
        """Sockets at present: `authenticated` and `unauthenticated`."""
        return self._front.connections

    def spawn(self, work: Awaitable[Any]) -> None:
        """Run `work` as a task of its own; count its failure."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.count(None, "failed_tasks", f"{type(error).__name__}: {error}")

    # ---- charge points -------------------------------------------------------------------

    def point(self, station_id: str) -> Charger:
        """A known charge point. Raises NotFoundError."""
        found = self.points.get(station_id)
        if found is None:
            raise NotFoundError(f"no charge point {station_id[:128]!r} was ever connected here")
        return found

    def view(self, point: Charger) -> ChargerView:
        """As it stands; may be called from any thread."""
        with self._clock_lock:
            return view_of(point, self.now(), self.config.heartbeat_s)

    def _new_point(self, station_id: str) -> Charger:
        config = self.config.of(station_id)
        voltage, phases, is_dc, rated_kw, quirks = (
            (None, None, False, None, None)
            if config is None
            else (
                config.voltage,
                config.phases,
                config.current == "DC",
                config.rated_kw,
                config.quirks,
            )
        )
        point = Charger(
            station_id,
            Electrical(
                voltage or self.config.voltage, phases or self.config.phases, is_dc, rated_kw
            ),
            model=None if config is None else config.model,
            interval_s=self.config.meter_interval_s,
        )
        if quirks is not None:
            point.own_quirks = quirks
        self._look_up_quirks(point)
        self.points[station_id] = point
        return point

    @staticmethod
    def _look_up_quirks(point: Charger) -> None:
        model = point.boot.get("model") or point.model
        point.quirks = quirks_of(point.boot.get("vendor"), model, point.own_quirks)
        point.electrical = replace(point.electrical, location=point.quirks.location)

    async def _take(self, connection: ThrottledConnection, station_id: str, version: str) -> None:
        """One socket, from its handshake to its end. The newest one of a charge point counts."""
        if station_id not in self.points and len(self.points) >= self.config.max_charge_points:
            self.count(None, "too_many_charge_points", "raise max_charge_points, or forget some")
            return
        try:
            if await self.store.claim(station_id):
                await self._read_again(station_id)
        except StoreError as error:
            self.count(None, "not_claimed", f"{station_id}: {error}")
            await connection.close(1013, "try again later")
            return
        point = self.points.get(station_id)
        if point is None:
            point = self._new_point(station_id)
        link = Connection(
            connection, point, _DIALECTS[version], self, self._link_limits, self.now, self.spawn
        )
        before, point.link = point.link, link
        point.version = version
        point.connected_s = point.last_seen_s = self.now()
        if before is not None:
            newer = f"by a newer connection from {peer_of(connection)}"
            self.count(point, "replaced_sockets", newer)
            self._set_up.disconnected(point)
            self.spawn(before.close(1000, "replaced by a newer connection"))
        self.save_point(point, last_seen=point.last_seen_s, version=version)
        self.log.record(
            point, "Connected", None, point.connected_s, point.connected_s, {"version": version}
        )
        self.store.committed()
        peer = peer_of(connection)
        self._lines.info("connected", address=peer, name=station_id, reason=f"OCPP {version}")
        loop = asyncio.get_running_loop()
        timer = loop.call_later(
            self.config.boot_grace_s, lambda: self.spawn(self._set_up.miss_boot(point, link))
        )
        try:
            await link.run()
        finally:
            timer.cancel()
            if point.link is link:
                point.link = None
                if not self._is_stopping:
                    self._set_up.disconnected(point)
                now_s = self.now()
                code, why = connection.close_code, connection.close_reason
                self._lines.info(
                    "disconnected",
                    address=peer,
                    name=station_id,
                    reason=f"after {now_s - (point.connected_s or now_s):.0f} s, code {code}"
                    + (f", {why}" if why else ""),
                )
                self.log.record(point, "Disconnected", None, now_s, now_s, {})
                self.save_point(point, last_seen=point.last_seen_s)

    async def _read_again(self, station_id: str) -> None:
        """Another process had the charger: what it stored counts."""
        await self.lose([station_id], "replaced by a newer connection")
        restore(self.store, self._new_point, self.limiter.restore, self.now(), station_id)

    async def lose(self, station_ids: Iterable[str], reason: str) -> None:
        """Drop chargers that are another process's now: their sockets are closed, and nothing of
        them is shown."""
        lost = [self.points[each] for each in station_ids if each in self.points]
        if not lost:
            return
        # Replaced, not changed: other threads read it meanwhile.
        self.points = {name: each for name, each in self.points.items() if each not in lost}
        for point in lost:
            self.touched.add(point.station_id)
            link, point.link = point.link, None
            if link is not None:
                self._set_up.disconnected(point)
                self.spawn(link.close(1012, reason))

    # ---- the context of the handlers -----------------------------------------------------

    async def booted(self, point: Charger) -> None:
        link = point.link
        if point.boots is None:
            point.boots = Allowance(
                self.config.boots_per_minute / 60, time.monotonic, self.config.boots_per_minute
            )
        if (wait_s := point.boots.take(1)) > 0:
            # Answered and no more: each costs a set-up and limits.
            point.boots.take(-1)
            self.count(point, "boots_too_often", "its set-up waits")
            if point.station_id not in self._boots_to_come:
                self._boots_to_come.add(point.station_id)
                await asyncio.sleep(wait_s)
                self._boots_to_come.discard(point.station_id)
                if point.link is not None:
                    await self.booted(point)
            return
        point.booted_s, point.booted_on = self.now(), link
        point.lag_s, point.clock_behind_s = None, 0.0
        self._look_up_quirks(point)
        self.save_point(point, boot=point.boot)
        # Whether it still has its plans is not known; the next write of one is sent.
        if point.learned.pop(PLANS, None):
            self.save_point(point, worked=point.learned)
        self._set_up.booted(point, link)
        await self.limiter.put_back(point)

    async def began(self, point: Charger, connector_id: int) -> None:
        self._set_up.began(point)
        await self.limiter.put_back(point, connector_id)

    async def learn(self, point: Charger) -> None:
        """Read the settings of a charge point; those that it does not tell stay unknown."""
        await self._set_up.learn(point)

    async def ask_status(self, point: Charger, is_needed: Callable[[], bool] | None = None) -> None:
        await self._set_up.ask_status(point, is_needed)

    async def put_back(self, point: Charger) -> None:
        """Put the limits back."""
        await self.limiter.put_back(point)

    # ---- calls ---------------------------------------------------------------------------

    def outbound(self, point: Charger) -> RequestBuilder:
        """The requests of the version that it speaks (or spoke last)."""
        return _OUTBOUND[point.version or "1.6"]

    async def call(
        self,
        point: Charger,
        action: str,
        payload: dict[str, Any],
        timeout_s: float,
        *,
        drop: bool = True,
    ) -> dict[str, Any]:
        """Send any request; the errors are those of `Link.call`. Raises InvalidValueError for one
        that is not a central system's."""
        version = point.version or "1.6"
        if action != "DataTransfer" and action in _DIALECTS[version].handlers:
            raise InvalidValueError(
                f"{action}: charge points send this request, not a central system (OCPP {version});"
                " nothing was sent"
            )
        link = point.link
        if link is None:
            raise TransientError(f"{point.station_id} is not connected; {action} was not sent")
        station_id, now_s = point.station_id, self.now()
        self._keep(point, lambda: record_request(self.store, station_id, action, payload, now_s))
        try:
            answer = await link.call(action, payload, timeout_s, drop=drop)
        except ChargePointError as error:
            self.requests[named(version, action), error.code] += 1
            if not isinstance(error, (CallRefusedError, OutcomeUnknownError)):
                raise
            status = "Rejected" if isinstance(error, CallRefusedError) else None
            self._record_answer(point, action, payload, status)
            raise
        self.requests[named(version, action), "ok"] += 1
        self._record_answer(point, action, payload, str(answer.get("status")))
        self._set_up.answered(point, action, payload, answer)
        return answer

    def _record_answer(
        self, point: Charger, action: str, payload: dict[str, Any], status: str | None
    ) -> None:
        args = self.store, point.station_id, action, payload, status, self.now()
        self._keep(point, lambda: record_answer(*args))

    def _keep(self, point: Charger, write: Callable[[], None]) -> None:
        """Write something down. Where that cannot be, the request goes on all the same."""
        try:
            write()
        except StoreError as error:
            self.count(point, "not_stored", type(error).__name__)
        self.store.committed()

    # ---- idTags --------------------------------------------------------------------------

    async def _watch_tags(self) -> None:
        self.tags_changed()

    def tags_changed(self) -> None:
        """Send the local lists again where the idTags are not those that were sent last."""
        self.tags.refresh()
        if self._listed_revision == self.tags.revision:
            return
        self._listed_revision = self.tags.revision
        for point in self.points.values():
            if point.connected and point.settings_read:
                self.spawn(self._set_up.keep_local_list(point))

    async def ask(self, point: Charger, ask: RequestPayload) -> dict[str, Any]:
        timeout_s = point.quirks.call_timeout_s or self.config.call_timeout_s
        return await self.call(point, *ask, timeout_s + 5)

    async def clear_alarms(self, point: Charger) -> None:
        """Put the errors received until now away, for good."""
        point.learned[ALARMS_CLEARED] = self.now()
        await self.writable()
        self.store.save_point(point.station_id, worked=point.learned)
        await self.stored()

    async def writable(self) -> None:
        """Wait until the database can be written. Raises TransientError."""
        try:
            await self.store.writable()
        except (StoreError, OSError) as error:
            raise self._not_stored(error) from None

    async def read(self, work: Callable[[], _T]) -> _T:
        """Read what is stored, all messages until now counted: on a thread, two at a time.
        Raises TransientError, and what `work` raises."""
        async with self._readers:
            await self.stored()
            return await off_loop(work)

    async def stored(self) -> None:
        """Wait until everything until now is stored. Raises TransientError."""
        try:
            # The future is that of all who wait.
            await asyncio.shield(self.store.durable())
        except (StoreError, OSError) as error:
            raise self._not_stored(error) from None

    def _not_stored(self, error: Exception) -> TransientError:
        return TransientError(f"the database cannot be written now ({error}); nothing was changed")

    def save_point(self, point: Charger, **columns: Any) -> None:
        """Keep what is known of a charge point. Where that cannot be, it goes on all the same."""
        try:
            self.store.save_point(point.station_id, **columns)
        except StoreError as error:
            self.count(point, "not_stored", type(error).__name__)
        self.store.committed()

    # ---- events and regular work ---------------------------------------------------------

    async def _follow_clock(self) -> None:
        """The machine's clock was set: keep the age of everything."""
        step_s = self._clock.follow()
        if not step_s:
            return
        self._lines.warning("clock_steps", reason=f"the time of day was set by {step_s:+.1f} s")
        self.counters["clock_steps"] += 1
        with self._clock_lock:
            self._clock.accept(step_s)
            for point in self.points.values():
                moved(point, step_s, self.now())
        for point in self.points.values():
            for number, connector in point.connectors.items():
                if connector.limit is not None:
                    self.limiter.keep(point, number, connector.limit)

    async def _ping(self) -> None:
        """Ping the sockets that are due; drop those that did not answer the one before."""
        due_s = asyncio.get_running_loop().time() - self.config.ping_s
        for point in list(self.points.values()):
            link = point.link
            if link is None or link.closed or link.pinged_s > due_s:
                continue
            if not await link.ping():
                self.count(point, "pings_without_answer")
                self.spawn(link.close(1011, "no pong"))

    async def forget(self, point: Charger) -> None:
        """Forget a charge point: its settings, statuses, limits and reservations. Its records
        (transactions, events) stay; what runs there is closed as lost. Its socket is closed; it
        is a new one when it comes back. Raises TransientError."""
        await self.writable()
        self.store.forget(point.station_id, self.now())
        await self.stored()
        if self.points.get(point.station_id) is point:
            # Replaced, not changed: other threads read it meanwhile.
            self.points = {name: each for name, each in self.points.items() if each is not point}
        self.touched.add(point.station_id)
        link, point.link = point.link, None
        if link is not None:
            self._set_up.disconnected(point)
            await link.close(1000, "forgotten")
