"""Limits of a port's power, each with begin and end.

Two layers: the command last given (a shed or a clear; each may take effect late)
and announced events with a start and an end. The lowest ceiling counts. Who gave
a command and how a station's limit is divided is decided in `sheds`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limit:
    """A wish as it was given: exactly one of `allowed_kw` and `percent` is not None."""

    allowed_kw: float | None = None
    percent: int | None = None


@dataclass
class Hold:
    """A limit in force from `start_s` up to, not including, `end_s`.

    `obeyed_from_s`: a station may say that a limit is in force and obey it only later, or never
    (infinity). `ceiling_kw` None means: not known yet, to be taken from the load at the start.
    """

    limit: Limit
    start_s: float
    end_s: float
    ceiling_kw: float | None
    obeyed_from_s: float = 0.0


@dataclass
class LimitTimeline:
    """All limits of one port, past ones dropped."""

    _orders: list[tuple[float, Hold | None]] = field(default_factory=list)
    _events: dict[int, Hold] = field(default_factory=dict)

    def order(self, hold: Hold) -> None:
        """Take a command: it ends the one before it at its own start."""
        self._supersede(hold.start_s)
        self._orders.append((hold.start_s, hold))

    def clear(self, effective_s: float) -> None:
        """Take a command that ends whatever was commanded; events stay."""
        self._supersede(effective_s)
        self._orders.append((effective_s, None))

    def add_event(self, event_id: int, hold: Hold) -> None:
        """Announce a limit that starts and expires."""
        self._events[event_id] = hold

    def remove_event(self, event_id: int) -> None:
        """Forget an event, running or not; unknown ids are ignored."""
        self._events.pop(event_id, None)

    def active(self, now_s: float) -> list[Hold]:
        """Return the limits in force at a moment, the command first."""
        if not self._orders and not self._events:
            return []
        holds = [hold for start_s, hold in self._orders if start_s <= now_s][-1:]
        holds += self._events.values()
        return [hold for hold in holds if hold and hold.start_s <= now_s < hold.end_s]

    def next_change_s(self, now_s: float) -> float:
        """Return when the set of limits in force changes next; infinity when never."""
        if not self._orders and not self._events:
            return math.inf
        moments = [start_s for start_s, _ in self._orders]
        for _, hold in self._orders:
            if hold is not None:
                moments += [hold.end_s, hold.obeyed_from_s]
        for hold in self._events.values():
            moments += [hold.start_s, hold.end_s]
        return min((moment for moment in moments if moment > now_s), default=math.inf)

    def forget_before(self, now_s: float) -> None:
        """Drop what can no longer matter, so that a long run stays small."""
        while len(self._orders) > 1 and self._orders[1][0] <= now_s:
            del self._orders[0]
        if any(hold.end_s <= now_s for hold in self._events.values()):
            self._events = {key: h for key, h in self._events.items() if h.end_s > now_s}

    def _supersede(self, from_s: float) -> None:
        # An older command that would only take effect later must not undo this one.
        self._orders = [entry for entry in self._orders if entry[0] < from_s]
