"""The shares of a station group's total: divided, approached, never above the total meanwhile.

What is to be raised waits until what has to be lowered is reported as lowered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    WriteRejectedError,
)
from chargepoint_driver.records import StationRecord
from chargepoint_driver.service.shed_control.groups.division import Member, divide
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.reported_state import report_of
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.validation import ShedOptions
from chargepoint_driver.text import get_logger

__all__ = ["OF_ONE_STATION", "GroupAllocator"]

_log = get_logger(__name__)

OF_ONE_STATION = (InvalidValueError, NotFoundError, PermissionDeniedError, WriteRejectedError)
"""Errors that say nothing of other stations."""

_RATED_CURRENCY_S = 86_400.0
_NOTHING_KW = 1e-6
# How much a share has to change to be worth a command, of a station's equal part and in kW.
_WORTH = 0.05
_WORTH_KW = 0.2
# Failures in a row that may be the whole service's; after them the others are left for later.
_MAX_FAILURES = 2


class GroupAllocator:
    """Divides totals and sends what changes. Callers hold the locks of all the stations."""

    def __init__(self, commands: Dispatcher) -> None:
        self._commands = commands
        self._command_log = commands.command_log

    def divide(
        self,
        group: str,
        records: Mapping[str, StationRecord],
        total_kw: float,
        options: ShedOptions,
    ) -> dict[str, float]:
        """Station to its share in kW. Raises what `divide` raises."""
        states = self._command_log.of_group(group)
        rated_kw = self._rated_kw(records) if options.division != "equal" else {}
        members = []
        for station, record in sorted(records.items()):
            own = states.get(Target(station))
            limit_kw = math.inf if own is None else own.most_kw()
            members.append(
                Member(
                    station,
                    len(record.ports),
                    report_of(Target(station), record).load_kw,
                    rated_kw.get(station),
                    limit_kw if math.isfinite(limit_kw) else None,
                )
            )
        return divide(total_kw, members, options.division, options.floor_kw)

    def _rated_kw(self, stations: Iterable[str]) -> dict[str, float]:
        """Station to the rated power of all its ports, where the station list has it."""
        cache = self._commands.cache
        keys = {cache.key(Data.STATIONS, station): _RATED_CURRENCY_S for station in stations}
        rated: dict[str, float] = {}
        for (_, station), outcome in cache.get(keys).items():
            record = outcome.record
            ports = [] if record is None else [port.get("Power") for port in record.ports.values()]
            numbers = [power for power in ports if isinstance(power, (int, float))]
            if numbers and len(numbers) == len(ports):
                rated[station] = float(sum(numbers))
        return rated

    def fit(self, shares: Mapping[str, float]) -> bool:
        """Return True if no station's share is above what it may have now: then they can be sent at
        once, in any order."""
        return all(kw <= self._most_kw(station) + _NOTHING_KW for station, kw in shares.items())

    def approach(
        self, group: str, shares: Mapping[str, float], total_kw: float, options: ShedOptions
    ) -> list[ChargePointError]:
        """Lower what is to be lowered, and raise others by what is free already; what failed.
        A station whose command is in doubt is left alone until its fate is known, and so is one
        that another controller limits."""
        run = _Run(self._commands, group, options)
        commanded_kw = {station: self._commanded_kw(station) for station in shares}
        is_over = sum(commanded_kw.values()) > total_kw + _NOTHING_KW
        settled = {station: kw for station, kw in shares.items() if not self._is_doubted(station)}
        for station, kw in settled.items():
            worth_kw = _NOTHING_KW if is_over else _worth_kw(total_kw, shares, kw)
            if kw < commanded_kw[station] - worth_kw:
                run.command(station, kw)
        free_kw = total_kw - sum(self._most_kw(station) for station in shares)
        for station, kw in settled.items():
            if free_kw <= 0:
                break
            most_kw = self._most_kw(station)
            raised_kw = math.floor(min(kw, most_kw + free_kw) * 1000 + 1e-6) / 1000
            worth_kw = _worth_kw(total_kw, shares, kw)
            if math.isfinite(most_kw) and raised_kw > most_kw + worth_kw:
                run.command(station, raised_kw)
                free_kw -= raised_kw - most_kw
        return run.failed

    def _is_doubted(self, station: str) -> bool:
        state = self._command_log.state_of(Target(station))
        return state is not None and (state.doubt is not None or state.contested)

    def _most_kw(self, station: str) -> float:
        """Return the highest limit that may be in force at a station, infinite for none."""
        state = self._command_log.state_of(Target(station))
        if state is None or state.group is None:
            return math.inf
        return state.most_kw()

    def _commanded_kw(self, station: str) -> float:
        """Return the last limit sent to a station, infinite for none."""
        state: CommandState | None = self._command_log.state_of(Target(station))
        if state is None or state.group is None or state.limit is None or state.expired:
            return math.inf
        return state.limit.allowed_load_kw or 0.0


class _Run:
    """Shares sent one after the other, and what failed of them."""

    def __init__(self, commands: Dispatcher, group: str, options: ShedOptions) -> None:
        self._commands = commands
        self._group = group
        # The division has seen to the floor; deadline and lease are the group's.
        self._options = replace(options.as_share(), floor_kw=0.0)
        self._in_a_row = 0
        self.failed: list[ChargePointError] = []

    def command(self, station: str, kw: float) -> None:
        if self._in_a_row >= _MAX_FAILURES:
            # Each may last as long as a call may; a look at the group tries the rest again.
            self.failed.append(self.failed[-1])
            return
        try:
            limit = Limit(allowed_load_kw=kw)
            self._commands.command(Target(station), limit, self._options, group=self._group)
        except ChargePointError as error:
            _log.warning("%s: its share of station group %s: %s", station, self._group, error)
            self.failed.append(error)
            self._in_a_row += not isinstance(error, OF_ONE_STATION)
        else:
            self._in_a_row = 0


def _worth_kw(total_kw: float, shares: Mapping[str, float], kw: float) -> float:
    return 0.0 if kw == 0 else max(_WORTH_KW, _WORTH * total_kw / len(shares))
