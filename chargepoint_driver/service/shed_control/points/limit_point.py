"""The point `limit`: the limit that applies now in kW, else the rated power.

Generic agents read a value, write their own, and write the first one back. `allowedLoad` reads 0
where nothing is limited, and 0 written to it stops charging. `limit` has one meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord, Unreadable
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.points.ratings import Ratings
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.reported_state import (
    PortReport,
    Report,
    report_of,
)
from chargepoint_driver.service.shed_control.sending.dispatcher import STATE_CURRENCY_S, Dispatcher
from chargepoint_driver.text import get_logger

__all__ = ["LIMIT", "LimitPoint"]

_log = get_logger(__name__)

LIMIT = "limit"
# Sums of ratings, and numbers that crossed JSON.
_NOTHING_KW = 1e-6
# Shares of a group's total are rounded down.
_ROUNDED_KW = 0.01


class LimitPoint:
    """Reads the point, and checks what a write of it means. Sends nothing."""

    def __init__(self, commands: Dispatcher, group_controller: GroupController) -> None:
        self._commands = commands
        self._command_log = commands.command_log
        self._groups = group_controller
        self.ratings = Ratings(commands.cache)

    # ---- reading -------------------------------------------------------------------------

    def value(self, target: Target, record: StationRecord) -> float | None:
        """Return what applies at a station or port, in kW. `record` is of the load.

        The limit in force; the rated power where none is; 0 only where charging is stopped. A
        command of ours that is not reported yet counts from when it is acknowledged until
        `shed_confirm_timeout`. None where the limit, or the rated power, is not reported.
        Raises the error of the station list where only that could say.
        """
        report = report_of(target, record)
        if target.port is not None:
            return self._port_kw(target, report.ports[target.port], record)
        own = self._command_log.state_of(target)
        if own is not None and own.doubt is None:
            if own.limit is None and self._is_pending(own, report):
                return self.ratings.of_station(target.station_id)
            kw = self._commanded_kw(own)
            if kw is not None and (self._is_pending(own, report) or _shows(own, report)):
                return kw
        return self._sum_kw(
            self._port_kw(Target(target.station_id, port), found, record)
            for port, found in report.ports.items()
        )

    def value_of_group(self, group: str, records: Mapping[str, StationRecord]) -> float | None:
        """Return what applies to all stations of a group together, in kW; None and errors as
        `value`."""
        self.ratings.load(records)
        total_kw = self._sum_kw(
            self.value(Target(station), record) for station, record in records.items()
        )
        state = self._groups.state_of(group)
        if state is None or state.doubt is not None or not state.wanted or total_kw is None:
            return total_kw
        kw = self._commanded_kw(state)
        near = kw is not None and abs(kw - total_kw) <= _ROUNDED_KW * len(records)
        return kw if near else total_kw

    @staticmethod
    def _sum_kw(parts: Iterable[float | None]) -> float | None:
        found = list(parts)
        known = [kw for kw in found if kw is not None]
        return sum(known) if known and len(known) == len(found) else None

    def _port_kw(self, port: Target, report: PortReport, record: StationRecord) -> float | None:
        """Return what applies at a port of a station."""
        assert port.port is not None
        own, state = self._command_log.state_of(port), self._command_log.covering(port)
        whole = report_of(port if own is state else Target(port.station_id), record)
        pending = state is not None and state.doubt is None and self._is_pending(state, whole)
        if pending and state is not None and state.limit is None:
            return self.ratings.of_port(port.station_id, port.port)
        # A total of the station does not limit one of its ports.
        commanded_kw = None if state is None or state is not own else self._commanded_kw(state)
        if pending and commanded_kw is not None:
            return commanded_kw
        if report.shed is False:
            return self.ratings.of_port(port.station_id, port.port)
        if not report.shed:
            return None
        if report.percent and not report.allowed_kw:
            ours = state is not None and state.wanted and _shows(state, whole)
            return 0.0 if report.percent == 100 else commanded_kw if ours else None
        # Chargers that connect directly may keep to another limit than they were asked for.
        kw = report.allowed_kw
        return _number(record.of_port(port.port).get("effectiveLoad")) if kw is None else kw

    def _is_pending(self, state: CommandState, report: Report) -> bool:
        """Return True if a command of ours was acknowledged, is not yet reported, and may still
        be."""
        if not state.commanded_s or state.failed or state.expired or state.contested:
            return False
        now_s = self._commands.time_s()
        if state.seen or state.tries or now_s > state.confirm_s or now_s >= state.ends_s:
            return False
        return not (report.is_clear if state.limit is None else _shows(state, report))

    def _commanded_kw(self, state: CommandState) -> float | None:
        """Return the limit of a command in kW; None if only the charger knows it."""
        if state.limit is None:
            return None
        if state.limit.allowed_load_kw is not None:
            return state.limit.allowed_load_kw
        if state.ceiling_kw is not None or self._commands.watch.is_direct:
            return state.ceiling_kw
        return 0.0  # a percentage of an idle port: the service keeps it at zero

    # ---- writing -------------------------------------------------------------------------

    def is_release(self, target: Target, kw: float) -> bool:
        """Return True if a write asks for no limit: the rated power or more. False where the rated
        power is not known: a limit above it limits nothing either."""
        try:
            rated_kw = self._rated_kw(target)
        except ChargePointError as error:
            _log.warning("%s: the rated power is not known: %s", target, error)
            return False
        return rated_kw is not None and kw >= rated_kw - _NOTHING_KW

    def _rated_kw(self, target: Target) -> float | None:
        if target.group is not None:
            stations = self._groups.members.members(target.group)
            self.ratings.load(stations)
            return self._sum_kw(self.ratings.of_station(station) for station in stations)
        if target.port is not None:
            return self.ratings.of_port(target.station_id, target.port)
        return self.ratings.of_station(target.station_id)

    def may_be_limited(self, target: Target) -> bool:
        """Return True if something limits the target, as far as is known: ours, or what is
        reported."""
        if target.group is not None:
            stations = self._groups.members.members(target.group)
            if self._groups.is_wanted(target.group):
                return True
        else:
            stations = frozenset({target.station_id})
        now_s = self._commands.time_s()
        for station in stations:
            for other, state in self._command_log.of_station(station).items():
                reaches = target.port is None or other.port in (target.port, None)
                if reaches and (state.doubt is not None or (state.wanted and now_s < state.ends_s)):
                    return True
        for station, record in self._commands.records(stations, STATE_CURRENCY_S).items():
            if isinstance(record, ChargePointError):
                return True
            try:
                report = report_of(Target(station, target.port), record)
            except ChargePointError:
                return True
            if not report.is_clear:
                return True
        return False


def _shows(state: CommandState, report: Report) -> bool:
    return state.limit is not None and report.shows(state.limit, state.ceiling_kw)


def _number(value: object) -> float | None:
    if isinstance(value, (bool, Unreadable)) or not isinstance(value, (int, float)):
        return None
    return float(value)
