"""The books: what is staged, what was commanded, what was in force before. Sends nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.process import threads
from chargepoint_driver.service.shed_control.records.command_state import CommandState, describe
from chargepoint_driver.service.shed_control.records.command_store import CommandStore
from chargepoint_driver.service.shed_control.records.reported_state import Report
from chargepoint_driver.service.shed_control.records.store_writer import StoreWriter
from chargepoint_driver.text import get_logger

__all__ = ["CommandLog", "Unsent"]

_log = get_logger(__name__)

_Loads = dict[int, float | None]
# Stands for every port of a station whose ports were not known when it was first commanded.
_ANY_PORT = 0


@dataclass(frozen=True)
class Unsent:
    """Since when a staged limit waits to be sent, and who wrote it. `alert_s`: seconds until an
    alert is raised; 0 for never."""

    since_s: float
    alert_s: float
    writer: str = ""


class CommandLog:
    """One account's commands, kept in a store where there is one."""

    def __init__(self, time_s: Callable[[], float], store: CommandStore | None = None) -> None:
        self._time_s = time_s
        self._stored = StoreWriter(
            store, self.state_of, self._period, lambda target: self._leases[target]
        )
        self._lock = threading.Lock()
        self.staged: dict[Target, Limit] = {}
        self.unsent: dict[Target, Unsent] = {}  # staged, and not sent since
        self._leases: dict[Target, float] = {}
        self._loads: dict[str, dict[int, float | None]] = {}
        self._states: dict[Target, CommandState] = {}
        self._by_station: dict[str, set[Target]] = {}
        self._before: dict[str, dict[int, Limit | None]] = {}
        # Called with what has changed of commands, by who writes it down.
        self.on_change: Callable[[Mapping[Target, CommandState | None]], None] | None = None
        self.changed = threads.Event()  # set whenever something new may be due
        if store is not None:
            self._adopt(store)

    def _adopt(self, store: CommandStore) -> int:
        """Take over what the process before commanded; how many commands are new here. What ran
        out meanwhile is said to have expired and not sent again: charging has come back."""
        try:
            states, before = store.load()
            leases, loads = store.load_more()
        except StoreError as error:
            if store.is_shared:
                raise TransientError(f"the commands in force cannot be read ({error})") from None
            _log.error("the file of commands cannot be read (%s); begun without it", error)
            return 0
        self._before = before | self._before
        self._leases = leases | self._leases
        self._loads = loads | self._loads
        states = {target: each for target, each in states.items() if self._is_news(target, each)}
        now_s = self._time_s()
        found = {target: _adopted(each, now_s) for target, each in states.items()}
        self._enter(found)
        for target, each in states.items():
            if each.doubt is not None and not each.doubt.sending:
                self.forget(target.station_id, each.doubt.began)
                _log.warning("%s: %s", target, found[target].note)
        if states:
            _log.info("adopted %d commands of an earlier run", len(states))
        return len(states)

    def _is_news(self, target: Target, found: CommandState) -> bool:
        known = self._states.get(target)
        return known is None or _last_s(known) < _last_s(found)

    def take_over(
        self, files: Iterable[Path], wanted: Collection[Target], patience: int = 0
    ) -> None:
        """Adopt what other processes commanded of the stations and groups of `wanted` and have
        left in their files. For `patience` see `HandOver.take`."""
        store = self._stored.store
        if store is None or not wanted:
            return
        named = store.take_over(files, wanted, patience)
        if not named:
            return
        with self._lock:
            count = self._adopt(store)
        self.changed.set()
        _log.warning(
            "took over %d limits that %s commanded before; they are kept up here now",
            count,
            ", ".join(named),
        )

    def state_of(self, target: Target) -> CommandState | None:
        """Return what was commanded of just this target; None when nothing was."""
        return self._states.get(target)

    def covering(self, target: Target) -> CommandState | None:
        """Return what was commanded of the target, or else of the station that it is a port of."""
        if target.group is None and target.station_id not in self._by_station:
            return None  # as nearly always
        found = self._states.get(target)
        if target.port is not None and (found is None or not found.commanded_s):
            # A port's command that was never acknowledged does not hide the station's.
            found = self._states.get(Target(target.station_id)) or found
        return found

    def of_station(self, station_id: str) -> dict[Target, CommandState]:
        """Everything commanded of a station and of its ports."""
        with self._lock:
            return {target: self._states[target] for target in self._by_station.get(station_id, ())}

    def of_group(self, group: str) -> dict[Target, CommandState]:
        """Return what was commanded of stations as shares of a group's total."""
        with self._lock:
            return {target: state for target, state in self._states.items() if state.group == group}

    def all(self) -> dict[Target, CommandState]:
        with self._lock:
            return dict(self._states)

    def last_commands(self) -> dict[Target, float]:
        """Return target to when its last command was acknowledged or sent, in this log's time."""
        return {target: _last_s(state) for target, state in self.all().items()}

    def put(self, changes: Mapping[Target, CommandState | None]) -> None:
        """Write these down together; None forgets. They are true whether the store has them or not,
        see `StoreWriter`. Raises OutcomeUnknownError where another process has the commands."""
        with self._lock:
            news = self._news(changes)
            self._enter(news)
        if news:
            self.changed.set()
            self._stored.keep(commands=news.keys())
            self._publish(news)

    def note(self, changes: Mapping[Target, CommandState | None]) -> None:
        """Write these down before something is sent. Raises TransientError where a shared store
        cannot take them: nothing is changed, and nothing may be sent."""
        if not self._stored.is_shared:
            self.put(changes)
            return
        with self._lock:
            news = self._news(changes)
        self._stored.note_commands(news)
        with self._lock:
            self._enter(news)
        if news:
            self.changed.set()
            self._publish(news)

    def check(self) -> None:
        """Raises TransientError where nothing may be sent: see `StoreWriter.check`."""
        self._stored.check()

    def catch_up(self) -> None:
        """Store what a shared store does not have yet."""
        self._stored.catch_up()

    def _news(
        self, changes: Mapping[Target, CommandState | None]
    ) -> dict[Target, CommandState | None]:
        """Return what differs: most looks find what the look before found, and that is not worth a
        write to the disk."""
        return {
            target: state for target, state in changes.items() if self._states.get(target) != state
        }

    def _publish(self, news: Mapping[Target, CommandState | None]) -> None:
        if self.on_change is not None:
            try:
                self.on_change(news)
            except Exception:  # noqa: BLE001 - the event stream's, logged: a shed goes on
                _log.exception("the event of a shed could not be stored")

    def _enter(self, changes: Mapping[Target, CommandState | None]) -> None:
        for target, state in changes.items():
            of_station = self._by_station.setdefault(target.station_id, set())
            if state is None:
                self._states.pop(target, None)
                of_station.discard(target)
            else:
                self._states[target] = state
                if target.group is None:
                    of_station.add(target)
            if not of_station:
                del self._by_station[target.station_id]

    def sending(self, targets: Collection[Target]) -> AbstractContextManager[None]:
        """Enter while the doubts of these targets are handed to the backend: they are marked as
        sent right before they are. Raises TransientError, as `note`."""
        return self._stored.sending(lambda: self._mark_sending(targets))

    def _mark_sending(self, targets: Iterable[Target]) -> None:
        changes: dict[Target, CommandState | None] = {}
        for target in targets:
            state = self._states.get(target)
            if state is not None and state.doubt is not None:
                changes[target] = replace(state, doubt=replace(state.doubt, sending=True))
        self.note(changes)

    # ---- leases --------------------------------------------------------------------------

    def lease_s(self, target: Target) -> float | None:
        """Return the lease written for a target, in seconds, 0 for none; None where none was
        written."""
        return self._leases.get(target)

    def set_lease(self, target: Target, seconds: float) -> None:
        """Keep the lease of a target. Raises TransientError, as `note`."""
        if self._stored.is_shared:
            self._stored.note_lease(target, seconds)
            self._leases[target] = seconds
        else:
            self._leases[target] = seconds
            self._stored.keep(leases=(target,))

    # ---- control periods -----------------------------------------------------------------

    def begin_period(self, target: Target, report: Report | None) -> list[int]:
        """Note what was in force before the first write; later writes change nothing. What is
        not known counts as nothing. The ports whose period begins with this, for `forget`. Raises
        TransientError, as `note`."""
        known = self._before.setdefault(target.station_id, {})
        if target.port is not None:
            ports: Iterable[int] = (target.port,)
        else:
            ports = report.ports if report is not None else (_ANY_PORT,)
        fresh = [port for port in ports if port not in known]
        now_s = self._time_s()
        for port in fresh:
            own = self.covering(Target(target.station_id, port or None))
            if own is not None and not own.is_over(now_s):
                # A command of ours that is only ending is not what was there before.
                known[port] = own.limit if own.restored else None
            else:
                seen = None if report is None else report.ports.get(port)
                known[port] = None if seen is None else seen.limit
            found = None if report is None else report.ports.get(port)
            loads = self._loads.setdefault(target.station_id, {})
            loads[port] = None if found is None else found.load_kw
        if fresh and self._stored.is_shared:
            try:
                self._stored.note_period(target.station_id)
            except TransientError:
                self._drop(target.station_id, fresh)
                raise
        elif fresh:
            self._keep_period(target.station_id)
        return fresh

    def forget(self, station_id: str, ports: Iterable[int]) -> None:
        """Forget a control period whose first write was not carried out."""
        if self._drop(station_id, ports):
            self._keep_period(station_id)

    def _drop(self, station_id: str, ports: Iterable[int]) -> bool:
        known = self._before.get(station_id, {})
        gone = [port for port in ports if known.pop(port, self) is not self]
        if not known:
            self._before.pop(station_id, None)
        return bool(gone)

    def before(self, target: Target) -> dict[int, Limit | None]:
        """Port to the limit that was in force before the control period, None for nothing."""
        known = self._before.get(target.station_id, {})
        if target.port is None:
            return dict(known)
        return {port: limit for port, limit in known.items() if port == target.port}

    def load_before(self, station_id: str, port: int) -> float | None:
        """Return the load of a port before its control period, in kW; None where it is not known,
        or nothing was commanded since."""
        if port not in self._before.get(station_id, {}):
            return None
        return self._loads.get(station_id, {}).get(port)

    def end_period(self, target: Target, *, unless_restorable: bool = False) -> None:
        """Forget what was before, of ports that had something only where it was put back."""
        known = self._before.get(target.station_id)
        if known is None:
            return
        for port in self.before(target):
            if not (unless_restorable and known[port] is not None):
                del known[port]
        if not known:
            del self._before[target.station_id]
        self._keep_period(target.station_id)

    def _keep_period(self, station_id: str) -> None:
        if self._before.get(station_id) is None:
            self._loads.pop(station_id, None)
        self._stored.keep(periods=(station_id,))

    def _period(self, station_id: str) -> tuple[dict[int, Limit | None] | None, _Loads]:
        """Return what the store should have of a control period."""
        limits = self._before.get(station_id)
        loads = {p: kw for p, kw in self._loads.get(station_id, {}).items() if p in (limits or ())}
        return None if limits is None else dict(limits), loads

    def close(self) -> None:
        """Stop writing; what is under way then stays a doubt in the file."""
        self._stored.close()


