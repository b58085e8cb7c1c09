"""A node: a central system whose records are in PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.queries import PostgresQueries
from chargepoint_driver.backends.ocpp.postgres.schema import check_version
from chargepoint_driver.backends.ocpp.postgres.store import PostgresStore
from chargepoint_driver.backends.ocpp.storage.interfaces import Stores
from chargepoint_driver.config.fleet import NodeConfig
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import StoreError, TransientError

__all__ = ["node_of"]


def node_of(
    config: NodeConfig,
    now: Callable[[], float] = time.time,
    on_replaced: Callable[[], None] = lambda: None,
) -> CentralSystem:
    """Return the central system of a node; `start` and `stop` are its own.

    `on_replaced` is called, on the loop's thread, when another process runs under the node's name:
    this one sends nothing any more."""

    async def open_stores(central: OcppConfig, wall: Callable[[], float]) -> Stores:
        try:
            connections = await connect(config.postgres)
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        store = None
        try:
            async with connections.get() as db:
                await check_version(db)
            membership = Membership(connections, config.node, config.lease_s)
            store = PostgresStore(central.database, connections, membership, wall)
            store.on_replaced = on_replaced
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

    return CentralSystem(config.central_system, now, open_stores=open_stores)
