"""Scheduler: callbacks in the order of simulated time, on one event loop.

No thread and no task of its own: one timer of the loop looks at the clock. When the
clock jumps, everything due in between still happens one by one, each at its own time.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

from chargepoint_driver.text import get_logger

from ..world.clock import Clock

log = get_logger(__name__)

# A clock may be moved by others: it is looked at this often (real seconds).
LOOK_S = 0.05


class Entry:
    """A callback that waits for its time."""

    __slots__ = ("callback", "due_s")

    def __init__(self, due_s: float, callback: Callable[[], None]) -> None:
        self.due_s = due_s
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never call it; after the call it does nothing."""
        self.callback = None


class Scheduler:
    """Entries by simulated time. Used on its loop only, from `start` to `stop`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._running_at_s: float | None = None
        self._last_s = clock.now_s()
        self.errors: list[BaseException] = []

    def start(self) -> None:
        """Begin to look at the clock."""
        self._loop = asyncio.get_running_loop()
        self._arm()

    def stop(self) -> None:
        """Stop all calls."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop = None
        self._heap.clear()

    def now_s(self) -> float:
        """Return the present, seconds since the epoch; inside a callback, the time it was due.

        Never runs backwards: whatever is due by now has happened when this returns.
        """
        if self._running_at_s is not None:
            return self._running_at_s
        self.catch_up()
        return self._last_s

    @contextmanager
    def standing_still(self) -> Iterator[float]:
        """The present, which stays what it is until the block ends: what happens at once is
        recorded and reported with one time."""
        before_s, now_s = self._running_at_s, self.now_s()
        self._running_at_s = now_s
        try:
            yield now_s
        finally:
            self._running_at_s = before_s

    def at(self, due_s: float, callback: Callable[[], None]) -> Entry:
        """Call back at `due_s` (at once when that is past)."""
        entry = Entry(max(due_s, self._last_s), callback)
        heapq.heappush(self._heap, (entry.due_s, next(self._numbers), entry))
        if self._timer is not None and self._heap[0][2] is entry:
            self._timer.cancel()
            self._arm()
        return entry

    def after(self, seconds: float, callback: Callable[[], None]) -> Entry:
        """Call back that many simulated seconds from now."""
        return self.at(self.now_s() + seconds, callback)

    def catch_up(self) -> None:
        """Call all that is due by now, in order."""
        if self._running_at_s is not None:
            return
        while True:
            now_s = max(self._clock.now_s(), self._last_s)
            if not self._heap or self._heap[0][0] > now_s:
                self._last_s = now_s
                return
            due_s, _, entry = heapq.heappop(self._heap)
            if entry.callback is None:
                continue
            self._last_s = self._running_at_s = max(due_s, self._last_s)
            try:
                entry.callback()
            except Exception as error:
                log.exception("a twin's callback failed")
                self.errors.append(error)
            finally:
                self._running_at_s = None

    def _tick(self) -> None:
        self._timer = None
        self.catch_up()
        self._arm()

    def _arm(self) -> None:
        if self._loop is None:
            return
        wait_s = LOOK_S
        if self._heap:
            speed = float(getattr(self._clock, "speed", 0.0))
            gap_s = max(0.0, self._heap[0][0] - self._clock.now_s())
            if gap_s == 0:
                wait_s = 0.0
            elif speed:
                wait_s = min(LOOK_S, gap_s / speed)
        self._timer = self._loop.call_later(wait_s, self._tick)
