"""Writes to one station follow each other, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from chargepoint_driver.errors import TransientError
from chargepoint_driver.process import threads

__all__ = ["StationBusyError", "StationLocks"]


class StationBusyError(TransientError):
    """The lock was not free in time; nothing was done."""


class StationLocks:
    """One queue per name. A plain lock lets anybody in next; here the first to come is."""

    def __init__(self, limit_s: float) -> None:
        """`limit_s` is how long to wait for a lock."""
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._queues: dict[str, deque[threading.Event]] = {}

    @contextmanager
    def of(self, name: str, limit_s: float | None = None) -> Iterator[None]:
        """Wait for the lock, `limit_s` where that is given, and hold it. Raises Busy."""
        limit_s = self._limit_s if limit_s is None else limit_s
        mine = threads.Event()
        with self._lock:
            queue = self._queues.setdefault(name, deque())
            queue.append(mine)
            if queue[0] is mine:
                mine.set()
        try:
            if not mine.wait(limit_s):
                raise StationBusyError(
                    f"{name}: the writes before this one have not ended within {limit_s:g} s; "
                    "nothing was sent"
                )
            yield
        finally:
            with self._lock:
                queue.remove(mine)
                if queue:
                    queue[0].set()
                else:
                    del self._queues[name]
