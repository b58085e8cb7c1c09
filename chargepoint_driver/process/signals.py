"""Waiting for SIGINT or SIGTERM. For the commands that serve until they are interrupted."""

from __future__ import annotations

import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, final

__all__ = ["EndSignals"]

_ENDING = (signal.SIGINT, signal.SIGTERM)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal itself has written to the pipe. A handler may not take a lock."""


@final
class EndSignals:
    """Records SIGINT and SIGTERM from `with` on; `wait` returns after the first one.

    The interpreter writes each signal to a pipe where it arrives, so none is missed between two
    steps and any number may come at once. In the main thread only; elsewhere nothing is recorded.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._wakeup_before = -1
        self._pipe: tuple[int, int] | None = None

    def __enter__(self) -> EndSignals:
        if threading.current_thread() is threading.main_thread():
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
            self._pipe = reader, writer
            self._wakeup_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, _ignore) for number in _ENDING}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._pipe is not None:
            signal.set_wakeup_fd(self._wakeup_before)
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    def wait(self, stop: threading.Event | None = None) -> None:
        """Wait for a signal, or until `stop` is set."""
        if self._pipe is None or stop is not None:
            self._wait_for(stop or threading.Event())
            return
        while not self._has_come(None):
            pass

    def _wait_for(self, stop: threading.Event) -> None:
        while not stop.wait(0.1):
            if self._pipe is not None and self._has_come(0.0):
                return

    def _has_come(self, timeout_s: float | None) -> bool:
        assert self._pipe is not None
        reader = self._pipe[0]
        if not select.select([reader], [], [], timeout_s)[0]:
            return False
        return any(number in _ENDING for number in os.read(reader, 512))
