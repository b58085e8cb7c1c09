"""The ends of limits that nobody writes: deadlines, leases, and devices that are deleted."""

from __future__ import annotations

from dataclasses import replace

from chargepoint_driver.backend import Target
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.command_state import CommandState, words
from chargepoint_driver.service.shed_control.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.revert import revert
from chargepoint_driver.text import get_logger

__all__ = ["Ending", "is_by_lease", "why_it_ends"]

_log = get_logger(__name__)


class Ending:
    """Ends limits of stations and ports. Callers hold the station's turn."""

    def __init__(self, commands: Dispatcher, alerts: Alerts) -> None:
        self._commands = commands
        self._alerts = alerts
        self._command_log = commands.command_log

    def end(self, target: Target, held: CommandState) -> None:
        """End a limit whose deadline or lease is over: cleared, or reverted. Raises what sending
        it raises, and is tried again then."""
        by_lease = is_by_lease(held, self._commands.time_s())
        self.take_back(target, held, why_it_ends(held, by_lease), revert_=by_lease)
        if by_lease:
            said = words(held.limit, held.ceiling_kw)
            self._alerts.raise_(target, f"{said}: {why_it_ends(held, True)}", About.LEASE)
            self._alerts.resolved(target, About.LEASE)

    def take_back(self, target: Target, held: CommandState, why: str, *, revert_: bool) -> None:
        """End a limit of ours, and say why; `revert_`: what was in force before comes back. One
        that another controller's limit has replaced is only forgotten."""
        if held.contested:
            self._command_log.end_period(target)
            self._command_log.put({target: replace(_nothing(held), seen=True, note=why)})
        elif revert_:
            revert(self._commands, target)
        else:
            self._commands.command(target, None, held.options.as_share())
            self._command_log.end_period(target, unless_restorable=True)
        now = self._command_log.held(target)
        if now is not None:
            # What had run out already needed no command.
            ran_out = now.limit is not None and now.commanded_s == held.commanded_s
            self._command_log.put({target: replace(now, note=why, expired=now.expired or ran_out)})
        self._alerts.resolved(target)
        _log.info("%s: %s", target, why)

    def lapse(self, target: Target, why: str) -> None:
        """Renew a limit no more: it ends when its interval is over."""
        self._command_log.put({target: None})
        self._command_log.end_period(target)
        _log.info("%s: %s", target, why)


def is_by_lease(held: CommandState, now_s: float) -> bool:
    """Return True if it is the lease that ends a limit, and not the deadline before it."""
    if held.lease_until_s is None or held.lease_until_s > now_s:
        return False
    return held.deadline_s is None or held.lease_until_s < held.deadline_s


def why_it_ends(held: CommandState, by_lease: bool) -> str:
    """Return why deadline or lease end a limit, in words."""
    if by_lease:
        return f"lease of {held.writer or 'its writer'} ran out"
    return "its time is over, as its writer asked"


def _nothing(held: CommandState) -> CommandState:
    return replace(
        held,
        limit=None,
        ceiling_kw=None,
        contested=False,
        expired=False,
        restored=False,
        deadline_s=None,
        lease_until_s=None,
    )
