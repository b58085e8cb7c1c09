"""Sends the events of this node's chargers to the nodes that follow them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.csms.charger_events import ChargerEvents
from chargepoint_driver.backends.ocpp.postgres.ownership import RunningNode
from chargepoint_driver.errors import TransientError
from chargepoint_driver.messaging.interface import Messaging

__all__ = ["Batch", "EventSender"]

_GATHER_S = 0.1
_IDLE_S = 1.0
_WANTED_S = 7.0
_BATCH_BYTES = 262_144


class Batch(msgspec.Struct):
    """Events of the chargers of a node, oldest first. `first` is the number of the first of them,
    or of the next event where there is none; it counts from 0 in each session of sending."""

    node: str
    run: int
    session: int
    first: int
    events: list[dict[str, Any]]


class EventSender:
    """See the module. Sends while some node wants events. On the loop's thread."""

    def __init__(
        self, log: ChargerEvents, own: RunningNode, subject: str, messaging: Messaging
    ) -> None:
        self._log = log
        self._own = own
        self._subject = subject
        self._messaging = messaging
        self._session = 0
        self._number = 0
        self._waiting: list[bytes] = []
        self._wanted_until_s = 0.0
        self._news = asyncio.Event()
        self._end: Callable[[], None] | None = None

    def want(self) -> None:
        """Send for the next seconds. The first batch goes at once."""
        self._wanted_until_s = asyncio.get_running_loop().time() + _WANTED_S
        if self._end is None:
            self._session += 1
            self._number = 0
            self._end = self._log.listen(self._put)
            self._news.set()

    def end(self) -> None:
        """Send no more."""
        end, self._end = self._end, None
        if end is not None:
            end()
        self._waiting.clear()

    async def run(self) -> None:
        """Send what comes. Never returns."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                limit_s = None if self._end is None else _IDLE_S
                await asyncio.wait_for(self._news.wait(), limit_s)
                await asyncio.sleep(_GATHER_S)
            except asyncio.TimeoutError:
                pass
            self._news.clear()
            if loop.time() > self._wanted_until_s:
                self.end()
            elif self._end is not None:
                await self._send()

    def _put(self, event: dict[str, Any]) -> None:
        self._waiting.append(msgspec.json.encode(event))
        self._number += 1
        self._news.set()

    async def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        fields = {"node": self._own.node, "run": self._own.run, "session": self._session}
        first = self._number - len(waiting)
        for events in _batches(waiting):
            # What is not sent leaves a gap in the numbers, which the others see.
            with suppress(TransientError):
                content = {**fields, "first": first, "events": events}
                await self._messaging.publish(self._subject, content)
            first += len(events)


def _batches(waiting: list[bytes]) -> Iterator[list[msgspec.Raw]]:
    """Yield the events in parts of limited size, at least one part."""
    events: list[msgspec.Raw] = []
    size = 0
    for event in waiting:
        if events and size + len(event) > _BATCH_BYTES:
            yield events
            events, size = [], 0
        events.append(msgspec.Raw(event))
        size += len(event)
    yield events
