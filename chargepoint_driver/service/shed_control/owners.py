"""Limits of deleted devices."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.command_state import words
from chargepoint_driver.service.shed_control.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.ending import Ending
from chargepoint_driver.service.shed_control.groups.controller import GroupController
from chargepoint_driver.text import get_logger

__all__ = ["OnDelete", "Owners"]

_log = get_logger(__name__)

OnDelete = Literal["clear", "lapse"]


class Owners:
    """Ends limits that no device owns any more."""

    def __init__(self, commands: Dispatcher, sites: GroupController, alerts: Alerts) -> None:
        self._commands = commands
        self._command_log = commands.command_log
        self._sites = sites
        self._alerts = alerts
        self._ending = Ending(commands, alerts)

    def orphans(self, owned: Collection[Target]) -> list[Target]:
        """The targets that are limited, and that no device of `owned` reaches. Shares of a
        group belong to the group; a limit under a lease belongs to its writer."""
        stations = {target.station_id for target in owned if target.group is None}
        return [
            target
            for target, held in self._command_log.all().items()
            if (held.wanted or held.doubt is not None)
            and held.group is None
            and held.lease_until_s is None
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
            held = self._command_log.held(target)
            if held is None or not (held.wanted or held.doubt is not None):
                return False
            said = words(held.limit, held.ceiling_kw)
            if on_delete == "lapse":
                ends_s = max(held.ends_s - self._commands.time_s(), 0.0)
                end = f"it ends in {ends_s / 60:.0f} min"
                if not held.options.minutes:
                    end = "it has no end: clear it by hand"
                self._lapse(target, f"its device was deleted: {said} is not renewed; {end}")
                return True
            why = "its device was deleted"
            try:
                if target.group is not None:
                    self._sites.revert(target.group)
                    self._sites.say(target.group, why)
                else:
                    self._ending.take_back(target, held, why, revert_=True)
            except ChargePointError as error:
                failed = f"its device was deleted, and {said} could not be cleared"
                self._lapse(target, f"{failed} ({error.message}); it is not renewed")
                raise
            self._tell(target, f"its device was deleted: {said} was cleared")
            return True

    def _lapse(self, target: Target, why: str) -> None:
        if target.group is not None:
            self._sites.lapse(target.group)
        else:
            self._ending.lapse(target, why)
        self._tell(target, why)

    def _tell(self, target: Target, what: str) -> None:
        self._alerts.raise_(target, what, About.DEVICE)
        self._alerts.resolved(target)
