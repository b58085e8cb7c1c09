"""The stream of one account: relay, cursors and sinks on a thread of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    StoreError,
    TransientError,
)
from chargepoint_driver.events.cursors import Cursors
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.relay import Alert, Relay, SinkState, limits_of
from chargepoint_driver.events.sinks import make_sink
from chargepoint_driver.events.stored_events import StoredEvents
from chargepoint_driver.process.loop_thread import NativeLoop
from chargepoint_driver.text import get_logger

__all__ = ["EventStream", "cursors_file"]

_log = get_logger(__name__)
_START_S = 30.0
_STOP_S = 20.0


def cursors_file(events: Path) -> Path:
    """Return where the cursors of a file of events are kept."""
    return events.with_name(f"{events.name}-sinks")


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
    ) -> None:
        """`path` is the SQLite file of the events, `sinks` name to a config of `config.sinks`.
        `begin`: the id after which a new sink begins; None: the newest one at the start.

        Raises ConfigurationError where the client of a sink is not installed.
        """
        self._path = path
        self._account = account
        self._sinks = {
            name: (config.type, make_sink(name, account, config), limits_of(config))
            for name, config in sinks.items()
        }
        self._feed = feed
        self._alert = alert
        self._now = now
        self._first = begin
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
        relay = self._relay
        return [] if relay is None else relay.states()

    async def _begin(self) -> None:

        source = StoredEvents(self._path, self._account)
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
        self._relay = relay

        async def work() -> None:
            try:
                await relay.run()
            except Exception:  # noqa: BLE001 - logged; the chargers go on
                _log.exception("the event stream has ended; events wait in %s", self._path)
            finally:
                cursors.close()
                source.close()

        self._task = asyncio.ensure_future(work())

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is None:
            raise TransientError("the event stream is not running")
        task.cancel()

        await asyncio.gather(task, return_exceptions=True)
