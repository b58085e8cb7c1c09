"""0 kW that a writer may only have restored: an alert names the cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import OutcomeUnknownError
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher

__all__ = ["RestoredZero"]

_WHAT = (
    "allowedLoad 0 kW stops charging, and the point read 0 before the first limit, when nothing "
    "was limited. Where a writer restored that value, write shedState 0 now. Then let it write the "
    "point limit, or set zero_limit to release"
)


class RestoredZero:
    """Watches what is sent for a 0 kW that follows a limit, where the point had read 0 before."""

    def __init__(self, commands: Dispatcher, alerts: Alerts) -> None:
        self._commands = commands
        self._command_log = commands.command_log
        self._alerts = alerts

    @contextmanager
    def watching(self, target: Target, limit: Limit | None) -> Iterator[None]:
        """Raise the alert when the command in the block was sent, and resolve it when another
        limit or a clear was."""
        found = self._is_restored(target, limit)
        try:
            yield
        except OutcomeUnknownError:
            if found:
                self._alerts.raise_(target, _WHAT, About.ZERO)
            raise
        if found:
            self._alerts.raise_(target, _WHAT, About.ZERO)
        elif limit is None or limit.allowed_load_kw != 0:
            self.forget(target)

    def forget(self, target: Target) -> None:
        """Charging is not stopped any more."""
        self._alerts.resolved(target, About.ZERO)

    def _is_restored(self, target: Target, limit: Limit | None) -> bool:
        # Chargers that connect directly report no limit as None, which nobody can write.
        if limit is None or limit.allowed_load_kw != 0 or self._commands.watch.is_direct:
            return False
        before = self._command_log.before(target)
        ours = [
            state.limit
            for other, state in self._command_log.of_station(target.station_id).items()
            if target.port is None or other.port in (target.port, None)
        ]
        limited = any(each is not None and each.allowed_load_kw != 0 for each in ours)
        return limited and bool(before) and not any(before.values())
