"""Leases: a limit is kept only while its writer writes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.validation import ShedOptions

__all__ = ["Leases"]


class Leases:
    """The leases of one account's limits. Callers of methods that write hold the target's lock."""

    def __init__(self, commands: Dispatcher, group_controller: GroupController) -> None:
        self._commands = commands
        self._groups = group_controller
        self._command_log = commands.command_log

    def seconds(self, target: Target, state: CommandState | None) -> float:
        """Return the lease of a target in seconds: of the limit in force, else what was written
        last; 0 for none."""
        if state is not None and state.wanted and state.lease_until_s is not None:
            return state.options.lease_s
        return self._written(target) or 0.0

    def _written(self, target: Target) -> float | None:
        """Return the lease written for the target, or else for the station that it is a port of."""
        found = self._command_log.lease_s(target)
        if found is None and target.port is not None:
            found = self._command_log.lease_s(Target(target.station_id))
        return found

    def options(self, target: Target, options: ShedOptions) -> ShedOptions:
        """Return the options of a write under the target's lease and the deadline that it asks
        for."""
        written = self._written(target)
        lease_s = options.lease_s if written is None else written
        left_s = options.wanted_minutes * 60 if options.wanted_minutes else None
        minutes = options.interval_min(lease_s, left_s)
        return replace(options, lease_s=lease_s, minutes=minutes)

    def renew(self, target: Target, options: ShedOptions) -> None:
        """Renew the leases of a writer by its write: the leases of the target begin again, and
        those of the writer's other limits at the same station."""
        now_s = self._commands.time_s()
        changes: dict[Target, CommandState | None] = {}
        for other, state in self._reached(target):
            if state.lease_until_s is None or not state.wanted:
                continue
            if other == target or (options.writer and state.writer == options.writer):
                until_s = now_s + state.options.lease_s
                changes[other] = replace(state, lease_until_s=until_s)
        self._command_log.put(changes)

    def _reached(self, target: Target) -> Iterator[tuple[Target, CommandState]]:
        if target.group is None:
            yield from self._command_log.of_station(target.station_id).items()
            return
        state = self._command_log.state_of(target)
        if state is not None:
            yield target, state

    def keeps(self, target: Target, limit: Limit, options: ShedOptions) -> bool:
        """Return True if a write under a lease asks for what is in force already: then the lease is
        all that it renews, and nothing is sent."""
        state = self._command_log.state_of(target)
        if state is None or state.limit != limit or state.doubt is not None or state.contested:
            return False
        same = state.options == options and state.lease_until_s is not None
        if not same or not state.wanted or self._commands.time_s() >= state.ends_s:
            return False
        now_s = self._commands.time_s()
        deadline_s = now_s + options.wanted_minutes * 60 if options.wanted_minutes else None
        self._command_log.put(
            {
                target: replace(
                    state, deadline_s=deadline_s, lease_until_s=now_s + state.options.lease_s
                )
            }
        )
        return True

    def write(self, target: Target, seconds: float, options: ShedOptions) -> None:
        """Set the lease of a target, also of the limit that is in force there: what was sent
        for longer is sent again. Raises what sending it raises."""
        self._command_log.set_lease(target, seconds)
        self.renew(target, options)
        state = self._command_log.state_of(target)
        now_s = self._commands.time_s()
        if state is None or not state.wanted or state.group is not None or now_s >= state.ends_s:
            return
        left_s = None if state.deadline_s is None else state.deadline_s - now_s
        base = replace(options, wanted_minutes=state.options.wanted_minutes, lease_s=seconds)
        own = replace(
            state,
            options=replace(base, minutes=base.interval_min(seconds, left_s)),
            lease_until_s=now_s + seconds if seconds else None,
            writer=options.writer,
        )
        is_longer = own.options.minutes and (
            not state.options.minutes or state.options.minutes > own.options.minutes
        )
        if is_longer and state.doubt is None and not state.contested:
            if target.group is not None:
                self._groups.send_again(target.group, own.options)
            else:
                self._commands.send(target, own.renewal(), own.options)
            own = replace(own, sent_s=now_s)
        self._command_log.put({target: own})
