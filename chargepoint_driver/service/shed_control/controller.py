"""Writes and what is said of them: staging, shedding, clearing, reverting; the three truths.

A limit that is written is staged; `shedState` 1 sends it, and while a shed is in force a new
limit goes out at once. What was commanded, what the service reports and the resulting status
are kept apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from chargepoint_driver.backend import Backend, Limit, Target
from chargepoint_driver.cache import DirectCache, Key, Outcome, SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError, InvalidValueError, RefusedError
from chargepoint_driver.records import StationRecord, Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service.shed_control import validation
from chargepoint_driver.service.shed_control.alerts import Alerts
from chargepoint_driver.service.shed_control.command_log import CommandLog
from chargepoint_driver.service.shed_control.command_state import (
    CommandState,
    clock_time,
    judge_station,
)
from chargepoint_driver.service.shed_control.command_store import CommandStore
from chargepoint_driver.service.shed_control.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.leases import Leases
from chargepoint_driver.service.shed_control.limit_point import LIMIT, LimitPoint
from chargepoint_driver.service.shed_control.load_shed_events import Events
from chargepoint_driver.service.shed_control.owners import Owners
from chargepoint_driver.service.shed_control.reported_state import Report, report_of
from chargepoint_driver.service.shed_control.revert import revert
from chargepoint_driver.service.shed_control.shed_counts import ShedCounts
from chargepoint_driver.service.shed_control.staging import Staging
from chargepoint_driver.service.shed_control.supervisor import ShedSupervisor
from chargepoint_driver.service.shed_control.validation import ShedOptions
from chargepoint_driver.service.shed_control.warnings import warnings_of
from chargepoint_driver.service.shed_control.writers import Writers
from chargepoint_driver.service.shed_control.zero import RestoredZero

__all__ = ["ShedController"]

_STATUS = ("shedStatus", "shedReason")
_SUMS = ("siteLoad", "siteHeadroom", "measuredReduction", LIMIT)
_LEASE = "commandLease"
_OF_LIMIT = {"commandedLoad": "allowed_load_kw", "commandedPercent": "percent_shed"}
_OF_STAGED = {"stagedLoad": "allowed_load_kw", "stagedPercent": "percent_shed"}
# What is known without a report.
_UNREPORTED = {*_OF_LIMIT, *_OF_STAGED, "commandedTime", "shedEnds", _LEASE}


class ShedController:
    """The writes of one account, and what is known of them."""

    def __init__(
        self,
        backend: Backend,
        cache: SharedCache | DirectCache,
        limit_s: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        now: Callable[[], float] = time.time,
        store: CommandStore | None = None,
    ) -> None:
        """`limit_s` is how long one write may be waited for; `clock` gives seconds that never
        jump, `now` the time of day at the start; `store` keeps commands over a restart."""
        epoch_s = now() - clock()

        def time_s() -> float:
            return epoch_s + clock()

        self._backend = backend
        self._cache = cache
        self._time_s = time_s
        self._command_log = CommandLog(time_s, store)
        self._commands = Dispatcher(backend, cache, self._command_log, limit_s, time_s)
        self.alerts = Alerts(self._command_log)
        self.on_shed: Callable[[Mapping[Target, CommandState | None]], None] | None = None
        self._command_log.on_change = self._tell_sheds
        self._groups = GroupController(self._commands, self.alerts)
        self.events = Events(self._commands)
        self.leases = Leases(self._commands, self._groups)
        self.owners = Owners(self._commands, self._groups, self.alerts)
        self.writers = Writers(self._command_log, self.alerts, time_s, store)
        self._zero = RestoredZero(self._commands, self.alerts)
        self.counts = ShedCounts(self._command_log, cache, self._commands.watch.loads.of, time_s)
        self.staging = Staging(self._command_log, self.alerts)
        self.limit_point = LimitPoint(self._commands, self._groups)
        self.supervisor = ShedSupervisor(self._commands, self._groups, self.alerts, self.staging)
        # The record, the port and the report that was last made of them.
        self._newest_report: tuple[StationRecord | None, int | None, Report | None] = (
            None,
            None,
            None,
        )

    def take_over(
        self, files: Iterable[Path], wanted: Collection[Target], patience: int = 0
    ) -> None:
        """Keep up the limits of the stations and groups of `wanted` that another process of this
        machine commanded for the same account and has left in its file."""
        self._command_log.take_over(files, wanted, patience)

    def _tell_sheds(self, news: Mapping[Target, CommandState | None]) -> None:
        if self.on_shed is not None:
            self.on_shed(news)

    def close(self) -> None:
        self.supervisor.stop()
        self._command_log.close()

    # ---- writing -------------------------------------------------------------------------

    def write(self, point: Point, value: object, options: ShedOptions) -> bool:
        """Carry out a write, and note who wrote. True when something was sent, False when it was
        only staged.

        Raises InvalidValueError before anything is sent or staged; the errors of the backend when
        the command fails, and then what was staged and commanded before stands. After
        OutcomeUnknownError the command is looked for in what the service reports.
        """
        name, target = point.attribute.name, point.target
        try:
            sent = self._write(point, value, options)
        except ChargePointError as error:
            self.writers.record(target, name, value, options.writer, error.code)
            raise
        self.writers.record(target, name, value, options.writer, "sent" if sent else "staged")
        return sent

    def _write(self, point: Point, value: object, options: ShedOptions) -> bool:
        if not point.writable:
            raise InvalidValueError(f"{point.name} ({point.attribute.name}) can only be read")
        name = point.attribute.name
        target = point.target
        if name == "clearAlarms":
            return self._clear_alarms(point, value)
        options = self.leases.options(target, options)
        if name == _LEASE:
            seconds = validation.check_lease(point.name, value)
            with self._lock_of(target):
                self.leases.write(target, seconds, options)
            return True
        if name == "shedState":
            on = validation.as_bool(point, value)
            with self._lock_of(target):
                self.leases.renew(target, options)
                if on:
                    limit = self._wanted_limit(point)
                    if not self.leases.keeps(target, limit, options):
                        self._command(target, limit, options)
                else:
                    self._command(target, None, options)
                    self._command_log.end_period(target, unless_restorable=True)
            return True
        return self._write_limit(point, value, options)

    def _write_limit(self, point: Point, value: object, options: ShedOptions) -> bool:
        name, target = point.attribute.name, point.target
        if name not in validation.LIMITS:
            raise InvalidValueError(f"{point.name} ({name}) can only be read")
        limit = validation.LIMITS[name](point, value)
        releases = False
        if name == LIMIT:
            options = replace(options, on_write=True)
            releases = self.limit_point.is_release(target, limit.allowed_load_kw or 0.0)
        elif limit.allowed_load_kw == 0 and options.zero != "stop":
            if options.zero == "refuse":
                raise validation.refuse_zero(point.name)
            releases = True
        with self._lock_of(target):
            self.leases.renew(target, options)
            if releases:
                self._release(target, options)
                return True
            sent = options.on_write or self._in_force(target)
            if not sent:
                self.staging.stage(target, limit, options, self._time_s())
            elif not self.leases.keeps(target, limit, options):
                self._command(target, limit, options)
            # One limit replaces the other kind: allowedLoad empties percentShed and back.
            self._command_log.staged[target] = limit
            return sent

    def _release(self, target: Target, options: ShedOptions) -> None:
        """Clear what limits a target; sends nothing where nothing does. What was staged is
        forgotten."""
        if self.limit_point.may_be_limited(target):
            self._command(target, None, options)
            self._command_log.end_period(target, unless_restorable=True)
        self.staging.drop(target)

    def _wanted_limit(self, point: Point) -> Limit:
        limit = self.staged(point.target)
        if limit is None:
            raise InvalidValueError(
                f"{point.name}: no limit was ever written for {point.target}; write allowedLoad "
                "(kW) or percentShed first"
            )
        return limit

    def _clear_alarms(self, point: Point, value: object) -> bool:
        if not validation.as_bool(point, value):
            return False
        station = Target(point.station_id)
        with self._lock_of(station):
            self._commands.send_once(
                lambda: self._backend.clear_alarms(point.station_id), Data.ALARMS, station
            )
        return True

    def _command(self, target: Target, limit: Limit | None, options: ShedOptions) -> None:
        with self._zero.watching(target, limit):
            self._send(target, limit, options)
        self._command_log.unsent.pop(target, None)
        if limit is None:
            self.writers.end_turns(target)
        else:
            self.writers.take_turn(target, options.writer)

    def _send(self, target: Target, limit: Limit | None, options: ShedOptions) -> None:
        if target.group is not None:
            self._groups.command(target.group, limit, options)
            return
        group = self._groups.holding(target.station_id)
        if group is not None:
            raise RefusedError(
                f"{target} is held as part of {Target('', group=group)}, whose total it would "
                "break; write the group, or clear it first. Nothing was sent"
            )
        self._commands.command(target, limit, options)

    def _in_force(self, target: Target) -> bool:
        """Return True if a shed is in force: ours, or one that the service reports."""
        if target.group is not None:
            return self._groups.is_wanted(target.group)
        now_s = self._time_s()
        for other, state in self._command_log.of_station(target.station_id).items():
            reaches = target.port is None or other.port in (target.port, None)
            doubted = state.doubt is not None and state.doubt.limit is not None
            if reaches and (doubted or (state.wanted and now_s < state.ends_s)):
                return True
        # Where that is unknown the write fails whole.
        return self._commands.report(target).is_shed

    def warnings(
        self, point: Point, value: object, *, ask: bool, options: ShedOptions | None = None
    ) -> list[str]:
        """Return what a write costs that its writer may not mean, in sentences; nothing is refused.
        Called before the write; `ask`: what is not known may be asked for."""
        zero = (options or ShedOptions()).zero
        found = warnings_of(self._commands, point, value, ask=ask, zero=zero)
        if point.attribute.name in (*validation.LIMITS, "shedState") and options is not None:
            replaced = self.writers.replaced(point.target, options.writer)
            found += [replaced] if replaced else []
        return found

    # ---- taking back ---------------------------------------------------------------------

    def revert(self, point: Point, writer: str = "") -> bool:
        """Put back what was in force before the first write of the control period, or clear
        where nothing was; True when a command was sent. Staged limits are forgotten. The audit
        has it under `writer`, unless there was nothing to revert."""
        if point.attribute.data is not Data.LOAD:
            return False
        name, target = point.attribute.name, point.target
        try:
            sent = self._revert(target)
        except ChargePointError as error:
            self.writers.record(target, name, "revert", writer, error.code)
            raise
        if sent:
            self.writers.record(target, name, "revert", writer, "sent")
        return sent

    def _revert(self, target: Target) -> bool:
        with self._lock_of(target):
            self.staging.drop(target)
            if target.group is not None:
                return self._groups.revert(target.group)
            if self._groups.holding(target.station_id) is not None:
                return False
            sent = revert(self._commands, target)
            self._zero.forget(target)
            self.writers.end_turns(target)
            return sent

    def _lock_of(self, target: Target) -> AbstractContextManager[None]:
        """Writes to one station, or group, follow each other."""
        return self._commands.station_locks.of(target.station_id or str(target))

    # ---- what is known -------------------------------------------------------------------

    def staged(self, target: Target) -> Limit | None:
        """Return the limit that shedState 1 would send; None when none was written."""
        found = self._command_log.staged.get(target)
        state = (
            self._groups.state_of(target.group)
            if target.group
            else self._command_log.state_of(target)
        )
        if found is None and state is not None and state.wanted:
            return state.limit
        return found

    def needs_report(self, point: Point) -> bool:
        """Return True if `value_of` needs what the service reports."""
        return point.attribute.name not in _UNREPORTED

    def value_of(self, point: Point, record: StationRecord | None) -> Value:
        """Return the value of an attribute that this driver answers itself, for a station or a
        port.

        `record` is what is reported of the load; None where `needs_report` is False. Raises
        NotFoundError for a port that it lacks, and for a sum without one.
        """
        name = point.attribute.name
        target = point.target
        state = self._command_log.covering(target)
        own = None if state is None else self._command_log.state_of(target)
        is_of_station = state is not None and state is not own
        if record is None or name in _UNREPORTED:
            if is_of_station and name == "commandedLoad":
                return None  # a total for all ports does not limit one of them
            return self._commanded(name, state, target)
        if target.port is None and name in _SUMS:
            self._commands.check_is_whole(record)
        if name == LIMIT:
            return self.limit_point.value(target, record)
        report = self._report(target, record)
        if name == "measuredReduction":
            return self._reduction(state, {target.station_id: report})
        if name not in _STATUS:
            return self._of_report(name, None if is_of_station else state, report)
        if own is not None and own.doubt is not None:
            state = own
        elif is_of_station:
            # A port under its station's command: only all ports together show that.
            report = self._report(Target(target.station_id), record)
        of_station = self._command_log.of_station(target.station_id)
        load_of = self._commands.watch.loads.of
        status, why = judge_station(target, state, of_station, report, self._time_s(), load_of)
        return status.value if name == "shedStatus" else self._with_staged(target, why)

    def _with_staged(self, target: Target, why: str) -> str:
        """Return the reason of a status, with who wrote, and what is staged and not sent."""
        said = why, self.writers.describe(target), self.staging.describe(target)
        return "; ".join(filter(None, said))

    def _report(self, target: Target, record: StationRecord) -> Report:
        """Return `report_of`; the points of one target are read one after the other."""
        known, port, report = self._newest_report
        if known is not record or port != target.port or report is None:
            report = report_of(target, record)
            self._newest_report = record, target.port, report
        return report

    def value_of_group(self, point: Point, records: Mapping[str, StationRecord] | None) -> Value:
        """Return the value of an attribute for a station group, out of what is reported of its
        stations; None where `needs_report` is False."""
        name, group = point.attribute.name, point.target.group
        assert group is not None
        state = self._groups.state_of(group)
        if records is None or not self.needs_report(point):
            return self._commanded(name, state, point.target)
        if name == "measuredReduction":
            reports = {each: report_of(Target(each), record) for each, record in records.items()}
            return self._reduction(state, reports)
        if name in _STATUS:
            status, why = self._groups.members.status(group, state, records)
            return status.value if name == "shedStatus" else self._with_staged(point.target, why)
        if name == LIMIT:
            return self.limit_point.value_of_group(group, records)
        if name == "allowedLoad":
            return self._groups.members.allowed_kw(records)
        return self._of_report(name, state, self._groups.members.report(records))

    def observe(self, data: Data, record: StationRecord, age_s: float) -> None:
        """Take in what a read brought: what it shows of a limit is acted on at once."""
        if data is Data.LOAD:
            self._commands.observe(record, age_s)

    def outcomes_of_group(
        self, group: str, currencies_s: Sequence[float], outcomes: Mapping[Key, Outcome]
    ) -> dict[str, Outcome]:
        """Return what is reported of every station of a group, for readers of these currencies.

        Raises the error of a station that has failed in `outcomes` for all of them: it is not
        asked for again.
        """
        members = self._groups.members.members(group)
        keys = {each: self._cache.key(Data.LOAD, each) for each in members}
        known = {each: outcomes[key] for each, key in keys.items() if key in outcomes}
        failed = {each: outcome for each, outcome in known.items() if outcome.error is not None}
        for _, outcome in sorted(failed.items()):
            if outcome.error is not None and outcome.within(max(currencies_s)) is None:
                raise outcome.error
        asked = self._commands.outcomes(members - failed.keys(), min(currencies_s))
        return failed | asked

    def records_of_group(
        self, outcomes: Mapping[str, Outcome], currency_s: float
    ) -> tuple[dict[str, StationRecord], float]:
        """Return (the records of a group's stations, the age in seconds of the oldest of them).
        Raises when one is missing or older, or one of its ports is missing."""
        records: dict[str, StationRecord] = {}
        for station, outcome in sorted(outcomes.items()):
            record = outcome.within(currency_s)
            if record is None:
                raise outcome.error or ChargePointError(f"{station}: the load is not known")
            self._commands.check_is_whole(record)
            records[station] = record
        return records, max((outcome.age_s or 0.0 for outcome in outcomes.values()), default=0.0)

    def _commanded(self, name: str, state: CommandState | None, target: Target) -> Value:
        if name in _OF_STAGED:
            staged = (
                self._command_log.staged.get(target) if target in self._command_log.unsent else None
            )
            return None if staged is None else getattr(staged, _OF_STAGED[name])
        if name == _LEASE:
            return self.leases.seconds(target, state)
        limit = self._limit(state)
        if name in _OF_LIMIT:
            return None if limit is None else getattr(limit, _OF_LIMIT[name])
        if name == "shedEnds":
            group = state and state.group and self._groups.state_of(state.group)
            ends_s = math.inf if limit is None or state is None else (group or state).stops_s
            return clock_time(ends_s) if math.isfinite(ends_s) else None
        return clock_time(state.commanded_s) if state is not None and state.commanded_s else None

    def _limit(self, state: CommandState | None) -> Limit | None:
        """Return what is commanded and has not run out."""
        if state is None or not state.wanted or self._time_s() >= state.ends_s:
            return None
        return state.limit

    def _reduction(self, state: CommandState | None, reports: Mapping[str, Report]) -> float | None:
        """Return the load before the control period minus that of now, in kW; None unless both are
        known of every port, and a limit is in force."""
        if self._limit(state) is None and not any(
            self._limit(self._command_log.covering(Target(station, port))) is not None
            for station, report in reports.items()
            for port in report.ports
        ):
            return None
        total_kw = 0.0
        for station, report in reports.items():
            for port, found in report.ports.items():
                before_kw = self._command_log.load_before(station, port)
                if before_kw is None or found.load_kw is None:
                    return None
                total_kw += before_kw - found.load_kw
        return round(total_kw, 6) if reports else None

    def _of_report(self, name: str, state: CommandState | None, report: Report) -> Value:
        if name == "siteLoad":
            return report.load_kw
        if name == "siteHeadroom":
            limit = self._limit(state)
            if limit is None or state is None or report.load_kw is None:
                return None
            most_kw = limit.allowed_load_kw
            if most_kw is None:
                most_kw = state.ceiling_kw
            return None if most_kw is None else most_kw - report.load_kw
        if name == "shedState":
            return 1 if report.is_shed else 0 if report.is_clear else None
        if name == "percentShed":
            percents = {port.percent for port in report.ports.values()}
            return percents.pop() if len(percents) == 1 else None
        raise ChargePointError(f"{name} has no meaning for a station group")
