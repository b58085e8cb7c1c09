"""Limits that were written and not sent, with an alert if nothing follows."""

from __future__ import annotations

import math

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.records.command_log import CommandLog, Unsent
from chargepoint_driver.service.shed_control.records.command_state import clock_time
from chargepoint_driver.service.shed_control.validation import ShedOptions

__all__ = ["Staging"]

_CURE = "write shedState 1 to send it, write the point limit instead, or set shed_on_write"


class Staging:
    """The staged limits of one account."""

    def __init__(self, command_log: CommandLog, alerts: Alerts) -> None:
        self._command_log = command_log
        self._alerts = alerts
        self._raised: set[Target] = set()

    def stage(self, target: Target, limit: Limit, options: ShedOptions, now_s: float) -> None:
        """Note that a limit was written and not sent. One that is written again waits since the
        first time."""
        before = self._command_log.unsent.get(target)
        since_s = now_s if before is None else before.since_s
        alert_s = options.staged_alert_minutes * 60
        self._command_log.unsent[target] = Unsent(since_s, alert_s, options.writer)
        self._command_log.staged[target] = limit

    def drop(self, target: Target) -> None:
        """Forget what is staged."""
        self._command_log.staged.pop(target, None)
        self._command_log.unsent.pop(target, None)

    def describe(self, target: Target) -> str:
        """Return what is staged, as text; '' where nothing is."""
        unsent, limit = self._command_log.unsent.get(target), self._command_log.staged.get(target)
        if unsent is None or limit is None:
            return ""
        by = f" by {unsent.writer}" if unsent.writer else ""
        return f"{limit} was written{by} at {clock_time(unsent.since_s)} and is staged, not sent"

    def answer(self, target: Target) -> str:
        """Return what a writer has to know of a limit that was only staged; '' where none is."""
        said = self.describe(target)
        return said and f"{target}: {said}; {_CURE}"

    def check(self, now_s: float) -> float:
        """Raise alerts for what waits too long; the seconds until the next is due."""
        waiting = dict(self._command_log.unsent)
        for target in self._raised - waiting.keys():
            self._raised.discard(target)
            self._alerts.resolved(target, About.STAGED)
        wait_s = math.inf
        for target, unsent in waiting.items():
            if not unsent.alert_s or target in self._raised:
                continue
            left_s = unsent.since_s + unsent.alert_s - now_s
            if left_s > 0:
                wait_s = min(wait_s, left_s)
                continue
            self._raised.add(target)
            self._alerts.raise_(target, f"{self.describe(target)}; {_CURE}", About.STAGED)
        return wait_s
