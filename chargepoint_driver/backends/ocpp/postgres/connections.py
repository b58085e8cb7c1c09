"""Connections to PostgreSQL, whose errors are StoreError."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg

from chargepoint_driver.config.fleet import PostgresConfig
from chargepoint_driver.errors import ConfigurationError, StoreError

__all__ = ["Connections", "connect", "said"]

_MAX_CONNECTIONS = 8
_CONNECT_S = 3.0
_STATEMENT_S = 5.0
# Classes of SQLSTATE after which the same statement may succeed: connection, transaction rolled
# back, resources, operator, system; and a server that has become a standby.
_PASSING = ("08", "40", "53", "57", "58", "25006", "55P03")

_BROKEN = (OSError, asyncio.TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


def _is_unavailable(error: BaseException) -> bool:
    """Return True if PostgreSQL did not answer, or may take the same statement later."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_PASSING)
    if isinstance(error, ValueError):
        return False  # a value that cannot be sent
    return isinstance(error, _BROKEN)


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        if not _is_unavailable(error):
            raise
        raise StoreError(f"PostgreSQL cannot be reached ({said(error)})") from error
    except asyncpg.PostgresError as error:
        if not _is_unavailable(error):
            raise
        raise StoreError(f"PostgreSQL cannot be used now ({said(error)})") from error


class Connections:
    """A few connections that several tasks share; broken ones are replaced."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """`pool` is open; see `connect`."""
        self._pool = pool
        self._kept: asyncpg.pool.PoolConnectionProxy | None = None

    @asynccontextmanager
    async def get(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection. Raises StoreError where PostgreSQL cannot be reached."""
        with _own_errors():
            async with self._pool.acquire(timeout=_CONNECT_S) as db:
                yield db

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Run one statement, on a connection that is kept for what comes often. One at a time.
        Raises StoreError as `get`."""
        with _own_errors():
            if self._kept is None or _is_closed(self._kept):
                await self._drop_kept()
                self._kept = await self._pool.acquire(timeout=_CONNECT_S)
            try:
                rows: list[asyncpg.Record] = await self._kept.fetch(statement, *values)
                return rows
            except BaseException as error:
                # Where a statement was refused the connection is as good as before.
                if not isinstance(error, Exception) or _is_unavailable(error):
                    await self._drop_kept()
                raise

    async def _drop_kept(self) -> None:
        db, self._kept = self._kept, None
        if db is not None:
            with suppress(asyncpg.InterfaceError):  # the pool has noticed that it is closed
                db.terminate()
            await self._pool.release(db)

    async def close(self) -> None:
        """Close every connection; those that hang are cut off."""
        await self._drop_kept()
        try:
            await asyncio.wait_for(self._pool.close(), _CONNECT_S)
        except (*_BROKEN, asyncpg.PostgresError):
            self._pool.terminate()


async def connect(config: PostgresConfig, most: int = _MAX_CONNECTIONS) -> Connections:
    """Open at most `most` connections. Raises StoreError where PostgreSQL cannot be reached;
    ConfigurationError where it refuses. The messages never have the password."""
    try:
        pool = await asyncpg.create_pool(
            config.dsn,
            password=config.read_password(),
            # Opened when they are needed: the pool would log a traceback for each failure.
            min_size=0,
            max_size=most,
            timeout=_CONNECT_S,
            command_timeout=_STATEMENT_S,
            target_session_attrs="read-write",
            # What is acknowledged must survive a loss of power, whatever the server's default is.
            init=_be_durable,
            # The default would undo that, and take a round trip each time. Nothing else is set.
            reset=_keep,
            server_settings={"application_name": "chargepoint-driver"},
        )
    except (ValueError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(f"postgres: {said(error)}") from None
    connections = Connections(pool)
    try:
        async with connections.get() as db:
            await db.execute("SELECT 1")
    except (asyncpg.PostgresError, ValueError) as error:
        await connections.close()
        raise ConfigurationError(f"postgres: it refuses ({said(error)})") from None
    except BaseException:
        await connections.close()
        raise
    return connections


def _is_closed(db: asyncpg.pool.PoolConnectionProxy) -> bool:
    try:
        return bool(db.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back
        return True


async def _be_durable(db: asyncpg.Connection) -> None:
    if await db.fetchval("SHOW synchronous_commit") == "off":
        await db.execute("SET synchronous_commit = on")


async def _keep(db: asyncpg.Connection) -> None:
    """Leave a connection as it is: no user of one sets anything that lasts."""


def said(error: BaseException) -> str:
    """Return the first line of an error: the others may have values of a row."""
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
