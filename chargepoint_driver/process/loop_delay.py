"""The delay of an event loop: how late it does what is due, as counts by length."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable

__all__ = ["BOUNDS_S", "LoopDelay"]

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the counts, in seconds; longer delays are counted above the last one."""
_EVERY_S = 0.5


class LoopDelay:
    """Counts delays. One loop adds to it, any thread reads it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never jump."""
        self._clock = clock
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, late_s: float) -> None:
        """Count one delay in seconds; one below zero counts as none."""
        late_s = max(0.0, late_s)
        self._counts[bisect_left(BOUNDS_S, late_s)] += 1
        self._sum_s += late_s

    def counts(self) -> tuple[list[int], float]:
        """Return (the number of delays up to each bound and above the last, their sum in
        seconds)."""
        return list(self._counts), self._sum_s

    async def measure(self, every_s: float = _EVERY_S) -> None:
        """Measure the loop that runs this, until it is cancelled."""
        while True:
            due_s = self._clock() + every_s
            await asyncio.sleep(every_s)
            self.add(self._clock() - due_s)
