"""Events of every VTN, and the limit that follows from them at a time. Pure: time is passed in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chargepoint_driver.demand_response.openadr.signals import (
    Ask,
    Facts,
    Meaning,
    UnresolvableSignalError,
    resolve,
)

__all__ = ["LOWEST_RANK", "Decision", "Event", "EventList", "Interval", "Key", "Taken"]

LOWEST_RANK = 1_000_000
MAX_EVENTS = 1_000
# A cancelled event is remembered: an older message about it may still come.
_REMEMBERED = timedelta(days=1)

Key = tuple[str, str]
"""(name of the VTN, id of the event)."""


@dataclass(frozen=True)
class Interval:
    """One period of an event; `end` None: until the event is cancelled."""

    start: datetime
    end: datetime | None
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class Event:
    """One event as its VTN describes it. `rank`: the lower, the more important. `refused`: why
    it cannot be carried out. `wanted`: report payload types that the VTN asks for."""

    vtn: str
    id: str
    modification: str
    program: str
    intervals: tuple[Interval, ...]
    rank: int = LOWEST_RANK
    cancelled: bool = False
    test: bool = False
    randomize_s: float = 0.0
    refused: str = ""
    wanted: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.vtn, self.id

    @property
    def start(self) -> datetime:
        return min(interval.start for interval in self.intervals)

    @property
    def end(self) -> datetime | None:
        ends = [interval.end for interval in self.intervals]
        return None if None in ends else max(end for end in ends if end is not None)

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON carries it."""
        fields = asdict(self)
        for interval in fields["intervals"]:
            interval["start"] = interval["start"].isoformat()
            interval["end"] = None if interval["end"] is None else interval["end"].isoformat()
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Event:
        intervals = tuple(
            Interval(
                datetime.fromisoformat(each["start"]),
                None if each["end"] is None else datetime.fromisoformat(each["end"]),
                tuple(
                    Ask(ask["name"], Meaning(ask["meaning"]), ask["value"], ask["is_capacity"])
                    for ask in each["asks"]
                ),
            )
            for each in fields["intervals"]
        )
        return cls(**{**fields, "intervals": intervals, "wanted": tuple(fields["wanted"])})


@dataclass(frozen=True)
class Taken:
    """Outcome of an event: accepted, updated, known, cancelled, over, refused or test; and whether
    the VEN takes part."""

    outcome: str
    opts_in: bool


@dataclass(frozen=True)
class Decision:
    """`kw` None: no limit. `events`: those that set the limit. `problems`: what is asked for and
    cannot be carried out, by event."""

    kw: float | None = None
    events: tuple[Key, ...] = ()
    reason: str = "no event lasts"
    problems: Mapping[Key, str] = field(default_factory=dict)


