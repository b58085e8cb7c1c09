"""An account that this node holds: its service, and requests to it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from chargepoint_driver.config import AgentAccountConfig
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.fleet.interface import METHODS, NotHolderError
from chargepoint_driver.fleet.worker_threads import on_thread
from chargepoint_driver.service import READ_TIMEOUTS, Accounts, Service
from chargepoint_driver.text import get_logger

__all__ = ["HeldAccount"]

_log = get_logger(__name__)

_READERS = 64
_WRITERS = 32
_MARGIN_S = 5.0
_MOST_WRITES = 10_000


class HeldAccount:
    """See the module. On the loop."""

    def __init__(self, name: str, account: AgentAccountConfig, service: Service) -> None:
        self.service = service
        self._name = name
        self._accounts = Accounts.of_one(name, account, service)
        self._timeout_s = account.timeout
        # Writes do not wait behind reads.
        self._reads = asyncio.Semaphore(_READERS)
        self._writes = asyncio.Semaphore(_WRITERS)
        self._running: set[asyncio.Future[Any]] = set()
        self._is_closed = False

    async def request(self, method: str, arguments: dict[str, Any]) -> Any:
        """See `NodeAccounts.request`."""
        kind = METHODS.get(method)
        if kind is None:
            raise NotFoundError(f"no method {method[:64]!r}; write one of {', '.join(METHODS)}")
        work = self._bound(method, arguments)
        limit_s = max(kind.limit_s, READ_TIMEOUTS * self._timeout_s + _MARGIN_S)
        turns = self._reads if kind.is_read else self._writes
        try:
            await asyncio.wait_for(turns.acquire(), limit_s)
        except asyncio.TimeoutError:
            raise TransientError(
                f"{self._name}.{method}: too many requests at once; nothing was begun; ask again"
            ) from None
        if self._is_closed:
            turns.release()
            raise NotHolderError()
        running = asyncio.ensure_future(on_thread(work, f"{self._name}.{method}"))
        self._running.add(running)

        def end(done: asyncio.Future[Any]) -> None:
            turns.release()
            self._running.discard(done)
            if not done.cancelled():
                done.exception()  # no complaint where nobody waits any more

        running.add_done_callback(end)
        try:
            return await asyncio.wait_for(asyncio.shield(running), limit_s)
        except asyncio.TimeoutError:
            what = f"{self._name}.{method}: no answer within {limit_s:g} s"
            if kind.is_read:
                raise TransientError(f"{what}; ask again") from None
            raise OutcomeUnknownError(f"{what}; read back before writing again") from None

    def _bound(self, method: str, arguments: dict[str, Any]) -> Callable[[], Any]:
        call = self._method(method)
        if "account" in arguments:
            raise InvalidValueError(f"{method}: account: it is named already; remove it")
        try:
            inspect.signature(call).bind(**arguments)
        except TypeError as error:
            raise InvalidValueError(f"{method}: {error}") from None
        return partial(call, **arguments)

    def _method(self, method: str) -> Callable[..., Any]:
        if method == "writes":
            return self._newest_writes
        if method == "stats":
            return self.service.stats
        if method == "health":
            return self._health
        return partial(getattr(self._accounts, method), account=self._name)

    def _newest_writes(self, most: int = 100) -> list[dict[str, Any]]:
        if isinstance(most, bool) or not isinstance(most, int) or not 0 < most <= _MOST_WRITES:
            raise InvalidValueError(f"most: must be a whole number from 1 to {_MOST_WRITES}")
        return self.service.control.writers.newest(most)

    def _health(self) -> dict[str, Any]:
        wrong: dict[str, Any] = self._accounts.health()["accounts"][self._name]
        return wrong

    async def close(self, patience_s: float) -> None:
        """End the service. Requests that run get `patience_s` to end."""
        self._is_closed = True
        if self._running and patience_s:
            await asyncio.wait(list(self._running), timeout=patience_s)
        try:
            await on_thread(self.service.close, f"{self._name}.close")
        except Exception:  # noqa: BLE001 - logged
            _log.exception("%s: its service could not be closed", self._name)
