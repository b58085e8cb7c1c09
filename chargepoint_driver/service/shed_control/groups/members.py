"""Members of a station group, and reports of the whole group. Sends no command."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError, NotFoundError
from chargepoint_driver.records import StationRecord, Unreadable
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    Status,
    describe,
    most_severe,
    station_status,
)
from chargepoint_driver.service.shed_control.records.reported_state import Report, report_of
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher

__all__ = ["GroupMembers"]

# How old the station list may be that shows which stations joined or left a limited group.
_MEMBER_CURRENCY_S = 900.0


class GroupMembers:
    """The groups of one account, as they are."""

    def __init__(self, commands: Dispatcher) -> None:
        self._commands = commands
        self._command_log = commands.command_log

    def members(self, group: str) -> frozenset[str]:
        """Return the stations of the group, and those that hold a share of its total."""
        state = {target.station_id for target in self._command_log.of_group(group)}
        return self._commands.cache.members(group) | state

    def current_members(self, group: str) -> frozenset[str]:
        """Return the present members. A station that has a share and is missing from a reply has
        left only if the station list shows it: the others may not get its share before."""
        known = self.members(group)
        cache = self._commands.cache
        asked = {cache.key(Data.STATIONS, station): _MEMBER_CURRENCY_S for station in known}
        gone = set()
        for (_, station), outcome in cache.get(asked).items():
            if outcome.record is not None:
                text = outcome.record.values.get("sgID")
                groups = {each.strip() for each in str(text or "").split(",")}
                # Groups that cannot be read do not say that it has left.
                if group not in groups and not isinstance(text, Unreadable):
                    gone.add(station)
            elif isinstance(outcome.error, NotFoundError):
                gone.add(station)
        return self.members(group) - gone

    def records(
        self, group: str, currency_s: float, members: Iterable[str] | None = None
    ) -> dict[str, StationRecord]:
        """Return what is reported of every station of the group. Raises the first error there
        is: a group without one of its stations is not the group."""
        found: dict[str, StationRecord] = {}
        stations = self.members(group) if members is None else members
        for station, outcome in self._commands.outcomes(stations, currency_s).items():
            if outcome.record is None:
                raise outcome.error or ChargePointError(f"{station}: the load is not known")
            found[station] = outcome.record
        return found

    def allowed_kw(self, records: Mapping[str, StationRecord]) -> float | None:
        """Return the sum of the stations' limits that are reported; None unless each has one."""
        total_kw = 0.0
        for station, record in records.items():
            report = report_of(Target(station), record)
            state = self._command_log.state_of(Target(station))
            own_kw = None if state is None or state.limit is None else state.limit.allowed_load_kw
            # A station's limit may be reported once for each port.
            shown = own_kw is not None and report.shows(Limit(allowed_load_kw=own_kw), None)
            kw = own_kw if shown else report.allowed_kw
            if kw is None:
                return None
            total_kw += kw
        return total_kw

    def report(self, records: Mapping[str, StationRecord]) -> Report:
        """All ports of a group's stations, numbered through."""
        ports = [
            port
            for station, record in sorted(records.items())
            for port in report_of(Target(station), record).ports.values()
        ]
        return Report(dict(enumerate(ports, start=1)))

    def check_load(
        self,
        group: str,
        state: CommandState,
        records: Mapping[str, StationRecord],
        alerts: Alerts,
    ) -> None:
        """Judge the load of all stations together, and raise an alert where it is violated."""
        whole, watch = Target("", group=group), self._commands.watch
        shares = self._command_log.of_group(group)
        if not all(each.wanted and each.seen for each in shares.values()):
            return  # not all of it is in force
        replied = functools.partial(self._commands.cache.replied, Data.LOAD)
        watch.observe_group(whole, state, self.report(records), records, replied)
        load = watch.loads.of(whole)
        if load is not None and load.violated:
            what = f"{describe(state.limit, state.ceiling_kw)} is violated: {load}"
            alerts.raise_(whole, what, About.LOAD)
        elif load is not None and load.obeyed:
            found = [watch.loads.of(target) for target in shares]
            if not any(each is not None and each.violated for each in found):
                alerts.resolved(whole, About.LOAD)

    def status(
        self, group: str, state: CommandState | None, records: Mapping[str, StationRecord]
    ) -> tuple[Status, str]:
        """Return (the status, why) of a group, out of those of its stations. `held` is what was
        commanded of the group; None when nothing was."""
        now_s, loads = self._commands.time_s(), self._commands.watch.loads
        each: dict[str, tuple[Status, str]] = {}
        for station, record in sorted(records.items()):
            target, own = Target(station), self._command_log.of_station(station)
            report = report_of(target, record)
            status, why = station_status(target, own.get(target), own, report, now_s, loads.of)
            if state is not None and state.wanted and status in (Status.NONE, Status.RELEASED):
                # A station without a share of a total that is wanted is not held yet.
                status, why = Status.PENDING, "has no share yet"
            each[station] = status, why
        load = loads.of(Target("", group=group))
        if state is not None and state.wanted and load is not None and load.violated:
            each["all stations together"] = Status.VIOLATED, f"{describe(state.limit)}: {load}"
        if state is not None and state.limit is None and state.note:
            # Why the group was set free: its time or its lease is over.
            status, why = most_severe(each)
            return status, f"{state.note}; {why}" if why else state.note
        return most_severe(each)
