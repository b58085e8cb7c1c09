"""A node: a central system whose records are in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.operations.charger_access import ChargerAccess
from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.backends.ocpp.postgres.fleet_chargers import FleetChargers
from chargepoint_driver.backends.ocpp.postgres.fleet_events import FleetEvents
from chargepoint_driver.backends.ocpp.postgres.health import HealthServer
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.ownership import Ownership, RunningNode
from chargepoint_driver.backends.ocpp.postgres.queries import PostgresQueries
from chargepoint_driver.backends.ocpp.postgres.schema import check_version
from chargepoint_driver.backends.ocpp.postgres.store import PostgresStore
from chargepoint_driver.backends.ocpp.storage.interfaces import Stores
from chargepoint_driver.config.fleet import NodeConfig
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.messaging.nats import NatsMessaging

__all__ = ["Node"]


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
        self._on_end = on_end
        self._membership: Membership | None = None
        self._ownership: Ownership | None = None
        self._messaging: NatsMessaging | None = None
        self._fleet: FleetChargers | None = None
        self._events: FleetEvents | None = None
        self._health: HealthServer | None = None

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
            await store.open()
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
        csms.drain_s = self._node.drain_s
        csms.on_drained = lambda: self._on_end(None)
        if self._node.health is not None:
            self._health = HealthServer(self._node.health, self._refusal)
            await self._health.start()

    def _access_of(self, csms: Csms) -> ChargerAccess:
        if self._messaging is None:
            return super()._access_of(csms)
        membership, ownership = self._membership, self._ownership
        assert membership is not None
        assert ownership is not None
        own = RunningNode(self._node.node, membership.run)
        self._events = FleetEvents(csms, own, ownership, self._messaging)
        self._fleet = FleetChargers(csms, membership, ownership, self._messaging, self._events)
        return self._fleet

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
        try:
            await super()._end()
        finally:
            # Requests that were out have answers now.
            if self._messaging is not None:
                await self._messaging.close()
