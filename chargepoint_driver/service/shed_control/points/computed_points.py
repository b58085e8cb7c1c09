"""Values of the points that this driver computes.

What was commanded, what the service reports and the resulting status are kept apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.cache import Key, Outcome
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord, Value
from chargepoint_driver.registry import Point
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.points.limit_point import LIMIT, LimitPoint
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    clock_time,
    station_status,
)
from chargepoint_driver.service.shed_control.records.reported_state import Report, report_of
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.sending.staging import Staging
from chargepoint_driver.service.shed_control.supervision.leases import Leases
from chargepoint_driver.service.shed_control.writers import Writers

__all__ = ["LEASE", "ComputedPoints"]

_STATUS = ("shedStatus", "shedReason")
_SUMS = ("siteLoad", "siteHeadroom", "measuredReduction", LIMIT)
LEASE = "commandLease"
_OF_LIMIT = {"commandedLoad": "allowed_load_kw", "commandedPercent": "percent_shed"}
_OF_STAGED = {"stagedLoad": "allowed_load_kw", "stagedPercent": "percent_shed"}
# What is known without a report.
_UNREPORTED = {*_OF_LIMIT, *_OF_STAGED, "commandedTime", "shedEnds", LEASE}


class ComputedPoints:
    """Points of stations, ports and station groups whose values are no attribute of a reply."""

    def __init__(
        self,
        commands: Dispatcher,
        groups: GroupController,
        *,
        leases: Leases,
        limit_point: LimitPoint,
        staging: Staging,
        writers: Writers,
    ) -> None:
        self._commands = commands
        self._command_log = commands.command_log
        self._cache = commands.cache
        self._groups = groups
        self._leases = leases
        self._limit_point = limit_point
        self._staging = staging
        self._writers = writers
        # The record, the port and the report that was last made of them.
        self._newest_report: tuple[StationRecord | None, int | None, Report | None] = (
            None,
            None,
            None,
        )

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
            return self._limit_point.value(target, record)
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
        status, why = station_status(
            target, state, of_station, report, self._commands.time_s(), load_of
        )
        return status.value if name == "shedStatus" else self._with_staged(target, why)

    def _with_staged(self, target: Target, why: str) -> str:
        """Return the reason of a status, with who wrote, and what is staged and not sent."""
        said = why, self._writers.describe(target), self._staging.describe(target)
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
            return self._limit_point.value_of_group(group, records)
        if name == "allowedLoad":
            return self._groups.members.allowed_kw(records)
        return self._of_report(name, state, self._groups.members.report(records))

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
        if name == LEASE:
            return self._leases.seconds(target, state)
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
        if state is None or not state.wanted or self._commands.time_s() >= state.ends_s:
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
