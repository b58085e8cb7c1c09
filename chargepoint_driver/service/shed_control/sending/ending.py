"""The ends of limits that nobody writes: deadlines, leases, and devices that are deleted."""

from __future__ import annotations

from dataclasses import replace

from chargepoint_driver.backend import Target
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.records.command_state import CommandState, describe
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.sending.revert import revert
from chargepoint_driver.text import get_logger

__all__ = ["Ending", "is_by_lease", "why_it_ends"]

_log = get_logger(__name__)


class Ending:
    """Ends limits of stations and ports. Callers hold the station's lock."""

    def __init__(self, commands: Dispatcher, alerts: Alerts) -> None:
        self._commands = commands
        self._alerts = alerts
        self._command_log = commands.command_log

    def end(self, target: Target, state: CommandState) -> None:
        """End a limit whose deadline or lease is over: cleared, or reverted. Raises what sending
        it raises, and is tried again then."""
        by_lease = is_by_lease(state, self._commands.time_s())
        self.take_back(target, state, why_it_ends(state, by_lease), revert_=by_lease)
        if by_lease:
            said = describe(state.limit, state.ceiling_kw)
            self._alerts.raise_(target, f"{said}: {why_it_ends(state, True)}", About.LEASE)
            self._alerts.resolved(target, About.LEASE)

    def take_back(self, target: Target, state: CommandState, why: str, *, revert_: bool) -> None:
        """End a limit of ours, and say why; `revert_`: what was in force before comes back. One
        that another controller's limit has replaced is only forgotten."""
        if state.contested:
            self._command_log.end_period(target)
            self._command_log.put({target: replace(_nothing(state), seen=True, note=why)})
        elif revert_:
            revert(self._commands, target)
        else:
            self._commands.command(target, None, state.options.as_share())
            self._command_log.end_period(target, unless_restorable=True)
        now = self._command_log.state_of(target)
        if now is not None:
            # What had run out already needed no command.
            ran_out = now.limit is not None and now.commanded_s == state.commanded_s
            self._command_log.put({target: replace(now, note=why, expired=now.expired or ran_out)})
        self._alerts.resolved(target)
        _log.info("%s: %s", target, why)

    def lapse(self, target: Target, why: str) -> None:
        """Renew a limit no more: it ends when its interval is over."""
        self._command_log.put({target: None})
        self._command_log.end_period(target)
        _log.info("%s: %s", target, why)


def is_by_lease(state: CommandState, now_s: float) -> bool:
    """Return True if it is the lease that ends a limit, and not the deadline before it."""
    if state.lease_until_s is None or state.lease_until_s > now_s:
        return False
    return state.deadline_s is None or state.lease_until_s < state.deadline_s


def why_it_ends(state: CommandState, by_lease: bool) -> str:
    """Return why deadline or lease end a limit, as text."""
    if by_lease:
        return f"lease of {state.writer or 'its writer'} ran out"
    return "its time is over, as its writer asked"


def _nothing(state: CommandState) -> CommandState:
    return replace(
        state,
        limit=None,
        ceiling_kw=None,
        contested=False,
        expired=False,
        restored=False,
        deadline_s=None,
        lease_until_s=None,
    )
