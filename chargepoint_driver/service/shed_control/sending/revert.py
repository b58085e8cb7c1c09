"""Taking back what was commanded: what was in force before comes back, or nothing."""

from __future__ import annotations

from chargepoint_driver.backend import Target
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.service.shed_control.validation import ShedOptions

__all__ = ["may_be_shed", "revert"]


def revert(commands: Dispatcher, target: Target) -> bool:
    """Put back what was in force at a station or port before the first write of the control
    period, or clear where nothing was; True when a command was sent. After an error the period
    goes on, and the revert can be repeated."""
    command_log = commands.command_log
    before = command_log.before(target)
    options = _options_of(commands, target)
    sent = False
    if options is not None:
        restore = {port: limit for port, limit in before.items() if limit is not None and port}
        if restore:
            # The first dissolves the station's command, so that there are others' to clear.
            for port in sorted(before, key=lambda port: (port not in restore, port)):
                one = Target(target.station_id, port)
                if port in restore or may_be_shed(commands, one):
                    commands.command(one, restore.get(port), options, restored=port in restore)
                    sent = True
        elif may_be_shed(commands, target):
            commands.command(target, None, options)
            sent = True
    command_log.end_period(target)
    return sent


def may_be_shed(commands: Dispatcher, target: Target) -> bool:
    """Return True if a shed of ours may be in force at the target, or at a port of the station.
    What was restored is not ours: the host reverts point by point, and what the first of them put
    back must not be cleared by the second. Where another controller's limit stands, ours is not."""
    now_s = commands.time_s()
    return any(
        (state.wanted and not state.restored and not state.contested and now_s < state.ends_s)
        or state.doubt is not None
        for state in _ours(commands, target)
    )


def _ours(commands: Dispatcher, target: Target) -> list[CommandState]:
    return [
        state
        for other, state in commands.command_log.of_station(target.station_id).items()
        if target.port in (None, other.port)
    ]


def _options_of(commands: Dispatcher, target: Target) -> ShedOptions | None:
    """Return how the target was commanded; None when it was not."""
    for state in _ours(commands, target):
        if state.doubt is not None:
            return state.doubt.options
        if state.commanded_s:
            return state.options
    return None
