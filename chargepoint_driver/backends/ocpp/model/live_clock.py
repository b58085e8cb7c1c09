"""The clock of the central system: seconds since 1970 that never step while it runs.

What is live is judged by receipt on the monotonic clock. `LiveClock` counts monotonic seconds from
the time of day at its start. When the machine's clock is set, `follow` returns by how much, and
all stored moments move by as much (`moved`): their ages stay what they are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from chargepoint_driver.backends.ocpp.model.charger import Charger, Connector

__all__ = ["LiveClock", "moved"]

# Less than that is the ordinary drift that time servers correct all the time.
_MIN_STEP_S = 0.5


class LiveClock:
    """Call it for the time. Any thread may; `follow` and `accept` are for one."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """`monotonic` defaults to that of the system, and to `wall` where that is another clock
        than the system's."""
        self._wall = wall
        self._monotonic = monotonic or (time.monotonic if wall is time.time else wall)
        self._ahead_s = wall() - self._monotonic()

    def __call__(self) -> float:
        return self._monotonic() + self._ahead_s

    def follow(self) -> float:
        """Seconds that the time of day has stepped by: 0 where it has not."""
        step_s = self._wall() - self()
        return step_s if abs(step_s) >= _MIN_STEP_S else 0.0

    def accept(self, step_s: float) -> None:
        """Take a step over. The moments that others keep must have moved, or move at once."""
        self._ahead_s += step_s


def moved(point: Charger, step_s: float, now_s: float) -> None:
    """Move the moments of a charge point along with the clock. `now_s` is the new time."""
    for name in ("connected_s", "last_seen_s", "booted_s"):
        at_s = getattr(point, name)
        if at_s is not None:
            setattr(point, name, at_s + step_s)
    point.status_asked_s += step_s
    point.late_before = None
    if step_s < 0:
        point.lag_s = None
    elif point.lag_s is not None:
        # Its own clock stands still meanwhile, or follows: then its next message shows it.
        point.lag_s += step_s
        point.clock_behind_s += step_s
    for connector in point.connectors.values():
        _move_connector(connector, step_s, now_s)


def _move_connector(connector: Connector, step_s: float, now_s: float) -> None:
    for name in ("status_s", "status_received_s"):
        at_s = getattr(connector, name)
        if at_s is not None:
            setattr(connector, name, at_s + step_s)
    connector.reported = {
        part: (link, min(own_s, now_s)) for part, (link, own_s) in connector.reported.items()
    }
    connector.faults = deque(
        ((at_s + step_s, code) for at_s, code in connector.faults), connector.faults.maxlen
    )
    connector.meter.move(step_s)
    limit = connector.limit
    if limit is not None:
        connector.limit = replace(
            limit,
            written_s=limit.written_s + step_s,
            until_s=None if limit.until_s is None else limit.until_s + step_s,
        )