def _last_s(state: CommandState) -> float:
    """Return when the last command of a target was acknowledged or sent."""
    return state.sent_s if state.doubt is None else max(state.sent_s, state.doubt.sent_s)


def _adopted(state: CommandState, now_s: float) -> CommandState:
    """Return what an earlier process commanded, as it stands now."""
    sent_s, doubt = state.sent_s, state.doubt
    deadline_s, lease_until_s = state.deadline_s, state.lease_until_s
    if sent_s > now_s:
        # The clock was set back. When it ends is unknown, so it is renewed at once.
        sent_s = now_s - state.options.minutes * 30
        # Of deadline and lease as much is left as there was then, at most.
        left_s = state.sent_s - now_s
        deadline_s = None if deadline_s is None else deadline_s - left_s
    if lease_until_s is not None:
        lease_until_s = min(lease_until_s, now_s + state.options.lease_s)
    note = state.note
    if doubt is not None and not doubt.sending:
        # Noted, and never handed to the backend: nothing was sent.
        note = f"{describe(doubt.limit)} was noted and never sent: the driver was stopped before"
        doubt = None
    if doubt is not None:
        doubt = replace(doubt, sent_s=min(doubt.sent_s, now_s), adopted=True)
    expired = state.limit is not None and (
        state.expired or replace(state, sent_s=sent_s).ends_s <= now_s
    )
    never = not state.commanded_s and doubt is None and state.doubt is not None
    return replace(
        state,
        sent_s=sent_s,
        waits_s=now_s,
        retry_s=0.0,
        seen=state.seen and state.limit is None,
        adopted=state.limit is not None,
        expired=expired,
        failed=state.failed or never,
        note="it ran out while the driver was not running" if expired else note,
        doubt=doubt,
        deadline_s=deadline_s,
        lease_until_s=lease_until_s,
    )
