"""State of a target's command, frozen. Sends nothing.

Three things are kept apart: what was commanded, what the service reports, and the status that
follows (`shed_status`). Times are seconds since the epoch on a clock that never jumps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.service.shed_control.records.measured import Load
from chargepoint_driver.service.shed_control.records.reported_state import Report
from chargepoint_driver.service.shed_control.validation import ShedOptions

__all__ = [
    "CommandState",
    "Status",
    "UnconfirmedCommand",
    "clock_time",
    "describe",
    "most_severe",
    "shed_status",
    "station_status",
]

# The most that a retry of a renewal waits, and the least.
_RETRY_S = 60.0
_SOONEST_S = 10.0
# With less than this part of its time left a command has to be renewed whatever speaks for waiting.
_SCARCE = 0.4
# How often a command that is not yet reported is looked for.
_LOOK_S = 30.0
# A charger ends a limit on its own clock, which may be a moment ahead of ours.
_ENDING_S = 5.0
# How often a clear that does not show is sent again: another controller may shed on purpose.
_CLEARS = 3


class Status(str, Enum):
    """The value of `shedStatus`."""

    NONE = "none"
    PENDING = "pending"
    IN_FORCE = "in force"
    VIOLATED = "violated"
    CONTESTED = "contested"
    RELEASED = "released"
    FAILED = "failed"
    ADOPTED = "adopted"
    EXPIRED = "expired"


_WORST_FIRST = (
    Status.FAILED,
    Status.EXPIRED,
    Status.VIOLATED,
    Status.CONTESTED,
    Status.PENDING,
    Status.ADOPTED,
    Status.IN_FORCE,
    Status.RELEASED,
    Status.NONE,
)


@dataclass(frozen=True)
class UnconfirmedCommand:
    """A command that got no answer: it may be carried out or not. `limit` None is a clear,
    `began` the ports whose control period begins with it. `sending`: it was handed to the
    backend. `adopted`: an earlier process sent it. Deadline and lease as in `CommandState`."""

    limit: Limit | None
    options: ShedOptions
    sent_s: float
    ceiling_kw: float | None = None
    group: str | None = None
    began: tuple[int, ...] = ()
    sending: bool = False
    adopted: bool = False

    @property
    def deadline_s(self) -> float | None:
        """Return when the limit is to be cleared, as its writer said; None for no deadline."""
        minutes = self.options.wanted_minutes
        return self.sent_s + minutes * 60 if minutes and self.limit is not None else None

    @property
    def lease_until_s(self) -> float | None:
        """Return when the writer must have written again; None without a lease."""
        seconds = self.options.lease_s
        return self.sent_s + seconds if seconds and self.limit is not None else None

    def most_kw(self) -> float:
        """Return the limit in kW, infinite for none."""
        if self.limit is None:
            return math.inf
        kw = self.limit.allowed_load_kw
        return self.ceiling_kw or 0.0 if kw is None else kw


@dataclass(frozen=True)
class CommandState:
    """The last acknowledged command of a target.

    `limit` None: that nothing be held. `sent_s` is when it was last acknowledged, from which its
    end counts; `waits_s` since when a report of it is waited for. `ceiling_kw` is what a
    percentage came to, None where that is zero or not known. `seen`: a report has shown it.
    `before_kw` is the highest limit that may be in force until then, None for no limit.
    `restored`: it was in force before this driver's control period. `failed`: the only command
    there was came to nothing. `tries`: how often it was sent again because it did not show.
    `note`: what went wrong. `since_s`: from when the load has to obey, counted before the
    time that taking effect lasts. `deadline_s`: when it is cleared, whatever renews it;
    `lease_until_s`: when `writer` must have written again; None for neither. `taken`: how often
    another limit stood in its place; `contested`: so often that it is not sent again.
    """

    limit: Limit | None = None
    options: ShedOptions = field(default_factory=ShedOptions)
    commanded_s: float = 0.0
    sent_s: float = 0.0
    waits_s: float = 0.0
    ceiling_kw: float | None = None
    before_kw: float | None = None
    seen: bool = False
    adopted: bool = False
    restored: bool = False
    expired: bool = False
    failed: bool = False
    tries: int = 0
    retry_s: float = 0.0
    note: str = ""
    doubt: UnconfirmedCommand | None = None
    group: str | None = None
    since_s: float = 0.0
    deadline_s: float | None = None
    lease_until_s: float | None = None
    writer: str = ""
    taken: int = 0
    contested: bool = False

    @classmethod
    def of(cls, doubt: UnconfirmedCommand) -> CommandState:
        """Return the command of a doubt as it stands once it is acknowledged."""
        return cls(
            doubt.limit,
            doubt.options,
            commanded_s=doubt.sent_s,
            sent_s=doubt.sent_s,
            waits_s=doubt.sent_s,
            ceiling_kw=doubt.ceiling_kw,
            since_s=doubt.sent_s,
            deadline_s=doubt.deadline_s,
            lease_until_s=doubt.lease_until_s,
            writer=doubt.options.writer,
        )

    @property
    def stops_s(self) -> float:
        """Return when deadline or lease end it, infinite for never."""
        if self.limit is None or self.expired:
            return math.inf
        ends = [each for each in (self.deadline_s, self.lease_until_s) if each is not None]
        return min(ends, default=math.inf)

    @property
    def ends_s(self) -> float:
        """Return when the limit expires unless it is renewed. While another limit stands, charging
        does not come back."""
        if self.contested:
            return math.inf
        return self.sent_s + self.options.minutes * 60 if self.options.minutes else math.inf

    @property
    def confirm_s(self) -> float:
        """Until when a report may take to show the command."""
        return self.waits_s + self.options.confirm_minutes * 60

    @property
    def renews_s(self) -> float:
        """Return when it is to be sent again: with half of its time left, so that there is some for
        trying again and for a service that takes minutes."""
        if self.limit is None or not self.options.minutes or self.contested:
            return math.inf
        return max(self.sent_s + self.options.minutes * 30, self.retry_s)

    @property
    def wanted(self) -> bool:
        """Return True if a shed is held that has not run out."""
        return self.limit is not None and not self.expired

    @property
    def is_settled(self) -> bool:
        """Return True if nothing more is to be done about it."""
        if self.doubt is not None:
            return False
        if self.failed or self.expired:
            return True
        return self.limit is None and (self.seen or self.tries > _CLEARS)

    def is_over(self, now_s: float) -> bool:
        """Return True if what is in force has nothing to do with it any more. The service may be as
        late to end a shed as to begin one."""
        if self.doubt is not None:
            return False
        if self.limit is None:
            return self.failed or self.seen
        return now_s >= self.ends_s + self.options.confirm_minutes * 60

    @property
    def is_looked_for(self) -> bool:
        """Return True if a report has to show whether it took effect."""
        return not self.is_settled and (self.doubt is not None or not self.seen or self.contested)

    def due_s(self, now_s: float) -> float:
        """Return when it is to be looked at next, after it was looked at now."""
        if self.is_settled:
            return math.inf
        due_s = math.inf
        if self.limit is not None:
            due_s = min(self.renews_s, self.ends_s, self.stops_s)
        return min(due_s, now_s + _LOOK_S) if self.is_looked_for else due_s

    def is_scarce(self, now_s: float) -> bool:
        """Return True if so little of its time is left that a failing renewal is worth an alert."""
        return self.ends_s - now_s < _SCARCE * self.options.minutes * 60

    def later(self, now_s: float) -> CommandState:
        """With the next try of a renewal put off, not beyond a quarter of the time left."""
        left_s = max(0.0, self.ends_s - now_s)
        return replace(self, retry_s=now_s + max(_SOONEST_S, min(_RETRY_S, left_s / 4)))

    def renewal(self) -> Limit:
        """Return what is sent to keep it in force. A percentage is of the present load, which is
        shed already, so it is renewed as what it came to; where that is zero, zero per cent less of
        nothing is still nothing, and 0 kW is never written by this driver on its own."""
        assert self.limit is not None
        if self.limit.percent_shed is not None and self.ceiling_kw:
            return Limit(allowed_load_kw=self.ceiling_kw)
        return self.limit

    def most_kw(self) -> float:
        """Return the highest limit that may be in force, infinite for none."""
        if self.limit is None or self.expired or self.contested:
            return math.inf
        if self.doubt is not None:
            doubted_kw = self.doubt.most_kw()
            return max(doubted_kw, replace(self, doubt=None).most_kw())
        wanted_kw = self.limit.allowed_load_kw
        if wanted_kw is None:
            wanted_kw = self.ceiling_kw or 0.0
        if self.seen:
            return wanted_kw
        return math.inf if self.before_kw is None else max(wanted_kw, self.before_kw)


def shed_status(
    state: CommandState | None, report: Report, now_s: float, load: Load | None = None
) -> tuple[Status, str]:
    """Return (the status, why) of what is held, by what is reported and by the measured load."""
    if state is None:
        if report.is_shed:
            return Status.ADOPTED, f"found in force, not commanded here: {report}"
        return Status.NONE, ""
    note = f"; {state.note}" if state.note else ""
    if state.doubt is not None:
        status = (
            Status.PENDING,
            f"{describe(state.doubt.limit)} got no answer and is looked for{note}",
        )
    elif state.failed:
        status = Status.FAILED, f"{state.note}; {report}"
    elif state.limit is None:
        status = _clear_status(state, report, now_s, note)
    else:
        status = _status_of_shed(state, state.limit, report, now_s, note, load)
    return status


def station_status(
    target: Target,
    state: CommandState | None,
    commanded: Mapping[Target, CommandState],
    report: Report,
    now_s: float,
    load_of: Callable[[Target], Load | None] | None = None,
) -> tuple[Status, str]:
    """Return (the status, why) of what is held of a station or a port; of a station whose ports
    are commanded one by one, the worst of theirs. `commanded`: everything of the station and of
    its ports. `load_of`: how the load of a commanded target obeys."""
    load_of = load_of or _not_measured
    if state is not None or target.port is not None or not commanded:
        whole = Target(target.station_id)
        own = target if commanded.get(target) is state else whole
        return shed_status(state, report, now_s, load_of(own))
    ports = {number: Target(target.station_id, number) for number in sorted(report.ports)}
    return most_severe(
        {
            f"port {number}": shed_status(
                commanded.get(port), Report({number: report.ports[number]}), now_s, load_of(port)
            )
            for number, port in ports.items()
        }
    )


def _clear_status(
    state: CommandState, report: Report, now_s: float, note: str
) -> tuple[Status, str]:
    if report.is_clear:
        return Status.RELEASED, state.note
    if state.seen:
        return Status.ADOPTED, f"found in force after ours was released: {report}{note}"
    if now_s <= state.confirm_s and not state.tries:
        return Status.PENDING, f"cleared, and not yet reported so: {report}{note}"
    return Status.FAILED, f"cleared, and still {report}{note}"


def _status_of_shed(
    state: CommandState, limit: Limit, report: Report, now_s: float, note: str, load: Load | None
) -> tuple[Status, str]:
    said = describe(limit, state.ceiling_kw)
    shown = report.shows(limit, state.ceiling_kw)
    violated = load is not None and load.violated
    if state.expired or now_s >= state.ends_s:
        why = state.note or "it was not renewed in time"
        status = Status.EXPIRED, f"{why}; {report}"
        if report.is_shed and not shown:
            why = f"found in force, not commanded here: {report}; ours: {why}"
            status = Status.ADOPTED, why
    elif not shown and state.seen and report.is_clear and now_s >= state.stops_s - _ENDING_S:
        status = Status.RELEASED, f"{said} ended at its time; {report}{note}"
    elif not shown:
        pending = now_s <= state.confirm_s and not state.seen and not state.tries
        status = Status.PENDING if pending else Status.FAILED, f"{said} commanded; {report}{note}"
        if state.contested:
            status = Status.CONTESTED, status[1]
        elif pending and violated and report.is_shed:
            status = Status.VIOLATED, f"{said} commanded; {load}; {report}{note}"
    elif violated:
        status = Status.VIOLATED, f"{said} is reported as in force, and {load}{note}"
    elif state.adopted:
        status = Status.ADOPTED, f"{said}, commanded before this driver started{note}"
    else:
        said += ", restored: it was in force before" if state.restored else ""
        status = Status.IN_FORCE, f"{said}{note}"
    return status


def _not_measured(target: Target) -> None:
    """Return no load."""
    del target


def most_severe(each: Mapping[str, tuple[Status, str]]) -> tuple[Status, str]:
    """Return (the status, why) of several things by name: the one that most needs to be known."""
    for status in _WORST_FIRST:
        found = [f"{name}: {why}" for name, (own, why) in each.items() if own is status]
        if found:
            return status, _in_short(found) if any(why for _, why in each.values()) else ""
    return Status.NONE, ""


def _in_short(texts: list[str]) -> str:
    rest = len(texts) - 3
    return "; ".join(texts[:3]) + (f"; and {rest} more" if rest > 0 else "")


def clock_time(time_s: float) -> str:
    """Return a time of day in ISO 8601, UTC."""
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat(timespec="seconds")


def describe(limit: Limit | None, ceiling_kw: float | None = None) -> str:
    """Return a command as text; a percentage with its limit in kW."""
    if limit is None:
        return "clear"
    if limit.percent_shed is None:
        return str(limit)
    if ceiling_kw:
        return f"{limit}, which is {ceiling_kw:g} kW"
    return f"{limit} of an idle port, which is held at zero until cleared"
