"""The stream of one account: relay, cursors and sinks on a thread of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    StoreError,
    TransientError,
)
from chargepoint_driver.events.cursors import Cursors
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.outlet import Alert, Outlet, SinkState, limits_of
from chargepoint_driver.events.relay import Relay
from chargepoint_driver.events.sinks import make_sink
from chargepoint_driver.events.stored_events import StoredEvents
from chargepoint_driver.process.loop_thread import NativeLoop
from chargepoint_driver.text import get_logger

__all__ = ["EventStream", "MakeSharedRelay", "SharedRelay", "cursors_file"]

_log = get_logger(__name__)
_START_S = 30.0
_STOP_S = 20.0


def cursors_file(events: Path) -> Path:
    """Return where the cursors of a file of events are kept."""
    return events.with_name(f"{events.name}-sinks")


class SharedRelay(Protocol):
    """Relay of events that several processes share, to the same sinks."""

    def waiting(self, sink: str) -> tuple[int, float, int]:
        """Return of a sink how many events wait, for how many seconds the oldest does, and how
        many were lost. From any thread."""

    async def run(self) -> None:
        """Hand events over until this is cancelled."""


MakeSharedRelay = Callable[[Sequence[Outlet]], Awaitable[SharedRelay]]
"""Makes one, on the stream's loop. Raises ConfigurationError, TransientError."""


class EventStream:
    """Hands the events of one file over to sinks. Thread-safe; `start` first, `stop` at the end.

    It has a loop of its own, so that no sink can stop the chargers' one.
    """

    def __init__(
        self,
        path: Path,
        account: str,
        sinks: Mapping[str, Any],
        feed: StatusFeed | None = None,
        *,
        alert: Alert | None = None,
        now: Callable[[], float] = time.time,
        begin: int | None = None,
        shared: MakeSharedRelay | None = None,
        writer: str = "",
    ) -> None:
        """`path` is the SQLite file of the events, `sinks` name to a config of `config.sinks`.
        `begin`: the id after which a new sink begins; None: the newest one at the start. `shared`
        makes the relay of what is not only in this file; then the file is one of a node. `writer`:
        see `make_sink`.

        Raises ConfigurationError where the client of a sink is not installed.
        """
        self._path = path
        self._account = account
        self._sinks = {
            name: (config.type, make_sink(name, account, config, writer), limits_of(config))
            for name, config in sinks.items()
        }
        self._feed = feed
        self._alert = alert
        self._now = now
        self._first = begin
        self._make_shared = shared
        self._shared: SharedRelay | None = None
        self._loop = NativeLoop(f"events of {account}")
        self._relay: Relay | None = None
        self._task: Any = None

    def start(self) -> None:
        self._loop.start()
        try:
            self._loop.run(self._begin, _START_S)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End; what was not delivered waits in the file. Safe to call more than once."""
        try:
            self._loop.run(self._end, _STOP_S)
        except ChargePointError:
            pass  # it is not running
        finally:
            self._loop.stop()

    def states(self) -> list[SinkState]:
        """Return how each sink stands. From any thread."""
        relay, shared = self._relay, self._shared
        states = [] if relay is None else relay.states()
        return states if shared is None else [_with_shared(each, shared) for each in states]

    async def _begin(self) -> None:
        source = StoredEvents(self._path, self._account, is_of_node=self._make_shared is not None)
        try:
            cursors = Cursors(cursors_file(self._path))
        except BaseException:
            source.close()
            raise
        relay = Relay(source, cursors, self._sinks, self._feed, now=self._now, alert=self._alert)
        try:
            relay.prepare(self._first)
        except (StoreError, ChargePointError) as error:
            cursors.close()
            source.close()
            raise ConfigurationError(f"sinks: {cursors.path} cannot be used ({error})") from None
        relays: list[Relay | SharedRelay] = [relay]
        if self._make_shared is not None:
            try:
                self._shared = await self._make_shared(relay.outlets)
            except BaseException:
                cursors.close()
                source.close()
                raise
            relays.insert(0, self._shared)
        self._relay = relay

        async def work() -> None:
            tasks = [asyncio.ensure_future(each.run()) for each in relays]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
            except Exception:  # noqa: BLE001 - logged; the chargers go on
                _log.exception("the event stream has ended; events wait in %s", self._path)
            finally:
                for each in tasks:
                    each.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                cursors.close()
                source.close()

        self._task = asyncio.ensure_future(work())

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is None:
            raise TransientError("the event stream is not running")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _with_shared(state: SinkState, shared: SharedRelay) -> SinkState:
    waiting, lag_s, lost = shared.waiting(state.name)
    return replace(
        state,
        waiting=state.waiting + waiting,
        lag_s=max(state.lag_s, lag_s),
        lost=state.lost + lost,
    )
