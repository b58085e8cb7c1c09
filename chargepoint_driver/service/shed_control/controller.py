"""Writes of limits: staging, shedding, clearing, reverting.

A limit that is written is staged; `shedState` 1 sends it, and while a shed is in force a new
limit goes out at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from chargepoint_driver.backend import Backend, Limit, Target
from chargepoint_driver.cache import DirectCache, SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError, InvalidValueError, RefusedError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.registry import Point
from chargepoint_driver.service.shed_control import validation
from chargepoint_driver.service.shed_control.alerts import Alerts
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.points.computed_points import LEASE, ComputedPoints
from chargepoint_driver.service.shed_control.points.limit_point import LIMIT, LimitPoint
from chargepoint_driver.service.shed_control.records.command_log import CommandLog
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.command_store import CommandStore
from chargepoint_driver.service.shed_control.records.shed_counts import ShedCounts
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.sending.load_shed_events import Events
from chargepoint_driver.service.shed_control.sending.revert import revert
from chargepoint_driver.service.shed_control.sending.staging import Staging
from chargepoint_driver.service.shed_control.sending.warnings import warnings_of
from chargepoint_driver.service.shed_control.sending.zero import RestoredZero
from chargepoint_driver.service.shed_control.supervision.leases import Leases
from chargepoint_driver.service.shed_control.supervision.owners import Owners
from chargepoint_driver.service.shed_control.supervision.supervisor import ShedSupervisor
from chargepoint_driver.service.shed_control.validation import ShedOptions
from chargepoint_driver.service.shed_control.writers import Writers

__all__ = ["ShedController"]


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
        self.on_news: Callable[[list[str]], None] | None = None
        self._command_log.on_change = self._publish_sheds
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
        self.computed = ComputedPoints(
            self._commands,
            self._groups,
            leases=self.leases,
            limit_point=self.limit_point,
            staging=self.staging,
            writers=self.writers,
        )

    def take_over(
        self, files: Iterable[Path], wanted: Collection[Target], patience: int = 0
    ) -> None:
        """Keep up the limits of the stations and groups of `wanted` that another process of this
        machine commanded for the same account and has left in its file."""
        self._command_log.take_over(files, wanted, patience)

    def _publish_sheds(self, news: Mapping[Target, CommandState | None]) -> None:
        if self.on_shed is not None:
            self.on_shed(news)
        if self.on_news is not None:
            self.on_news([target.station_id for target in news if target.station_id])

    def seconds_since_commands(self) -> dict[str, float]:
        """Return station to the seconds since its last command was acknowledged or sent."""
        now_s = self._time_s()
        found: dict[str, float] = {}
        for target, last_s in self._command_log.last_commands().items():
            since_s = now_s - last_s
            found[target.station_id] = min(since_s, found.get(target.station_id, since_s))
        return found

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
        if name == LEASE:
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

    def observe(self, data: Data, record: StationRecord, age_s: float) -> None:
        """Take in what a read brought: what it shows of a limit is acted on at once."""
        if data is Data.LOAD:
            self._commands.observe(record, age_s)
