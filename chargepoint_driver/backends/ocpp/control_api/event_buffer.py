"""The newest events, for requests that follow them."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.csms.charger_events import Listener, events_lost

__all__ = ["EventBuffer"]

_MAX_EVENTS = 10_000
# Events of one moment are one answer.
_GATHER_S = 0.1
_KEPT_S = 120.0


class EventBuffer:
    """Keeps events from the first request on until nobody has asked for two minutes. On the loop.

    A follower asks with the cursor of the answer before. Where events since then are not here any
    more, or were lost on their way from another node, it gets the event `EventsLost`: it shall
    read everything again."""

    def __init__(
        self,
        listen: Callable[[Listener], Callable[[], None]],
        now: Callable[[], float],
        max_events: int = _MAX_EVENTS,
    ) -> None:
        """`listen` begins to call back for events, and returns how to end it."""
        self._listen = listen
        self._now = now
        self._events: deque[msgspec.Raw] = deque(maxlen=max_events)
        # Of all events that came, those that are gone from the buffer included.
        self._count = 0
        self._name = ""
        self._end: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._came = asyncio.Event()
        self._is_stopped = False

    async def after(self, cursor: str | None, wait_s: float, most: int) -> dict[str, Any]:
        """Return {cursor, events} with at most `most` events, oldest first; after `wait_s` without
        one there are none. Without a cursor the answer comes at once and has none: what happens
        from then on comes after its cursor."""
        self._keep_listening()
        if cursor is None:
            return {"cursor": f"{self._name}-{self._count}", "events": []}
        number = self._number_of(cursor)
        if number == self._count:
            await self._wait(number, wait_s)
            number = self._number_of(cursor)
        if number is None:
            lost = events_lost(None, self._now())
            return {"cursor": f"{self._name}-{self._count}", "events": [lost]}
        begin = number - self._count + len(self._events)
        found = list(islice(self._events, begin, begin + most))
        return {"cursor": f"{self._name}-{number + len(found)}", "events": found}

    def stop(self) -> None:
        """End every request that waits. Safe to call more than once."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._end_listening()
        self._came.set()

    # ---- inside --------------------------------------------------------------------------

    def _keep_listening(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._is_stopped:
            return
        self._timer = asyncio.get_running_loop().call_later(_KEPT_S, self._end_listening)
        if self._end is None:
            self._name = secrets.token_hex(6)
            self._end = self._listen(self._put)

    def _end_listening(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end()
        self._events.clear()
        self._count, self._name = 0, ""

    def _put(self, event: dict[str, Any]) -> None:
        self._events.append(msgspec.Raw(msgspec.json.encode(event)))
        self._count += 1
        self._came.set()

    def _number_of(self, cursor: str) -> int | None:
        """Return the number of events up to a cursor; None where it is of another buffer, or where
        events after it are gone."""
        name, _, text = cursor.rpartition("-")
        if name != self._name or not (text.isascii() and text.isdecimal() and len(text) < 16):
            return None
        number = int(text)
        return number if self._count - len(self._events) <= number <= self._count else None

    async def _wait(self, number: int, wait_s: float) -> None:
        """Wait until there are events after a number."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + wait_s
        while self._count == number and not self._is_stopped:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), end_s - loop.time())
            except asyncio.TimeoutError:
                return
        if not self._is_stopped:
            await asyncio.sleep(min(_GATHER_S, max(0.0, end_s - loop.time())))
