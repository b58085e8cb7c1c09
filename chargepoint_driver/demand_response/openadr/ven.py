"""Core of the VEN for both OpenADR versions: events, limits and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from chargepoint_driver.demand_response.chargers import Measured
from chargepoint_driver.demand_response.openadr.baseline import LOOK_BACK_DAYS, baseline_kw
from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig
from chargepoint_driver.demand_response.openadr.events import Decision, Event, EventList, Key, Taken
from chargepoint_driver.demand_response.openadr.signals import Facts
from chargepoint_driver.demand_response.openadr.store import Store
from chargepoint_driver.demand_response.openadr.telemetry import Telemetry, Window
from chargepoint_driver.text import get_logger

__all__ = ["Performance", "Ven"]

_log = get_logger(__name__)

# The load before an event, where there is no baseline: the mean of these minutes.
_BEFORE = timedelta(minutes=5)


@dataclass(frozen=True)
class Performance:
    """One window with its baseline, in kW. None: not known. `reduction_kw` is the baseline less
    the load."""

    window: Window
    baseline_kw: float | None
    reduction_kw: float | None
    state: str  # OpenADR 3: NORMAL, ERROR, ...


class Ven:
    """Everything that is known; one thread calls it. Raises ConfigurationError where the state
    file cannot be used."""

    def __init__(
        self,
        config: OpenAdrConfig,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.config = config
        self.now = now
        self._store = Store(config.state_file)
        self.event_list = EventList(
            config.ven_name, act_on_tests=config.test_events == "act", opts_in=config.opt == "in"
        )
        for event in self._store.events():
            self.event_list.events[event.key] = event
        self.event_list.opts.update(self._store.opts())
        self.telemetry = Telemetry(max_gap_s=3 * config.look_seconds)
        self.decision = Decision()
        self.failed: list[str] = []
        self.unreachable: dict[str, tuple[datetime, str]] = {}
        self.seen: dict[str, datetime] = {}
        self._levels = {float(step): kw for step, kw in config.levels.items()}
        self._prices = {float(step): kw for step, kw in config.prices.items()}
        self._expected: dict[str, float | None] = self._store.fact("expected_kw", {})
        self._logged: dict[Key, str] = {}

    def close(self) -> None:
        self._store.close()

    # ---- events --------------------------------------------------------------------------

    def take(self, event: Event) -> Taken:
        """An event came from its VTN. It is in the file before it counts."""
        taken = self.event_list.take(event, self.now())
        known = self.event_list.events.get(event.key)
        if known is not None and taken.outcome != "known":
            self._store.keep(known)
            self._announce(known, taken)
        return taken

    def keep_only(self, vtn: str, ids: Iterable[str]) -> None:
        for event in self.event_list.keep_only(vtn, ids, self.now()):
            cancelled = self.event_list.events[event.key]
            self._store.keep(cancelled)
            self._announce(cancelled, Taken("cancelled", True))

    def opt(self, key: Key, opts_in: bool) -> None:
        """Store the operator's decision about one event."""
        self.event_list.opts[key] = opts_in
        self._store.opt(key, opts_in)

    def reread_opts(self) -> list[Key]:
        """Take over what another process wrote into the file; the events that changed."""
        opts = self._store.opts()
        changed = [key for key, opts_in in opts.items() if self.event_list.opts.get(key) != opts_in]
        self.event_list.opts.update(opts)
        return changed

    def decide(self) -> Decision:
        """Return the limit that applies now."""
        now = self.now()
        self._note_expected(now)
        self.decision = self.event_list.decide(now, self._facts_of)
        for key, problem in self.decision.problems.items():
            if self._logged.get(key) != problem:
                self._logged[key] = problem
                _log.error("event %s cannot be carried out: %s", key[1], problem)
        old = self.event_list.forget(now)
        if old:
            self._store.drop(old)
        return self.decision

    def _facts_of(self, event: Event) -> Facts:
        baseline = self.baseline_kw(event, self.now())
        expected = self._expected.get(_name(event)) if baseline is None else baseline
        return Facts(
            self._levels,
            self._prices,
            self.config.rated_kw,
            expected,
            self.config.site_reserve_kw,
        )

    def _note_expected(self, now: datetime) -> None:
        """Keep the load before an event that begins, for signals that are relative to it."""
        for event, _ in self.event_list.lasting(now):
            name = _name(event)
            if name not in self._expected:
                load = self.telemetry.mean_load_kw(event.start - _BEFORE, event.start)
                latest = self.telemetry.latest
                if load is None and latest is not None and not self.is_limiting:
                    load = latest[1].load_kw
                if load is None and self.is_limiting:
                    continue
                self._expected[name] = load
                self._store.set_fact("expected_kw", self._expected)
        gone = self._expected.keys() - {_name(event) for event in self.event_list.events.values()}
        for name in gone:
            del self._expected[name]

    def _announce(self, event: Event, taken: Taken) -> None:
        opted = "in" if taken.opts_in else "out"
        why = f": {event.refused}" if event.refused else ""
        _log.warning(
            "event %s of %s: %s, opted %s%s", event.id, event.vtn, taken.outcome, opted, why
        )

    # ---- the limit -------------------------------------------------------------------------

    @property
    def is_limiting(self) -> bool:
        """Return True if a limit of ours may be in force, also of an earlier run."""
        return bool(self._store.fact("held", False))

    @is_limiting.setter
    def is_limiting(self, is_limiting: bool) -> None:
        if self.is_limiting != is_limiting:
            self._store.set_fact("held", is_limiting)

    def add_reading(self, measured: Measured) -> None:
        """Add one reading of the chargers."""
        now = self.now()
        done = self.telemetry.add(now, measured)
        if done is not None:
            is_event = any(
                event.start <= now and (event.end is None or now < event.end)
                for event in self.event_list.events.values()
                if not event.cancelled and event.intervals and not event.test
            )
            self._store.add_load(now, done[0], done[1], is_event or self.is_limiting)

    # ---- VTNs ------------------------------------------------------------------------------

    def fact(self, name: str, default: Any = None) -> Any:
        return self._store.fact(name, default)

    def set_fact(self, name: str, value: Any) -> None:
        self._store.set_fact(name, value)

    def reached(self, vtn: str) -> None:
        lost = self.unreachable.pop(vtn, None)
        if lost is not None:
            _log.warning("VTN %s answers again; it did not since %s", vtn, lost[0].isoformat())
        self.seen[vtn] = self.now()

    def lost(self, vtn: str, why: str) -> None:
        if vtn not in self.unreachable:
            self.unreachable[vtn] = self.now(), why
            _log.error("VTN %s does not answer (%s); known events stay in force", vtn, why)
        else:
            self.unreachable[vtn] = self.unreachable[vtn][0], why

    # ---- reports ---------------------------------------------------------------------------

    def baseline_kw(self, event: Event | None, at: datetime) -> float | None:
        """Return the load expected at a time without the event; None where it is not known."""
        start = at if event is None or event.start > at else event.start
        slots = self._store.slots(start - timedelta(days=LOOK_BACK_DAYS + 1), at)
        return baseline_kw(slots, start, at, self.config.tzinfo, self.config.holidays)

    def performance(self, start: datetime, end: datetime) -> Performance:
        """One window that is over, against the baseline of the event that lasted in it."""
        window = self.telemetry.window(start, end)
        event = next(
            (
                event
                for event in self.event_list.events.values()
                if event.intervals
                and event.start < end
                and (event.end is None or event.end > start)
                and not event.cancelled
                and not event.refused
            ),
            None,
        )
        expected = self.baseline_kw(event, start)
        if expected is None and event is not None:
            expected = self._expected.get(_name(event))
        known = expected is not None and window.load_kw is not None
        reduction = expected - window.load_kw if known else None  # type: ignore[operator]
        is_wrong = bool(self.failed or self.decision.problems) or window.load_kw is None
        return Performance(window, expected, reduction, "ERROR" if is_wrong else "NORMAL")

    def status(self) -> dict[str, Any]:
        """Return what is known now, as JSON carries it."""
        now, latest = self.now(), self.telemetry.latest
        return {
            "limit_kw": self.decision.kw,
            "reason": self.decision.reason,
            "held": self.is_limiting,
            "failed": list(self.failed),
            "problems": {key[1]: text for key, text in self.decision.problems.items()},
            "load_kw": None if latest is None else latest[1].load_kw,
            "vtns": {
                name: {
                    "reachable": None
                    if name not in self.seen and name not in self.unreachable
                    else name not in self.unreachable,
                    "unreachable_since": None
                    if name not in self.unreachable
                    else self.unreachable[name][0].isoformat(),
                    "error": self.unreachable.get(name, (None, None))[1],
                }
                for name in self.config.vtns
            },
            "events": [
                {
                    "vtn": event.vtn,
                    "id": event.id,
                    "status": self.event_list.status(event, now)
                    if event.intervals
                    else "cancelled",
                    "start": event.start.isoformat() if event.intervals else None,
                    "end": event.end.isoformat() if event.intervals and event.end else None,
                    "opt": "in" if self.event_list.takes_part(event) else "out",
                    "test": event.test,
                    "refused": event.refused or None,
                }
                for event in self.event_list.events.values()
            ],
        }


def _name(event: Event) -> str:
    return f"{event.vtn}/{event.id}"
