"""Messages from any thread to one greenlet of the host's hub."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from chargepoint_driver.text import get_logger

__all__ = ["Inbox"]

_log = get_logger(__name__)

_MOST_WAITING = 10_000


class Inbox:
    """Hands over what was put in, in order and as much at once as there is. Of too much the
    oldest is lost. Made, and stopped, on the hub's thread."""

    def __init__(self, handle: Callable[[list[Any]], None]) -> None:
        self._handle = handle
        self._waiting: deque[Any] = deque(maxlen=_MOST_WAITING)
        self._wake = Event()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._wake.set)
        self._greenlet = gevent.spawn(self._run)

    def put(self, item: Any) -> None:
        """From any thread."""
        self._waiting.append(item)
        self._watcher.send()

    def stop(self) -> None:
        """End the greenlet; what waits is lost. Twice is once."""
        self._greenlet.kill()
        self._watcher.stop()
        self._watcher.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            items = []
            while self._waiting:
                items.append(self._waiting.popleft())
            try:
                self._handle(items)
            except (Exception, gevent.Timeout):  # noqa: BLE001 - the next ones are handed over
                _log.exception("what chargers told could not be published")
