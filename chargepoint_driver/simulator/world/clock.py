"""The world's clock: simulated seconds since the Unix epoch.

Two clocks share one interface: one runs with real time, multiplied by a speed;
the other does not move until it is set. Nothing here knows of stations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from threading import Lock
from typing import Protocol


class Clock(Protocol):
    """Clock of the world. Time never runs backwards."""

    def now_s(self) -> float:
        """Simulated time, seconds since the Unix epoch (UTC)."""

    def advance(self, seconds: float) -> None:
        """Jump ahead by that many simulated seconds; ValueError when negative."""


class ScaledClock:
    """Real time multiplied by a speed: at speed 60 a minute passes in a second."""

    def __init__(
        self,
        speed: float = 1.0,
        start: datetime | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start at `start` (timezone-aware; None means now), whole seconds.

        Raises ValueError when speed is not positive or start has no time zone.
        """
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed must be a positive number, not {speed!r}")
        self.speed = float(speed)
        self._monotonic = monotonic
        self._began_at = monotonic()
        self._start_s = float(int(_epoch_s(start or datetime.now(timezone.utc))))
        self._jumped_s = 0.0
        self._lock = Lock()

    def now_s(self) -> float:
        """Simulated time, seconds since the Unix epoch (UTC)."""
        elapsed = self._monotonic() - self._began_at
        with self._lock:
            return self._start_s + elapsed * self.speed + self._jumped_s

    def advance(self, seconds: float) -> None:
        """Jump ahead by that many simulated seconds; ValueError when negative."""
        with self._lock:
            self._jumped_s += _forward(seconds)


class ManualClock:
    """A clock for tests: it stands still until `advance` is called."""

    def __init__(self, start: datetime | None = None) -> None:
        """Stand at `start` (timezone-aware; None means a Tuesday, 10:00 at the site)."""
        start = start or datetime(2026, 3, 3, 18, 0, tzinfo=timezone.utc)
        self._now_s = float(int(_epoch_s(start)))
        self._lock = Lock()

    def now_s(self) -> float:
        """Simulated time, seconds since the Unix epoch (UTC)."""
        with self._lock:
            return self._now_s

    def advance(self, seconds: float) -> None:
        """Jump ahead by that many simulated seconds; ValueError when negative."""
        with self._lock:
            self._now_s += _forward(seconds)


def _epoch_s(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise ValueError("the clock's start needs a time zone")
    return moment.timestamp()


def _forward(seconds: float) -> float:
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a clock only moves forwards, not by {seconds!r} s")
    return float(seconds)
