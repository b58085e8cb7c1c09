"""News of accounts over all nodes: the holder of an account tells them, every node has them.

A notice may be lost. Each has a number within the holder's epoch, and the holder repeats its
latest number when there is nothing new. A node that misses one, or hears of another holder, notes
a loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.fleet.change_log import ChangeLog
from chargepoint_driver.fleet.interface import NodeAccounts
from chargepoint_driver.messaging.interface import Messaging
from chargepoint_driver.text import get_logger

__all__ = ["News"]

_log = get_logger(__name__)

_GATHER_S = 0.1
_REPEAT_S = 2.0
# A notice stays below what a server of NATS carries (1 MiB).
_MAX_STATIONS = 2_000


class _Notice(msgspec.Struct):
    """Stations with news of an account. `number` counts the notices of the holder's epoch."""

    run: int
    account: str
    epoch: int
    number: int
    stations: list[str]


class News:
    """See the module. On one loop; `start` first."""

    def __init__(
        self,
        accounts: NodeAccounts,
        messaging: Messaging | None,
        run: int,
        repeat_s: float = _REPEAT_S,
    ) -> None:
        """Without `messaging` the node knows only news of accounts that it holds."""
        self._accounts = accounts
        self._messaging = messaging
        self._run = run
        self._repeat_s = repeat_s
        self._subject = ""
        self._logs = {name: ChangeLog() for name in accounts.backends}
        # Account to its stations with news, until they are published.
        self._fresh: dict[str, dict[str, None]] = {}
        # Account that this node holds to (epoch, number of its latest notice).
        self._published: dict[str, tuple[int, int]] = {}
        # Account to (epoch of its holder, number of its latest notice).
        self._heard: dict[str, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ends: list[Callable[[], Awaitable[None]]] = []
        self._unfollow: Callable[[], None] = lambda: None

    def log_of(self, account: str) -> ChangeLog | None:
        """Return the news of an account; None where the node does not know it."""
        return self._logs.get(account)

    async def start(self, fleet: str) -> None:
        """Tell and take news from now on. `fleet` is which fleet it is."""
        self._loop = asyncio.get_running_loop()
        self._subject = f"cp.changed.{fleet}"
        if self._messaging is not None:
            self._ends.append(await self._messaging.serve(self._subject, self._hear))
        self._unfollow = self._accounts.follow(self._changed)
        self._task = asyncio.create_task(self._tell())

    async def end(self) -> None:
        """Tell nothing any more."""
        self._unfollow()
        ends, self._ends = self._ends, []
        for each in ends:
            await each()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # ---- of this node ----------------------------------------------------------------------

    def _changed(self, account: str, stations: list[str]) -> None:
        """Take news of an account that this node holds. On any thread."""
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._add, account, stations)

    def _add(self, account: str, stations: Iterable[str]) -> None:
        if account in self._logs:
            self._fresh.setdefault(account, {}).update(dict.fromkeys(stations))
            self._wake.set()

    async def _tell(self) -> None:
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._repeat_s)
                # What comes at the same time is published together.
                await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            fresh, self._fresh = self._fresh, {}
            for account, stations in fresh.items():
                self._logs[account].add(stations)
            for account in self._logs:
                try:
                    await self._publish(account, list(fresh.get(account, ())))
                except Exception:  # noqa: BLE001 - logged; the next news are published
                    _log.exception("news of %s could not be published", account)

    async def _publish(self, account: str, stations: list[str]) -> None:
        """Tell the other nodes, where this one holds the account."""
        try:
            holder = await self._accounts.holder(account)
        except StoreError:
            return
        if holder is None or holder.run != self._run:
            self._published.pop(account, None)
            return
        epoch, number = self._published.get(account, (0, 0))
        if epoch != holder.epoch:
            number = 0
            self._logs[account].add_loss()
        for first in range(0, max(1, len(stations)), _MAX_STATIONS):
            part = stations[first : first + _MAX_STATIONS]
            number += bool(part)
            self._published[account] = holder.epoch, number
            if self._messaging is None:
                continue
            notice = _Notice(self._run, account, holder.epoch, number, part)
            # One that is not sent is missed by its number.
            with suppress(TransientError):
                await self._messaging.publish(self._subject, msgspec.to_builtins(notice))

    # ---- of other nodes --------------------------------------------------------------------

    async def _hear(self, fields: dict[str, Any]) -> None:
        try:
            notice = msgspec.convert(fields, _Notice)
        except msgspec.ValidationError as error:
            _log.warning("a notice of a node cannot be read: %s; use one release", error)
            return
        log = self._logs.get(notice.account)
        if log is None or notice.run == self._run:
            return
        epoch, number = self._heard.get(notice.account, (0, 0))
        expected = number + bool(notice.stations)
        if notice.epoch < epoch or (notice.epoch == epoch and notice.number < expected):
            return
        self._heard[notice.account] = notice.epoch, notice.number
        if notice.epoch > epoch or notice.number > expected:
            log.add_loss()
        elif notice.stations:
            log.add(notice.stations)
