"""Limits of deleted devices."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.service.shed_control.records.command_state import describe
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.sending.ending import Ending
from chargepoint_driver.text import get_logger

__all__ = ["OnDelete", "Owners"]

_log = get_logger(__name__)

OnDelete = Literal["clear", "lapse"]


class Owners:
    """Ends limits that no device owns any more."""

    def __init__(
        self, commands: Dispatcher, group_controller: GroupController, alerts: Alerts
    ) -> None:
        self._commands = commands
        self._command_log = commands.command_log
        self._groups = group_controller
        self._alerts = alerts
        self._ending = Ending(commands, alerts)

    def orphans(self, owned: Collection[Target]) -> list[Target]:
        """Return the targets that are limited, and that no device of `owned` reaches. Shares of a
        group belong to the group; a limit under a lease belongs to its writer."""
        stations = {target.station_id for target in owned if target.group is None}
        return [
            target
            for target, state in self._command_log.all().items()
            if (state.wanted or state.doubt is not None)
            and state.group is None
            and state.lease_until_s is None
            and target not in owned
            and not (target.group is None and target.port is None and target.station_id in stations)
            and not (target.port is not None and Target(target.station_id) in owned)
        ]

    def release(self, target: Target, on_delete: OnDelete = "clear") -> bool:
        """The device of a target was deleted: what it limits is cleared (what was in force before
        comes back), or not renewed any more. True when there was something. Raises what sending
        the clear raises; then it is renewed no more either way."""
        self._command_log.staged.pop(target, None)
        self._command_log.unsent.pop(target, None)
        with self._commands.station_locks.of(target.station_id or str(target)):
            state = self._command_log.state_of(target)
            if state is None or not (state.wanted or state.doubt is not None):
                return False
            said = describe(state.limit, state.ceiling_kw)
            if on_delete == "lapse":
                ends_s = max(state.ends_s - self._commands.time_s(), 0.0)
                end = f"it ends in {ends_s / 60:.0f} min"
                if not state.options.minutes:
                    end = "it has no end: clear it by hand"
                self._lapse(target, f"its device was deleted: {said} is not renewed; {end}")
                return True
            why = "its device was deleted"
            try:
                if target.group is not None:
                    self._groups.revert(target.group)
                    self._groups.set_note(target.group, why)
                else:
                    self._ending.take_back(target, state, why, revert_=True)
            except ChargePointError as error:
                failed = f"its device was deleted, and {said} could not be cleared"
                self._lapse(target, f"{failed} ({error.message}); it is not renewed")
                raise
            self._notify(target, f"its device was deleted: {said} was cleared")
            return True

    def _lapse(self, target: Target, why: str) -> None:
        if target.group is not None:
            self._groups.lapse(target.group)
        else:
            self._ending.lapse(target, why)
        self._notify(target, why)

    def _notify(self, target: Target, what: str) -> None:
        self._alerts.raise_(target, what, About.DEVICE)
        self._alerts.resolved(target)
