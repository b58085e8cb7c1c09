"""Calls from any thread, carried out on a thread of this package: under gevent a greenlet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chargepoint_driver.process import threads
from chargepoint_driver.process.loop_thread import Signal
from chargepoint_driver.text import get_logger

__all__ = ["HandOver"]

_log = get_logger(__name__)
_MAX_WAITING = 1_000
_LOOK_S = 60.0


class HandOver:
    """Calls a function with what was put in, in order.

    Of more than 1,000 the oldest are lost, counted and logged."""

    def __init__(self, callback: Callable[..., None], name: str) -> None:
        self._callback = callback
        self._name = name
        self._items: deque[tuple[Any, ...]] = deque()
        self.lost = 0
        """How many calls were lost since the start."""
        self._wake: Signal | None = None
        self._is_stopped = False
        self._thread = threads.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, *arguments: Any) -> None:
        """Have the function called. From any thread; returns at once."""
        if len(self._items) >= _MAX_WAITING:
            with suppress(IndexError):  # taken meanwhile
                self._items.popleft()
                self.lost += 1
        self._items.append(arguments)
        wake = self._wake
        if wake is not None:
            wake.set()

    def stop(self) -> None:
        """End; what waits is lost. Safe to call more than once."""
        self._is_stopped = True
        wake = self._wake
        if wake is not None:
            wake.set()
        self._thread.join(5)

    def _run(self) -> None:
        logged = 0
        while not self._is_stopped:
            wake = Signal()
            self._wake = wake
            if not self._items and not self._is_stopped:
                wake.wait(_LOOK_S)
            self._wake = None
            while self._items and not self._is_stopped:
                if self.lost != logged:
                    lost, logged = self.lost - logged, self.lost
                    _log.warning(
                        "%s: %d came faster than they could be handed over and are lost, %d since "
                        "the start",
                        self._name,
                        lost,
                        logged,
                    )
                try:
                    self._callback(*self._items.popleft())
                except Exception:  # noqa: BLE001 - logged; the others go on
                    _log.exception("a call that was handed over failed")
            wake.close()
