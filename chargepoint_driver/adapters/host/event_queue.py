"""Messages from any thread to one greenlet of the host's hub."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from gevent.monkey import get_original

from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["EventQueue"]

_log = get_logger(__name__)

_MAX_WAITING = 10_000
_GATHER_S = 0.09


class EventQueue:
    """Hands over what was put in, in order. Made, and stopped, on the hub's thread.

    What comes within 90 ms is handed over together: the hub wakes once for all of it. Of more than
    10,000 items the oldest are lost. They are counted and logged. The next call has their
    number, since its reader must then read everything again.
    """

    def __init__(
        self,
        handle: Callable[[list[Any], int], None],
        gather: Callable[[float], object] = gevent.sleep,
    ) -> None:
        """`handle` gets the items and how many were lost before them. `gather` waits for more of
        them, for the given seconds."""
        self._handle = handle
        self._gather = gather
        self._waiting: deque[Any] = deque()
        self._is_waking = False
        self._lost = self._lost_in_all = 0
        # A lock of the operating system: those that put are real threads, and never switch here.
        self._lock = get_original("_thread", "allocate_lock")()
        self._lines = RateLimitedLog(_log)
        self._wake = Event()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._wake.set)
        self._greenlet = gevent.spawn(self._run)

    def put(self, item: Any) -> None:
        """Add an item. From any thread."""
        with self._lock:
            if len(self._waiting) >= _MAX_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(item)
            is_waking, self._is_waking = self._is_waking, True
        if not is_waking:
            self._watcher.send()

    def stop(self) -> None:
        """End the greenlet; what waits is lost. A second call does nothing."""
        self._greenlet.kill()
        self._watcher.stop()
        self._watcher.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._gather(_GATHER_S)
            self._wake.clear()
            with self._lock:
                self._is_waking = False
                waiting, self._waiting = self._waiting, deque()
                lost, self._lost = self._lost, 0
            if lost:
                self._lost_in_all += lost
                reason = (
                    f"{lost} messages came faster than they could be published, "
                    f"{self._lost_in_all} since the start; all points are read again"
                )
                self._lines.warning("messages_lost", reason=reason)
            try:
                self._handle(list(waiting), lost)
            except (Exception, gevent.Timeout):  # noqa: BLE001 - the next ones are handed over
                _log.exception("messages of chargers could not be published")
