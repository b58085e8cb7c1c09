"""One port: who is plugged in, what flows, and the sessions it has had.

A port is moved ahead by `advance`, from change to change; it never ticks. It knows
nothing of stations, commands or the wire.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .ceilings import Hold, LimitTimeline
from .intervals import Span
from .vehicles import Visit

KEEP_SESSIONS_S = 31 * 86_400
"""Ended sessions are forgotten after this, so that a fast world stays small."""

EndedBy = Literal["CUSTOMER", "OPERATOR"]


@dataclass(frozen=True)
class Session:
    """A charging session, running (`end_s` None) or ended; times in seconds UTC."""

    visit: Visit
    start_s: float
    end_s: float | None
    energy_kwh: float
    charging_s: float
    ended_by: EndedBy | None
    spans: list[Span] = field(default_factory=list, compare=False, repr=False)

    def overlaps(self, from_s: float | None, to_s: float | None) -> bool:
        """Return True if any of it lies within the window; None means open."""
        begun = to_s is None or self.start_s <= to_s
        return begun and (from_s is None or self.end_s is None or self.end_s >= from_s)


class Port:
    """A port with its nameplate, its limits and its visitors."""

    def __init__(
        self,
        number: int,
        index: int,
        voltage_v: int,
        current_a: int,
        rated_kw: float,
        visits: Iterator[Visit],
        begin_s: float,
    ) -> None:
        """Stand idle at `begin_s`; `visits` come in order of arrival, without end."""
        self.number = number
        self.index = index
        self.voltage_v = voltage_v
        self.current_a = current_a
        self.rated_kw = rated_kw
        self.limits = LimitTimeline()
        self._visits = visits
        self._next = next(visits)
        self._visit: Visit | None = None
        self._time_s = begin_s
        self._energy_kwh = 0.0
        self._charging_s = 0.0
        # Energy is always counted from the last change, not from the last look, so
        # that looking more often leaves not even a rounding error.
        self._since = (begin_s, 0.0, 0.0)
        self._ended: list[Session] = []
        self._spans: list[Span] = []

    def advance(self, to_s: float) -> None:
        """Let everything happen up to that moment; an earlier moment changes nothing."""
        while self._time_s < to_s:
            self._arrive_or_not()
            event_s = self._next_event_s()
            until_s = min(to_s, event_s)
            ceiling_kw, visit = self.ceiling_kw(), self._visit
            if visit is not None:
                since_s, since_kwh, charged_s = self._since
                if not self._spans or self._spans[-1].ceiling_kw != ceiling_kw:
                    self._spans.append(Span(since_s, since_kwh, ceiling_kw))
                self._energy_kwh, charging_s = visit.curve.deliver(
                    since_kwh, ceiling_kw, until_s - since_s
                )
                self._charging_s = charged_s + charging_s
            self._time_s = until_s
            if until_s == event_s:
                self._count_from_here()
            if visit is not None and visit.leave_s <= until_s:
                self._end_session(visit, "CUSTOMER")
        self._arrive_or_not()
        self.limits.forget_before(self._time_s)

    @property
    def visit(self) -> Visit | None:
        """Return who is plugged in now; None when the port is free."""
        return self._visit

    @property
    def load_kw(self) -> float:
        """Return what flows now; 0 when nobody charges."""
        if self._visit is None:
            return 0.0
        return self._visit.curve.load_kw(self._energy_kwh, self.ceiling_kw())

    @property
    def hold(self) -> Hold | None:
        """The tightest limit in force now; None when nothing is shed."""
        self.ceiling_kw()
        holds = self.limits.active(self._time_s)
        return min(holds, key=lambda hold: hold.ceiling_kw or 0.0, default=None)

    @property
    def session(self) -> Session | None:
        """The running session; None when the port is free."""
        if self._visit is None:
            return None
        return self._as_session(self._visit, None, None)

    def sessions(self, from_s: float | None = None, to_s: float | None = None) -> list[Session]:
        """Remembered sessions that overlap a window (None: open), oldest first."""
        found = [running] if (running := self.session) and running.overlaps(from_s, to_s) else []
        for session in reversed(self._ended):
            if from_s is not None and session.end_s is not None and session.end_s < from_s:
                break
            if session.overlaps(from_s, to_s):
                found.append(session)
        return found[::-1]

    def ceiling_kw(self) -> float:
        """Return the lowest ceiling in force now; infinity when there is none."""
        ceiling_kw = math.inf
        for hold in self.limits.active(self._time_s):
            if hold.ceiling_kw is None:
                # Announced earlier as a share of what flows when it starts: that is now.
                hold.ceiling_kw = shed_by_percent_kw(
                    self._load_under_kw(ceiling_kw), hold.limit.percent or 0
                )
            if hold.obeyed_from_s <= self._time_s:
                ceiling_kw = min(ceiling_kw, hold.ceiling_kw)
        return ceiling_kw

    def order(self, hold: Hold) -> None:
        """Take a command; it ends the one before it."""
        self._count_from_here()
        self.limits.order(hold)

    def clear(self, effective_s: float) -> None:
        """End from that moment on what was commanded; events stay."""
        self._count_from_here()
        self.limits.clear(effective_s)

    def add_event(self, event_id: int, hold: Hold) -> None:
        """Announce a limit that starts and expires."""
        self._count_from_here()
        self.limits.add_event(event_id, hold)

    def remove_event(self, event_id: int) -> None:
        """Forget an event, running or not; unknown ids are ignored."""
        self._count_from_here()
        self.limits.remove_event(event_id)

    def plug_in(self, visit: Visit) -> None:
        """Let a vehicle come now, outside the timetable.

        Its arrival must be the present; visits that clash with it do not take place.
        Raises ValueError when the port is taken.
        """
        if self._visit is not None:
            raise ValueError(f"port {self.number} is taken")
        self._begin(visit)

    def unplug(self) -> Session:
        """Let the vehicle leave now. Raises ValueError when there is none."""
        if self._visit is None:
            raise ValueError(f"port {self.number} has no vehicle")
        return self._end_session(self._visit, "OPERATOR")

    def _count_from_here(self) -> None:
        self._since = (self._time_s, self._energy_kwh, self._charging_s)

    def _load_under_kw(self, ceiling_kw: float) -> float:
        if self._visit is None:
            return 0.0
        return self._visit.curve.load_kw(self._energy_kwh, ceiling_kw)

    def _next_event_s(self) -> float:
        happening_s = self._next.arrive_s if self._visit is None else self._visit.leave_s
        return min(happening_s, self.limits.next_change_s(self._time_s))

    def _arrive_or_not(self) -> None:
        if self._visit is not None:
            return
        while self._next.arrive_s < self._time_s:
            self._next = next(self._visits)
        if self._next.arrive_s == self._time_s:
            self._begin(self._next)
            self._next = next(self._visits)

    def _begin(self, visit: Visit) -> None:
        self._visit = visit
        self._energy_kwh = 0.0
        self._charging_s = 0.0
        self._spans = []
        self._count_from_here()

    def _end_session(self, visit: Visit, ended_by: EndedBy) -> Session:
        session = self._as_session(visit, self._time_s, ended_by)
        oldest_s = self._time_s - KEEP_SESSIONS_S
        self._ended = [s for s in self._ended if (s.end_s or oldest_s) >= oldest_s]
        self._ended.append(session)
        self._visit = None
        return session

    def _as_session(self, visit: Visit, end_s: float | None, ended_by: EndedBy | None) -> Session:
        return Session(
            visit,
            visit.arrive_s,
            end_s,
            self._energy_kwh,
            self._charging_s,
            ended_by,
            self._spans,
        )


def shed_by_percent_kw(load_kw: float, percent: int) -> float:
    """Return the ceiling left when `percent` of `load_kw` is shed."""
    return load_kw * (100 - percent) / 100
