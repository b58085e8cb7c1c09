"""Measurements of the last hours, for reports. None is never counted as 0."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from chargepoint_driver.demand_response.chargers import Measured

__all__ = ["Telemetry", "Window"]

_KEPT = timedelta(hours=26)
# Of a window at least so much must have been measured.
_MIN_COVERED = 0.9


@dataclass(frozen=True)
class Window:
    """Means over a time, in kW; `energy_kwh` of the whole time. None: not measured for long
    enough."""

    start: datetime
    end: datetime
    load_kw: float | None
    energy_kwh: float | None
    limit_kw: float | None
    headroom_kw: float | None
    ports: int | None
    reporting: int | None


class Telemetry:
    """Looks at the chargers. Each counts until the next, and for `max_gap_s` at most."""

    def __init__(self, max_gap_s: float) -> None:
        self._max_gap = timedelta(seconds=max_gap_s)
        self._readings: deque[tuple[datetime, Measured]] = deque()

    def add(self, at: datetime, reading: Measured) -> tuple[float, float] | None:
        """Take a look; (load in kW, seconds) that the one before has counted for, None where
        that is not known."""
        done = None
        if self._readings:
            before_at, before = self._readings[-1]
            if at <= before_at:
                return None
            if before.load_kw is not None:
                done = before.load_kw, min(at - before_at, self._max_gap).total_seconds()
        self._readings.append((at, reading))
        while self._readings[0][0] < at - _KEPT:
            self._readings.popleft()
        return done

    @property
    def latest(self) -> tuple[datetime, Measured] | None:
        return self._readings[-1] if self._readings else None

    def mean_load_kw(self, start: datetime, end: datetime) -> float | None:
        return self.window(start, end).load_kw

    def window(self, start: datetime, end: datetime) -> Window:
        """Return the means of a time that is over."""
        length = (end - start).total_seconds()
        load = limit = headroom = 0.0
        covered = limited = 0.0
        last: Measured | None = None
        readings = list(self._readings)
        for index, (at, reading) in enumerate(readings):
            until = readings[index + 1][0] if index + 1 < len(readings) else end
            until = min(until, at + self._max_gap, end)
            seconds = (until - max(at, start)).total_seconds()
            if seconds <= 0:
                continue
            last = reading
            if reading.load_kw is not None:
                covered += seconds
                load += reading.load_kw * seconds
                if reading.limit_kw is not None:
                    limited += seconds
                    limit += reading.limit_kw * seconds
                    headroom += (reading.limit_kw - reading.load_kw) * seconds
        is_known = length > 0 and covered >= _MIN_COVERED * length
        is_held = length > 0 and limited >= _MIN_COVERED * length
        mean = load / covered if is_known else None
        return Window(
            start,
            end,
            mean,
            None if mean is None else mean * length / 3600,
            limit / limited if is_held else None,
            headroom / limited if is_held else None,
            None if last is None else last.ports,
            None if last is None else last.reporting,
        )
