"""Leases: a limit is kept only while its writer writes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.service.shed_control.command_state import CommandState
from chargepoint_driver.service.shed_control.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.validation import ShedOptions

__all__ = ["Leases"]


class Leases:
    """The leases of one account's limits. Callers of what writes hold the target's turn."""

    def __init__(self, commands: Dispatcher, sites: GroupController) -> None:
        self._commands = commands
        self._sites = sites
        self._command_log = commands.command_log

    def seconds(self, target: Target, held: CommandState | None) -> float:
        """The lease of a target in seconds: of the limit in force, else what was written last; 0
        for none."""
        if held is not None and held.wanted and held.lease_until_s is not None:
            return held.options.lease_s
        return self._written(target) or 0.0

    def _written(self, target: Target) -> float | None:
        """The lease written for the target, or else for the station that it is a port of."""
        found = self._command_log.lease_s(target)
        if found is None and target.port is not None:
            found = self._command_log.lease_s(Target(target.station_id))
        return found

    def options(self, target: Target, options: ShedOptions) -> ShedOptions:
        """The options of a write under the target's lease and the deadline that it asks for."""
        written = self._written(target)
        lease_s = options.lease_s if written is None else written
        left_s = options.wanted_minutes * 60 if options.wanted_minutes else None
        minutes = options.interval_min(lease_s, left_s)
        return replace(options, lease_s=lease_s, minutes=minutes)

    def renew(self, target: Target, options: ShedOptions) -> None:
        """A write is a sign of life of its writer: the leases of the target begin again, and
        those of the writer's other limits at the same station."""
        now_s = self._commands.time_s()
        changes: dict[Target, CommandState | None] = {}
        for other, held in self._reached(target):
            if held.lease_until_s is None or not held.wanted:
                continue
            if other == target or (options.writer and held.writer == options.writer):
                until_s = now_s + held.options.lease_s
                changes[other] = replace(held, lease_until_s=until_s)
        self._command_log.put(changes)

    def _reached(self, target: Target) -> Iterator[tuple[Target, CommandState]]:
        if target.group is None:
            yield from self._command_log.of_station(target.station_id).items()
            return
        held = self._command_log.held(target)
        if held is not None:
            yield target, held

    def keeps(self, target: Target, limit: Limit, options: ShedOptions) -> bool:
        """Return True if a write under a lease asks for what is in force already: then the lease is
        all that it renews, and nothing is sent."""
        held = self._command_log.held(target)
        if held is None or held.limit != limit or held.doubt is not None or held.contested:
            return False
        same = held.options == options and held.lease_until_s is not None
        if not same or not held.wanted or self._commands.time_s() >= held.ends_s:
            return False
        now_s = self._commands.time_s()
        deadline_s = now_s + options.wanted_minutes * 60 if options.wanted_minutes else None
        self._command_log.put(
            {
                target: replace(
                    held, deadline_s=deadline_s, lease_until_s=now_s + held.options.lease_s
                )
            }
        )
        return True

    def write(self, target: Target, seconds: float, options: ShedOptions) -> None:
        """Set the lease of a target, also of the limit that is in force there: what was sent
        for longer is sent again. Raises what sending it raises."""
        self._command_log.set_lease(target, seconds)
        self.renew(target, options)
        held = self._command_log.held(target)
        now_s = self._commands.time_s()
        if held is None or not held.wanted or held.group is not None or now_s >= held.ends_s:
            return
        left_s = None if held.deadline_s is None else held.deadline_s - now_s
        base = replace(options, wanted_minutes=held.options.wanted_minutes, lease_s=seconds)
        own = replace(
            held,
            options=replace(base, minutes=base.interval_min(seconds, left_s)),
            lease_until_s=now_s + seconds if seconds else None,
            writer=options.writer,
        )
        is_longer = own.options.minutes and (
            not held.options.minutes or held.options.minutes > own.options.minutes
        )
        if is_longer and held.doubt is None and not held.contested:
            if target.group is not None:
                self._sites.send_again(target.group, own.options)
            else:
                self._commands.send(target, own.renewal(), own.options)
            own = replace(own, sent_s=now_s)
        self._command_log.put({target: own})
