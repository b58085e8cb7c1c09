"""Transactions of the holder of a lease: committed only while nobody else has taken it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from chargepoint_driver.backends.ocpp.postgres.connections import Connections, said
from chargepoint_driver.backends.ocpp.postgres.leases import FENCE
from chargepoint_driver.errors import FencedError, StoreError

__all__ = ["fenced", "transaction"]

# A holder that is stopped in the middle of a transaction must not keep the lease locked.
_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', '2s', true)"


@asynccontextmanager
async def transaction(connections: Connections) -> AsyncIterator[asyncpg.Connection]:
    """Open a transaction, for statements alone. Raises StoreError, also for values that PostgreSQL
    does not take."""
    try:
        async with connections.get() as db, db.transaction():
            yield db
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise StoreError(f"PostgreSQL refuses it ({said(error)})") from error


@asynccontextmanager
async def fenced(
    connections: Connections, name: str, holder: str, epoch: int
) -> AsyncIterator[asyncpg.Connection]:
    """Open a transaction of the holder of a lease. Raises FencedError where another one has taken
    it, StoreError where PostgreSQL cannot be used; nothing is written then."""
    async with transaction(connections) as db:
        await db.execute(_IDLE)
        if await db.fetchval(FENCE, name, holder, epoch) is None:
            raise FencedError(f"{name}: another node has it now")
        yield db
