"""Reaction to a measured load above a limit that is reported as in force."""

from __future__ import annotations

import math
from collections.abc import Collection

from chargepoint_driver.backend import Limit, Stubborn, Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.records.command_state import CommandState, describe
from chargepoint_driver.service.shed_control.records.measured import VIOLATION_REPORTS
from chargepoint_driver.service.shed_control.sending.dispatcher import Dispatcher
from chargepoint_driver.text import get_logger

__all__ = ["Obeying"]

_log = get_logger(__name__)


class Obeying:
    """Raises an alert for a violated limit, and has the next form of it tried."""

    def __init__(self, commands: Dispatcher, alerts: Alerts) -> None:
        self._commands = commands
        self._alerts = alerts
        # Target to (measurements above the limit, time) of the last form that was tried.
        self._tried: dict[Target, tuple[float, float]] = {}

    def check(self, target: Target, state: CommandState, limit: Limit) -> None:
        """Act on how the load of a target obeys. Callers hold the station's lock."""
        load = self._commands.watch.loads.of(target)
        if load is None or not load.violated:
            if load is not None and load.above == 0 and load.obeyed:
                self._tried.pop(target, None)
                self._alerts.resolved(target, About.LOAD)
            return
        said = describe(limit, state.ceiling_kw)
        self._alerts.raise_(target, f"{said} is violated: {load}", About.LOAD)
        backend, now_s = self._commands.backend, self._commands.time_s()
        if not isinstance(backend, Stubborn):
            return
        above, tried_s = self._tried.get(target, (0.0, -math.inf))
        # The form tried last had time to take effect, and was measured as often as any limit.
        if (
            load.above - above < VIOLATION_REPORTS
            or now_s < tried_s + self._commands.watch.effect_s
        ):
            return
        self._tried[target] = float(load.above), now_s
        try:
            another = backend.try_otherwise(target)
        except ChargePointError as error:
            _log.warning("%s: another form of the limit could not be sent: %s", target, error)
            return
        if not another:
            self._tried[target] = math.inf, now_s
        self._commands.cache.touch(Data.LOAD, target.station_id)

    def keep_only(self, targets: Collection[Target]) -> None:
        """Forget the targets that are not commanded any more."""
        for target in self._tried.keys() - set(targets):
            del self._tried[target]
