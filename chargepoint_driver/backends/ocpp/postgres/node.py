"""A node: a central system whose records are in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.operations.charger_access import ChargerAccess
from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.backends.ocpp.postgres.event_outbox import EventOutbox
from chargepoint_driver.backends.ocpp.postgres.event_retention import EventRetention
from chargepoint_driver.backends.ocpp.postgres.fleet_chargers import FleetChargers
from chargepoint_driver.backends.ocpp.postgres.fleet_events import FleetEvents
from chargepoint_driver.backends.ocpp.postgres.fleet_relay import FleetRelay
from chargepoint_driver.backends.ocpp.postgres.fleet_views import FleetViews
from chargepoint_driver.backends.ocpp.postgres.health import HealthServer
from chargepoint_driver.backends.ocpp.postgres.leases import Leases
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.ownership import Ownership, RunningNode
from chargepoint_driver.backends.ocpp.postgres.queries import PostgresQueries
from chargepoint_driver.backends.ocpp.postgres.schema import check_version
from chargepoint_driver.backends.ocpp.postgres.store import PostgresStore
from chargepoint_driver.backends.ocpp.status import ChargerView
from chargepoint_driver.backends.ocpp.storage.interfaces import Stores
from chargepoint_driver.config.fleet import NodeConfig
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import (
    ChargePointError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
)
from chargepoint_driver.events.outlet import Outlet
from chargepoint_driver.events.stream import MakeSharedRelay
from chargepoint_driver.messaging.interface import Messaging
from chargepoint_driver.messaging.nats import NatsMessaging

__all__ = ["Node"]

# Two nodes may be asked one after the other, and PostgreSQL.
_READ_S = 30.0
_DAY_S = 86_400.0
# Besides one for each sink.
_RELAY_CONNECTIONS = 3


class Node(CentralSystem):
    """See the module. `start` and `stop` are those of every central system.

    `on_end` is called with a reason, on the loop's thread, when the node shall end: it was drained
    (the reason is None), or another process runs under its name, or the tables are too new for it,
    and it sends nothing any more."""

    def __init__(
        self,
        config: NodeConfig,
        now: Callable[[], float] = time.time,
        on_end: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        super().__init__(config.central_system, now, open_stores=self._open)
        self._node = config
        self._writer = config.node
        self._on_end = on_end
        self._membership: Membership | None = None
        self._ownership: Ownership | None = None
        self._messaging: NatsMessaging | None = None
        self._fleet: FleetChargers | None = None
        self._events: FleetEvents | None = None
        self._views: FleetViews | None = None
        self._health: HealthServer | None = None
        self._retention: EventRetention | None = None

    @property
    def config_of_node(self) -> NodeConfig:
        """Return the config of this node."""
        return self._node

    @property
    def membership(self) -> Membership:
        """Return the membership of the node that runs. Raises TransientError."""
        if self._membership is None:
            raise TransientError("the node is not running")
        return self._membership

    @property
    def messaging(self) -> Messaging | None:
        """Return what reaches other nodes; None without `nats`."""
        return self._messaging

    async def fleet_name(self) -> str:
        """Return what tells this fleet from others on the same NATS. Raises TransientError."""
        if self._ownership is None:
            raise TransientError("the node is not running")
        try:
            return await self._ownership.fleet()
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None

    def run_on_loop(self, make: Callable[[], Coroutine[Any, Any, Any]], limit_s: float) -> Any:
        """Run a coroutine on the node's loop; see `NativeLoop.run`."""
        return self._loop.run(make, limit_s)

    @property
    def health_url(self) -> str | None:
        """Return the URL of the node's health; None where it is off."""
        return None if self._health is None else self._health.url

    async def _open(self, central: OcppConfig, wall: Callable[[], float]) -> Stores:
        config = self._node
        try:
            connections = await connect(config.postgres)
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        store = None
        try:
            async with connections.get() as db:
                await check_version(db)
            membership = self._membership = Membership(connections, config.node, config.lease_s)
            self._ownership = Ownership(connections)
            store = PostgresStore(central.database, connections, membership, wall)
            store.on_end = self._on_end
            await membership.register(central.listen)
            outbox = EventOutbox(connections)
            account = central.stream_name or self.name
            store.begin_events(
                await outbox.begin_run(store.event_run, config.node, membership.run, account)
            )
            await outbox.add_sinks(central.sinks)
            await store.open()
            keep = central.retention
            keep_s = None if keep.events_days is None else keep.events_days * _DAY_S
            self._retention = EventRetention(connections, keep_s, keep.max_bytes, wall)
        except BaseException as error:
            if store is not None:
                store.close()
            await connections.close()
            if isinstance(error, StoreError):
                raise TransientError(f"postgres: {error}") from None
            raise
        loop = asyncio.get_running_loop()
        return Stores(store, PostgresQueries(connections, loop, central.database))

    async def _begin(self, make_control: Any) -> None:
        if self._node.nats is not None:
            self._messaging = NatsMessaging(self._node.nats, f"node {self._node.node}")
        await super()._begin(make_control)
        csms = self._running
        if self._messaging is not None and self._fleet is not None:
            await self._messaging.open()
            await self._serve()
        if self._retention is not None:
            csms.spawn(self._retention.run())
        csms.drain_s = self._node.drain_s
        csms.on_drained = lambda: self._on_end(None)
        if self._node.health is not None:
            self._health = HealthServer(self._node.health, self._refusal)
            await self._health.start()

    def _shared_relay(self) -> MakeSharedRelay:
        return self._make_relay

    async def _make_relay(self, outlets: Sequence[Outlet]) -> FleetRelay:
        """Return the relay of the events in PostgreSQL, on the loop of the sinks."""
        config, membership = self._node, self._membership
        assert membership is not None
        try:
            connections = await connect(config.postgres, _RELAY_CONNECTIONS + len(outlets))
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        return FleetRelay(
            connections,
            Leases(connections, f"{config.node}:{membership.run}", config.lease_s),
            outlets,
            self.stream_name,
            config.lease_s / 5,
            now=self._now,
            alert=self._raise,
        )

    def _access_of(self, csms: Csms) -> ChargerAccess:
        membership, ownership, store = self._membership, self._ownership, csms.store
        assert membership is not None
        assert ownership is not None
        assert isinstance(store, PostgresStore)
        stored = store.stored_chargers(self.config, csms.limiter.restore)
        if self._messaging is None:
            self._views = FleetViews(csms, membership, ownership, stored, None)
            return super()._access_of(csms)
        own = RunningNode(self._node.node, membership.run)
        self._events = FleetEvents(csms, own, ownership, self._messaging)
        self._fleet = FleetChargers(
            csms, membership, ownership, self._messaging, self._events, stored
        )
        self._views = self._fleet.views
        return self._fleet

    # ---- chargers of all nodes -----------------------------------------------------------

    def known(self) -> list[str]:
        """Return the ids of the chargers of all nodes, connected or not. Raises TransientError."""
        found: list[str] = self._read(lambda views: views.known())
        return found

    def views(self, station_ids: Iterable[str]) -> dict[str, ChargerView | ChargePointError]:
        """Return id to charge point, of any node, or to why it cannot be read now; those that
        never connected are missing."""
        wanted = list(station_ids)
        if all(name in self._running.points for name in wanted):
            return super().views(wanted)
        found: dict[str, ChargerView | ChargePointError]
        found = self._read(lambda views: views.read(wanted))
        return found

    def charge_point(self, station_id: str) -> ChargerView:
        """One charge point of any node. Raises NotFoundError, TransientError."""
        if station_id in self._running.points:
            return super().charge_point(station_id)
        view: ChargerView = self._read(lambda views: views.one(station_id))
        return view

    def live_status(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """The latest status of the charge points of all nodes (without NATS: of this node), or of
        one; see `events.live_status`. Raises NotFoundError, TransientError."""
        fleet = self._fleet
        if fleet is None or station_id in self._running.points:
            return super().live_status(station_id)
        if station_id is None:
            found: list[dict[str, Any]] = self._wait(fleet.live_status)
            return found
        return [self._wait(lambda: fleet.ask(station_id, "live_status", {}))]

    def _read(self, ask: Callable[[FleetViews], Coroutine[Any, Any, Any]]) -> Any:
        views = self._views
        if views is None:
            raise TransientError("the node is not running")
        return self._wait(lambda: ask(views))

    def _wait(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return self._loop.run(ask, _READ_S)
        except OutcomeUnknownError as error:
            raise TransientError(f"chargers of other nodes: {error}") from None

    async def _serve(self) -> None:
        assert self._fleet is not None
        assert self._events is not None
        try:
            await self._fleet.serve()
            await self._events.start()
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None

    def _refusal(self) -> str | None:
        """Return why a charger should connect to another node; None where it may come."""
        membership = self._membership
        assert membership is not None
        return "draining" if membership.is_draining else membership.refusal()

    async def _end(self) -> None:
        if self._health is not None:
            await self._health.stop()
        if self._fleet is not None:
            await self._fleet.end()
        if self._events is not None:
            await self._events.end()
        self._views = None
        try:
            await super()._end()
        finally:
            # Requests that were out have answers now.
            if self._messaging is not None:
                await self._messaging.close()
