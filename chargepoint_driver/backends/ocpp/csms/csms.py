"""The central system: what is known of all charge points, on one asyncio loop.

All runs on the loop's thread, except the reading of views. Other threads go through
`central_system.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from chargepoint_driver.backends.ocpp.csms.charger_events import ChargerEvents
from chargepoint_driver.backends.ocpp.csms.charger_registry import ChargerRegistry, look_up_quirks
from chargepoint_driver.backends.ocpp.csms.charger_requests import VERSIONS, ChargerRequests
from chargepoint_driver.backends.ocpp.csms.housekeeping import Housekeeping
from chargepoint_driver.backends.ocpp.csms.stored_state import StoredState
from chargepoint_driver.backends.ocpp.live_status import LiveStatuses
from chargepoint_driver.backends.ocpp.model.authorization import IdTag, IdTags
from chargepoint_driver.backends.ocpp.model.charger import ALARMS_CLEARED, Charger
from chargepoint_driver.backends.ocpp.model.live_clock import LiveClock, moved
from chargepoint_driver.backends.ocpp.model.plan import PLANS
from chargepoint_driver.backends.ocpp.protocol.set_up import SetUp
from chargepoint_driver.backends.ocpp.smart_charging.limiter import Limiter
from chargepoint_driver.backends.ocpp.smart_charging.plans import Plans
from chargepoint_driver.backends.ocpp.smart_charging.profiles import Profiles
from chargepoint_driver.backends.ocpp.status import ChargerView, view_of
from chargepoint_driver.backends.ocpp.storage.file_queries import FileQueries
from chargepoint_driver.backends.ocpp.storage.interfaces import Stores
from chargepoint_driver.backends.ocpp.storage.restore import restore
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.transport.connection import Connection, ConnectionLimits
from chargepoint_driver.backends.ocpp.transport.throttle import Allowance, ThrottledConnection
from chargepoint_driver.backends.ocpp.transport.websocket_server import (
    WebSocketServer,
    every,
    peer_of,
)
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import StoreError
from chargepoint_driver.events import SinkState
from chargepoint_driver.process.loop_delay import LoopDelay
from chargepoint_driver.process.loop_thread import native_lock, off_loop
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["Csms"]

# Until a charger is asked for a limit that got no answer. Each time it is twice as long.
_SETTLE_S = 5.0
_MAX_SETTLE_S = 600.0

_log = get_logger(__name__)


class Csms:
    """See the module. Also the `HandlerContext` of the handlers."""

    def __init__(
        self,
        config: OcppConfig,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
        stores: Stores | None = None,
    ) -> None:
        """Opens the database and loads what is in it. `now` is the time of day; `monotonic` what
        decides what is live (see `LiveClock`). `stores` are by default those of the SQLite
        file. Raises ConfigurationError."""
        self.config = config
        self._clock = LiveClock(now, monotonic)
        self.now: Callable[[], float] = self._clock
        self._clock_lock = native_lock()
        if stores is None:
            stores = Stores(Store(config.database, now), FileQueries(config.database))
        self.store, self.queries = stores
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
        self.store.on_lost = lambda names, reason: self.spawn(self.lose(names, reason))
        self.store.on_tags = self._take_tags
        self.store.has_limited_tags = lambda: any(
            tag.max_concurrent is not None for tag in self.tags.all()
        )
        self.store.on_drain = lambda: self.spawn(self._drain())
        self.drain_s = 60.0
        self.on_drained: Callable[[], None] = lambda: None
        self._is_draining = False
        self._listed_revision = self.tags.revision
        self._registry = ChargerRegistry(config)
        self.point = self._registry.find
        stored_state = StoredState(self.store, self.count)
        self.writable, self.stored = stored_state.writable, stored_state.stored
        self.read, self.save_point = stored_state.read, stored_state.save_point
        requests = ChargerRequests(self.store, stored_state, self.now, config.call_timeout_s)
        self.call, self.ask, self.outbound = requests.call, requests.ask, requests.builder
        self.requests = requests.outcomes
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
        requests.on_answer = self._set_up.answered
        self._is_stopping = False
        self._boots_to_come: set[str] = set()
        self._front = WebSocketServer(config, self._take, self.log.count_outside)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._link_limits = ConnectionLimits(
            config.call_timeout_s, config.messages_per_second, config.bytes_per_second
        )
        restore(self.store, self._registry.add, self.limiter.restore, self.now())

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
        self.store.check_in_background(self._report_damage)
        self.spawn(every(min(1.0, self.config.ping_s), self._ping))
        self.spawn(every(30.0, self._housekeeping.save_contacts))
        self.spawn(every(5.0, self._front.end_revoked))
        self.spawn(every(1.0, self._follow_clock))
        self.spawn(every(3_600.0, self._housekeeping.prune))
        self.spawn(every(60.0, self._housekeeping.watch_size))
        self.spawn(every(10.0, self._watch_tags))

    def _report_damage(self, text: str) -> None:
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
        await self.store.release()
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

    @property
    def points(self) -> dict[str, Charger]:
        """Return the known chargers by id; not to be changed."""
        return self._registry.chargers

    def view(self, point: Charger) -> ChargerView:
        """As it stands; may be called from any thread."""
        with self._clock_lock:
            return view_of(point, self.now(), self.config.heartbeat_s)

    async def _take(self, connection: ThrottledConnection, station_id: str, version: str) -> None:
        """Serve one socket, from its handshake to its end. The newest one of a charge point
        counts."""
        if station_id not in self.points and self._registry.is_full:
            self.count(None, "too_many_charge_points", "raise max_charge_points, or forget some")
            return
        if self._is_draining:
            await connection.close(1013, "this node is drained; connect to another")
            return
        try:
            if await self.store.claim(station_id):
                await self._read_again(station_id)
        except StoreError as error:
            self.count(None, "not_claimed", f"{station_id}: {error}")
            await connection.close(1013, "try again later")
            return
        self.statuses.elsewhere.discard(station_id)
        point = self.points.get(station_id)
        if point is None:
            point = self._registry.add(station_id)
        link = Connection(
            connection, point, VERSIONS[version], self, self._link_limits, self.now, self.spawn
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
        if self.limiter.has_doubts(point):
            self.spawn(self._settle_doubts(point, link))
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
                self.store.disconnected()

    async def _read_again(self, station_id: str) -> None:
        """Another process had the charger: what it stored counts."""
        await self.lose([station_id], "replaced by a newer connection")
        restore(self.store, self._registry.add, self.limiter.restore, self.now(), station_id)

    async def lose(self, station_ids: Iterable[str], reason: str) -> None:
        """Drop chargers that are another process's now: their sockets are closed, and nothing of
        them is shown."""
        lost = [self.points[each] for each in station_ids if each in self.points]
        if not lost:
            return
        self.statuses.elsewhere.update(point.station_id for point in lost)
        self._registry.remove(*lost)
        for point in lost:
            self.touched.add(point.station_id)
            link, point.link = point.link, None
            if link is not None:
                self._set_up.disconnected(point)
                self.spawn(link.close(1012, reason))

    async def _drain(self) -> None:
        """Close every socket, spread over `drain_s`, so that other nodes take the chargers one
        after the other. No new one is accepted."""
        self._is_draining = True
        links = [point.link for point in self.points.values() if point.link is not None]
        _log.warning("this node is drained: %d sockets are closed", len(links))
        reason = "this node is drained; connect to another"
        for link in links:
            self.spawn(link.close(1012, reason))
            await asyncio.sleep(self.drain_s / len(links))
        # Those whose handshake was under way.
        for point in self.points.values():
            if point.link is not None:
                self.spawn(point.link.close(1012, reason))
        self.on_drained()

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
        look_up_quirks(point)
        self.save_point(point, boot=point.boot)
        # Whether it still has its plans is not known; the next write of one is sent.
        if point.learned.pop(PLANS, None):
            self.save_point(point, worked=point.learned)
        self._set_up.booted(point, link)
        await self.limiter.put_back(point)

    async def _settle_doubts(self, point: Charger, link: Connection) -> None:
        """Ask for limits that got no answer, once the charger goes on without a boot."""
        wait_s = _SETTLE_S
        while not link.closed and point.booted_on is not link and self.limiter.has_doubts(point):
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _MAX_SETTLE_S)
            if (point.last_seen_s or 0.0) > (point.connected_s or 0.0):
                await self.limiter.settle_doubts(point)

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

    # ---- idTags --------------------------------------------------------------------------

    async def _watch_tags(self) -> None:
        self.tags_changed()

    def _take_tags(self, tags: list[IdTag]) -> None:
        """Another process has changed the idTags."""
        self.tags.replace_stored(tags)
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

    async def clear_alarms(self, point: Charger) -> None:
        """Put the errors received until now away, for good."""
        point.learned[ALARMS_CLEARED] = self.now()
        await self.writable()
        self.store.save_point(point.station_id, worked=point.learned)
        await self.stored()

    # ---- events and regular work ---------------------------------------------------------

    async def _follow_clock(self) -> None:
        """Keep the age of everything after the machine's clock was set."""
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
        self._registry.remove(point)
        self.touched.add(point.station_id)
        link, point.link = point.link, None
        if link is not None:
            self._set_up.disconnected(point)
            await link.close(1000, "forgotten")
