"""One sink as relays reach it: opened when something is to be sent, and again after a failure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.errors import ChargePointError, StoreError
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.events.sinks.base import Sink, SinkError, Status
from chargepoint_driver.text import get_logger

__all__ = ["Alarm", "Alert", "Limits", "Outlet", "Pause", "SinkState", "limits_of"]

_log = get_logger(__name__)

PUT_LIMIT_S = 30.0
_MIN_PAUSE_S = 0.5
_MAX_PAUSE_S = 15.0
# Alert at half of a limit, and again only after it was below this part of it.
_ALERT_AT = 0.5
_CALM_AT = 0.4

Alert = Callable[[str, str], None]
"""Called with what an alert is about and what happened."""


@dataclass(frozen=True)
class Limits:
    """Limits of the events that wait for a sink: events, and seconds that the oldest may be old."""

    events: int
    age_s: float


def limits_of(config: Any) -> Limits:
    """Return the limits of a sink's config."""
    return Limits(config.max_waiting_events, config.max_waiting_hours * 3600)


@dataclass(frozen=True)
class SinkState:
    """State of a sink.

    `waiting`: ids behind the newest stored event (gaps count, so it is an upper bound). `lag_s`:
    age in seconds of the oldest event that it has not got; 0 when it has all. `delivered` and
    `retries` count since the start, `lost` over all runs. `error`: why it gets nothing at
    present; None when it does.
    """

    name: str
    type: str
    waiting: int = 0
    lag_s: float = 0.0
    delivered: int = 0
    retries: int = 0
    lost: int = 0
    error: str | None = None


class Outlet:
    """See the module. On the relays' loop; what it counts may be read from any thread."""

    def __init__(self, name: str, kind: str, sink: Sink, limits: Limits) -> None:
        self.name = name
        self.kind = kind
        self.sink = sink
        self.limits = limits
        self.delivered = 0
        self.retries = 0
        self.error: str | None = None
        self.is_open = False
        self.on_open: Callable[[], None] = lambda: None
        """Called each time the sink has been opened."""
        self._lock = asyncio.Lock()  # opening and closing
        self._turn = asyncio.Lock()  # one batch of events at a time

    async def open(self) -> None:
        """Open the sink unless it is. Raises what the sink raises, asyncio.TimeoutError."""
        async with self._lock:
            if not self.is_open:
                await asyncio.wait_for(self.sink.open(), PUT_LIMIT_S)
                self.is_open = True
                if self.error is not None:
                    _log.warning("sinks.%s: takes events again", self.name)
                self.on_open()

    async def put(self, events: Sequence[Event]) -> None:
        """Hand events over; returns when the sink has confirmed all. Raises as `open`."""
        async with self._turn:
            await self.open()  # again, where something else has failed meanwhile
            await asyncio.wait_for(self.sink.put(events), PUT_LIMIT_S)

    def delivered_more(self, count: int) -> None:
        """Note that a cursor has moved over events that were put."""
        self.delivered += count
        self.error = None

    async def put_status(
        self, statuses: Sequence[Status], account: str, gone: Sequence[str]
    ) -> None:
        """Hand over the latest status of charge points, and forget those that are gone. Raises as
        `open`."""
        await asyncio.wait_for(self.sink.put_status(statuses), PUT_LIMIT_S)
        if gone:
            await asyncio.wait_for(self.sink.forget_status(account, gone), PUT_LIMIT_S)

    async def failed(self, error: Exception) -> None:
        """Close the sink after a failure, and log the first one."""
        async with self._lock:
            self.is_open = False
            await self.sink.close()
        text = str(error) or type(error).__name__
        if isinstance(error, asyncio.TimeoutError):
            text = f"no answer within {PUT_LIMIT_S:g} s"
        if self.error is None:
            known = (SinkError, OSError, ChargePointError, asyncio.TimeoutError, StoreError)
            _log.warning(
                "sinks.%s: takes no events (%s); they wait, and others go on",
                self.name,
                text,
                exc_info=None if isinstance(error, known) else error,
            )
        self.error = text
        self.retries += 1


class Pause:
    """Pauses after failures: each is twice as long as the one before, up to a limit."""

    def __init__(self) -> None:
        self._next_s = _MIN_PAUSE_S

    @property
    def is_longest(self) -> bool:
        """Return True if the pauses do not get longer any more."""
        return self._next_s >= _MAX_PAUSE_S

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._next_s = _MIN_PAUSE_S

    async def wait(self) -> None:
        """Wait for the next one."""
        wait_s = self._next_s * random.uniform(0.75, 1.25)  # noqa: S311
        self._next_s = min(2 * self._next_s, _MAX_PAUSE_S)
        await asyncio.sleep(wait_s)


class Alarm:
    """Alerts about what waits for a sink."""

    def __init__(self, outlet: Outlet, alert: Alert | None) -> None:
        """`alert` is the host's."""
        self._outlet = outlet
        self._alert_host = alert
        self._is_raised = False

    def watch(self, waiting: int, lag_s: float) -> None:
        """Raise an alert at half of a limit."""
        limits = self._outlet.limits
        part = max(waiting / limits.events, lag_s / limits.age_s)
        if part >= _ALERT_AT and not self._is_raised:
            self._is_raised = True
            self.raise_now(
                f"{waiting} events wait for it, the oldest for {lag_s / 3600:.1f} hours: half of "
                f"what may wait; see that it is there ({self._outlet.error or 'it is slow'})"
            )
        elif part < _CALM_AT:
            self._is_raised = False

    def raise_now(self, text: str) -> None:
        """Log what happened, and tell the host."""
        about = f"sink {self._outlet.name}"
        _log.error("%s: %s", about, text)
        if self._alert_host is not None:
            try:
                self._alert_host(about, text)
            except Exception:  # noqa: BLE001 - the host's, logged
                _log.exception("the alert could not be raised")
