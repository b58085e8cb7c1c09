"""Watches each new report of the load for limits in force.

A poll that shows a lost, replaced or violated limit makes it due at once: `ShedSupervisor` acts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service.shed_control.records.command_log import CommandLog
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.measured import Load, Loads, Measured
from chargepoint_driver.service.shed_control.records.reported_state import Report, report_of

__all__ = ["ShedWatch"]

EFFECT_S = 300.0
"""How long a limit may take to take effect where the backend does not say: ChargePoint's API
guide gives five minutes for a shed."""
# How often a load is looked for that no poll brings, and how long at most.
_LOOK_S = 60.0
_MAX_LOOK_S = 900.0


class ShedWatch:
    """Judges the loads of one account's commanded targets."""

    def __init__(
        self,
        command_log: CommandLog,
        time_s: Callable[[], float],
        effect_s: float,
        look_s: float | None,
    ) -> None:
        """`effect_s`: how long a limit may take to take effect. `look_s`: how often loads are
        looked at for as long as a limit lasts, where that costs no call; None: it costs one."""
        self.loads = Loads()
        self.effect_s = effect_s
        self._command_log = command_log
        self._time_s = time_s
        self._due_in_s = look_s
        self.is_direct = look_s is not None  # then a limit takes effect within a poll
        self._lock = threading.Lock()
        self._urgent: set[Target] = set()

    def observe(self, record: StationRecord, age_s: float, replied: float | None) -> None:
        """Take in what is reported of the load of one station, `age_s` seconds ago. `replied`
        tells the reply from others."""
        state = self._command_log.of_station(record.station_id)
        if not state:
            return
        doubted = [target for target, each in state.items() if each.doubt is not None]
        for target, each in state.items():
            if not each.wanted or any(_is_crossing(target, other) for other in doubted):
                continue
            try:
                report = report_of(target, record)
            except ChargePointError:
                continue
            self._observe(target, each, report, marks_of(record, target.port, replied), age_s)

    def observe_group(
        self,
        target: Target,
        state: CommandState | None,
        report: Report,
        records: Mapping[str, StationRecord],
        replied: Callable[[str], float | None],
    ) -> None:
        """Take in the report of all stations of a group. `replied` tells each one's reply."""
        if state is not None and state.wanted and state.doubt is None:
            marks = tuple(
                mark
                for station, record in records.items()
                for mark in marks_of(record, None, replied(station))
            )
            limit_kw = _limit_kw(state, report)
            self._check_load(target, state, report.load_kw, marks, 0.0, limit_kw=limit_kw)

    def _observe(
        self,
        target: Target,
        state: CommandState,
        report: Report,
        marks: tuple[object, ...],
        age_s: float,
    ) -> None:
        if state.contested:
            self.loads.forget(target)
        before = self.loads.of(target)
        assert state.limit is not None
        limit_kw = _limit_kw(state, report)
        shown = report.shows(state.limit, state.ceiling_kw)
        # What no report shows is not in force, and the load need not obey it.
        counts = (shown or report.is_shed) and not state.contested
        load = self._check_load(
            target, state, report.load_kw, marks, age_s, limit_kw=limit_kw, counts=counts
        )
        known = bool(report.ports) and all(port.shed is not None for port in report.ports.values())
        # A contested one waits for the other limit to go.
        lost = known and state.seen and not shown and not state.contested
        is_free = state.contested and (shown or report.is_clear)
        changed = load is not None and load.violated != (before is not None and before.violated)
        if lost or is_free or changed:
            with self._lock:
                self._urgent.add(target)
            self._command_log.changed.set()

    def _check_load(
        self,
        target: Target,
        state: CommandState,
        load_kw: float | None,
        marks: tuple[object, ...],
        age_s: float,
        *,
        limit_kw: float,
        counts: bool = True,
    ) -> Load | None:
        return self.loads.observe(
            target,
            limit_kw,
            state.options.most_kw(limit_kw),
            Measured(load_kw, marks),
            counts=counts and self._time_s() - age_s >= self._since_s(state) + self.effect_s,
        )

    @staticmethod
    def _since_s(state: CommandState) -> float:
        return state.since_s or state.commanded_s

    # ---- what is due ---------------------------------------------------------------------

    def take_urgent(self) -> set[Target]:
        """Return the targets that a report showed something new of, since this was asked last."""
        with self._lock:
            found, self._urgent = self._urgent, set()
        return found

    def due_s(self, target: Target, state: CommandState, now_s: float, looked_s: float) -> float:
        """Return when the load of a target is to be looked at next; infinite for never. `looked_s`:
        when it was looked at last."""
        if not state.wanted or state.contested or target.group is not None:
            return math.inf
        if self._due_in_s is not None:
            return looked_s + self._due_in_s
        load = self.loads.of(target)
        if state.group is not None or (load is not None and load.obeyed):
            return math.inf  # looked at with its group, or obeyed: from here on polls show it
        begins_s = self._since_s(state) + self.effect_s
        if now_s > begins_s + _MAX_LOOK_S and (load is None or not load.violated):
            return math.inf
        return max(begins_s, looked_s + _LOOK_S)


def marks_of(record: StationRecord, port: int | None, replied: float | None) -> tuple[object, ...]:
    """Return what tells the measurements of a station (`port` None) or port from others: the times
    of the meters where they are reported, for each port that draws something; else the reply
    itself, which is one measurement however often it is read."""
    ports = record.ports if port is None else {port: record.ports.get(port, {})}
    if not any("meterTime" in values for values in ports.values()):
        return (f"{record.station_id} {replied}",)
    return tuple(
        f"{record.station_id} {number} {values.get('meterTime')} {values.get('portLoad')}"
        for number, values in ports.items()
        if values.get("portLoad")
    )


def _limit_kw(state: CommandState, report: Report) -> float:
    """Return the limit in kW that the load has to obey. A percentage of an idle port is zero,
    unless a limit is reported: chargers that connect directly take it of their rated power then."""
    assert state.limit is not None
    if state.limit.allowed_load_kw is not None:
        return state.limit.allowed_load_kw
    if state.ceiling_kw is not None:
        return state.ceiling_kw
    return sum(port.allowed_kw or 0.0 for port in report.ports.values())


def _is_crossing(target: Target, other: Target) -> bool:
    return other == target or None in (target.port, other.port)
