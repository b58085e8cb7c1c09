"""A subscriber's own thread, and the messages that wait for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chargepoint_driver.backends.ocpp.csms.charger_events import events_lost
from chargepoint_driver.process import threads
from chargepoint_driver.process.loop_thread import Signal
from chargepoint_driver.text import get_logger

__all__ = ["EventFollower"]

_log = get_logger(__name__)
_MAX_PENDING = 10_000


class EventFollower:
    """Hands events over to a callback on a thread, or greenlet, of its own."""

    def __init__(
        self, callback: Callable[[dict[str, Any]], None], count_lost: Callable[[], None]
    ) -> None:
        self._callback = callback
        self._count_lost = count_lost
        self._events: deque[dict[str, Any]] = deque()
        self._lost = 0
        self._stopped = False
        self._wake: Signal | None = None
        self._ready = Signal()
        # Under gevent a Thread is a greenlet, which is what its callbacks need.
        self._thread = threads.Thread(target=self._run, name="OCPP events", daemon=True)
        self._thread.start()
        self._ready.wait(10)
        self._ready.close()

    def put(self, event: dict[str, Any]) -> None:
        """Add an event. On the loop's thread only."""
        if len(self._events) >= _MAX_PENDING:
            with suppress(IndexError):  # taken meanwhile
                self._events.popleft()
                self._lost += 1
                self._count_lost()
        self._events.append(event)
        wake = self._wake
        if wake is not None:
            wake.set()

    def stop(self) -> None:
        """End the thread; what waits is dropped. Safe to call more than once."""
        if self._stopped:
            return
        self._stopped = True
        wake = self._wake
        if wake is not None:
            wake.set()
        self._thread.join(5)

    def _run(self) -> None:
        reported = 0
        while not self._stopped:
            wake = Signal()
            self._wake = wake
            self._ready.set()
            if not self._events and not self._stopped:
                wake.wait(60.0)
            self._wake = None
            while self._events:
                try:
                    if self._lost != reported:
                        lost, reported = self._lost - reported, self._lost
                        self._callback(events_lost(lost, time.time()))
                    self._callback(self._events.popleft())
                except Exception:  # noqa: BLE001 - logged; the others go on
                    _log.exception("a subscriber failed")
            wake.close()
