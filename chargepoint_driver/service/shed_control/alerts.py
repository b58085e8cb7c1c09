"""Deduplicated alerts to the host: one per problem until it is resolved."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from chargepoint_driver.backend import Target
from chargepoint_driver.service.shed_control.records.command_log import CommandLog
from chargepoint_driver.text import get_logger

__all__ = ["About", "Alert", "Alerts"]

_log = get_logger(__name__)

Alert = Callable[[str, str], None]
"""Called with what an alert is about and what happened."""


class About(Enum):
    """Kinds of trouble of a target."""

    STATE = "what is in force is not what was commanded"
    RENEWAL = "what is in force cannot be renewed"
    LOAD = "the load is above the limit"
    CONTEST = "another controller limits it too"
    LEASE = "its writer did not write again"
    DEVICE = "its device was deleted"
    ZERO = "0 kW was written where nothing was limited before"
    STAGED = "a limit was written and not sent"
    WRITERS = "two agents write limits in turns"


class Alerts:
    """Alerts that were raised and are not resolved. Only the supervisor's side uses them."""

    def __init__(self, command_log: CommandLog) -> None:
        self._command_log = command_log
        # What each is about, and its text.
        self._raised: dict[tuple[Target, About], str] = {}
        self.host: Alert = _no_host
        # Called with both once an alert is resolved.
        self.over: Alert = _no_host
        # Called with "Alarm" or "AlarmOver", the target and the text.
        self.on_event: Callable[[str, Target, str], None] | None = None

    def raise_(self, target: Target, what: str, about: About = About.STATE) -> None:
        """Raise an alert, once until it is resolved. The problem of a station that has a share of
        a group's total is the group's problem: a hundred stations are one alert."""
        state = self._command_log.state_of(target)
        whom, text = target, what
        if state is not None and state.group is not None:
            whom, text = Target("", group=state.group), f"{target}: {what}"
        if (whom, about) in self._raised:
            _log.info("%s: %s", target, what)
            return
        self._raised[whom, about] = text
        _log.error("%s: %s", target, what)
        self._notify("Alarm", whom, text)
        try:
            self.host(str(whom), text)
        except Exception:  # noqa: BLE001 - the host's, logged
            _log.exception("the alert could not be raised")

    def resolved(self, target: Target, *abouts: About) -> None:
        """Resolve an alert; all alerts where none is named."""
        for about in abouts or About:
            text = self._raised.pop((target, about), None)
            if text is None:
                continue
            _log.info("%s: as commanded again", target)
            self._notify("AlarmOver", target, text)
            try:
                self.over(str(target), text)
            except Exception:  # noqa: BLE001 - the host's, logged
                _log.exception("the end of an alert could not be reported")

    def _notify(self, action: str, target: Target, text: str) -> None:
        if self.on_event is not None:
            try:
                self.on_event(action, target, text)
            except Exception:  # noqa: BLE001 - the event stream's, logged
                _log.exception("the event of an alert could not be stored")


def _no_host(about: str, what: str) -> None:
    """Log an alert where no host listens."""