class EventList:
    """The events that are known. `opts`: what the operator decided about single events."""

    def __init__(self, ven: str, *, act_on_tests: bool = False, opts_in: bool = True) -> None:
        self._ven = ven
        self._acts_on_tests = act_on_tests
        self._opts_in = opts_in
        self.events: dict[Key, Event] = {}
        self.opts: dict[Key, bool] = {}

    def take(self, event: Event, now: datetime) -> Taken:
        """Take over an event as its VTN sent it, in place of what was known of it."""
        known = self.events.get(event.key)
        if known is None and len(self.events) >= MAX_EVENTS:
            return Taken("refused", False)
        if not event.cancelled and event.intervals:
            event = self._shifted(event)
        self.events[event.key] = event
        if event.cancelled or event.refused:
            return Taken("cancelled" if event.cancelled else "refused", event.cancelled)
        if known == event:
            outcome = "known"
        elif event.end is not None and event.end <= now:
            outcome = "over"
        elif event.test:
            outcome = "test"
        else:
            outcome = "accepted" if known is None else "updated"
        return Taken(outcome, self.takes_part(event))

    def keep_only(self, vtn: str, ids: Iterable[str], now: datetime) -> list[Event]:
        """Cancel what a VTN does not list any more (implied cancellation); those events. One
        that the VTN takes to be over, and which began later by its random time, runs on."""
        listed = set(ids)
        gone = [
            event
            for event in self.events.values()
            if event.vtn == vtn
            and event.id not in listed
            and not event.cancelled
            and not (event.end and event.end - timedelta(seconds=event.randomize_s) <= now)
        ]
        for event in gone:
            self.events[event.key] = replace(event, cancelled=True)
        return gone

    def takes_part(self, event: Event) -> bool:
        """Return True if the VEN opts in to an event."""
        return not event.refused and self.opts.get(event.key, self._opts_in)

    def lasting(self, now: datetime) -> list[tuple[Event, tuple[Ask, ...]]]:
        """Return the events that last now and are carried out, each with what it asks for."""
        found = []
        for event in self.events.values():
            if event.cancelled or not self.takes_part(event):
                continue
            if event.test and not self._acts_on_tests:
                continue
            lasting = [
                interval.asks
                for interval in event.intervals
                if interval.start <= now and (interval.end is None or now < interval.end)
            ]
            if lasting:
                found.append((event, tuple(ask for asks in lasting for ask in asks)))
        return found

    def status(self, event: Event, now: datetime) -> str:
        """far, active, completed or cancelled."""
        if event.cancelled:
            return "cancelled"
        if event.end is not None and event.end <= now:
            return "completed"
        return "active" if event.start <= now else "far"

    def forget(self, now: datetime) -> list[Key]:
        """Drop what has been over or cancelled for a day; the keys of it."""
        old = []
        for key, event in self.events.items():
            end = event.end if event.intervals else None
            if end is None and event.cancelled:
                end = event.start if event.intervals else now - _REMEMBERED
            if end is not None and end + _REMEMBERED <= now:
                old.append(key)
        for key in old:
            del self.events[key]
            self.opts.pop(key, None)
        return old

    def decide(self, now: datetime, facts_of: Callable[[Event], Facts]) -> Decision:
        """Return the limit that applies now.

        Within one programme the event with the lowest rank counts, and of several with this
        rank the lowest limit. Of several programmes the lowest limit counts."""
        problems: dict[Key, str] = {}
        programmes: dict[tuple[str, str], list[tuple[int, float | None, Event]]] = {}
        for event, asks in self.lasting(now):
            try:
                kw = _limit_of(asks, facts_of(event))
            except UnresolvableSignalError as error:
                problems[event.key] = str(error)
                continue
            programmes.setdefault((event.vtn, event.program), []).append((event.rank, kw, event))
        limits: list[tuple[float, Event]] = []
        for asked in programmes.values():
            best = min(rank for rank, _, _ in asked)
            limits += [(kw, event) for rank, kw, event in asked if rank == best and kw is not None]
        if not limits:
            reason = "; ".join(problems.values()) or "no event asks for a limit"
            return Decision(None, (), reason, problems)
        lowest = min(kw for kw, _ in limits)
        events = tuple(event.key for kw, event in limits if kw == lowest)
        return Decision(lowest, events, f"event {events[0][1]} asks for {lowest:g} kW", problems)

    def _shifted(self, event: Event) -> Event:
        """Return the event, later by its random time. It depends on the VEN and the event only, so
        that an update or a restart does not draw again."""
        if event.randomize_s <= 0:
            return event
        drawn = hashlib.sha256(f"{self._ven}/{event.vtn}/{event.id}".encode()).digest()[:8]
        part = int.from_bytes(drawn, "big") / 2**64
        later = timedelta(seconds=round(event.randomize_s * part))
        shifted = tuple(
            replace(
                each,
                start=each.start + later,
                end=None if each.end is None else each.end + later,
            )
            for each in event.intervals
        )
        return replace(event, intervals=shifted)


def _limit_of(asks: Iterable[Ask], facts: Facts) -> float | None:
    """Return the lowest limit of what one interval asks. SIMPLE is what a VEN falls back to that
    does not understand the rest. Raises UnresolvableSignalError where nothing can be resolved."""
    found: list[float | None] = []
    simple: list[Ask] = []
    failed: list[str] = []
    for ask in asks:
        if ask.name == "SIMPLE":
            simple.append(ask)
            continue
        try:
            found.append(resolve(ask, facts))
        except UnresolvableSignalError as error:
            failed.append(str(error))
    if not found:
        for ask in simple:
            try:
                found.append(resolve(ask, facts))
            except UnresolvableSignalError as error:
                failed.append(str(error))
    if failed and not found:
        raise UnresolvableSignalError("; ".join(failed))
    return min((kw for kw in found if kw is not None), default=None)
