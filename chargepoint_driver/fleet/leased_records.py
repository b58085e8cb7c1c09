"""Records of an account in PostgreSQL, for the threads of the service that holds it.

The node's loop has the connections; a thread waits for it, with a limit. What is written is fenced
by the lease of the account.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.fenced import fenced
from chargepoint_driver.backends.ocpp.postgres.leases import Leases
from chargepoint_driver.errors import FencedError, StoreError, TransientError

__all__ = ["LeasedRecords"]

_T = TypeVar("_T")
_LIMIT_S = 4.0


class LeasedRecords:
    """See the module. `account` is what the account is known by in the tables. May be used from
    every thread but the loop's."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connections: Connections, leases: Leases, lease: str
    ) -> None:
        """`lease` is a name that `leases` holds now; its epoch counts from now on."""
        self._loop = loop
        self._connections = connections
        self._leases = leases
        self._lease = lease
        self._epoch = leases.epoch(lease) or 0
        self._is_lost = False
        self._tasks: set[asyncio.Future[None]] = set()

    def refusal(self) -> str | None:
        """Return why nothing may be sent now; None where it may."""
        if self._is_lost or self._leases.epoch(self._lease) != self._epoch:
            return "this node does not hold the account any more"
        return None

    def check(self) -> None:
        """Raises TransientError where nothing may be sent now."""
        refusal = self.refusal()
        if refusal is not None:
            raise TransientError(f"{refusal}; nothing was sent; ask again")

    def lose(self) -> None:
        """Send nothing any more."""
        self._is_lost = True

    def run(self, work: Callable[[Any], Awaitable[_T]], limit_s: float = _LIMIT_S) -> _T:
        """Do something with a connection, in one fenced transaction. Raises FencedError where
        another node has the account, StoreError where that cannot be done in time."""
        made = self._fenced(work)
        try:
            future = asyncio.run_coroutine_threadsafe(made, self._loop)
        except RuntimeError:
            made.close()
            raise StoreError("this node has stopped") from None
        try:
            return future.result(limit_s)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            future.cancel()
            raise StoreError(f"PostgreSQL has not answered within {limit_s:g} s") from None

    async def _fenced(self, work: Callable[[Any], Awaitable[_T]]) -> _T:
        if self._is_lost:
            raise FencedError(f"{self._lease}: this node has given it up")
        return await self.run_on_loop(work)

    async def run_on_loop(self, work: Callable[[Any], Awaitable[_T]]) -> _T:
        """As `run`, on the loop."""
        try:
            async with fenced(
                self._connections, self._lease, self._leases.holder, self._epoch
            ) as db:
                return await work(db)
        except FencedError:
            self.lose()
            raise

    def soon(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin something on the loop, and wait for nothing. Does nothing once the loop has
        ended."""

        def begin() -> None:
            task = asyncio.ensure_future(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:
            return
