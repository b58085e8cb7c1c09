"""Threads of this package as greenlets, for a host that replaces sockets and not threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
from gevent import monkey
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chargepoint_driver.process import threads

__all__ = ["use_greenlets"]


class _Thread:
    """A greenlet behind what this package uses of `threading.Thread`."""

    def __init__(
        self,
        target: Callable[..., object],
        name: str = "",
        args: tuple[Any, ...] = (),
        daemon: bool = True,
    ) -> None:
        del daemon  # greenlets never outlive the process
        self.name = name
        self._target = target
        self._args = args
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin; once."""
        self._greenlet = gevent.spawn(self._target, *self._args)
        self._greenlet.chargepoint_thread = self

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        if self._greenlet is not None:
            self._greenlet.join(timeout)

    def is_alive(self) -> bool:
        """Return whether it was started and has not ended."""
        return self._greenlet is not None and not self._greenlet.ready()


class _Condition:
    """The part of `threading.Condition` that this package uses. Greenlets of one hub change only
    where one waits, so that the block needs no lock of its own."""

    def __init__(self) -> None:
        self._waiting: list[Event] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until `notify_all`; whether it came in time."""
        event = Event()
        self._waiting.append(event)
        try:
            return bool(event.wait(timeout))
        finally:
            if event in self._waiting:
                self._waiting.remove(event)

    def notify_all(self) -> None:
        """Wake all that wait."""
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            event.set()


def _current_thread() -> Any:
    own = getattr(gevent.getcurrent(), "chargepoint_thread", None)
    return threading.current_thread() if own is None else own


def use_greenlets() -> None:
    """Make the threads of this package greenlets, unless the host has replaced all threads."""
    if monkey.is_module_patched("threading"):
        return
    threads.use(
        SimpleNamespace(
            Thread=_Thread,
            Event=Event,
            Lock=BoundedSemaphore,
            Condition=_Condition,
            current_thread=_current_thread,
        )
    )
