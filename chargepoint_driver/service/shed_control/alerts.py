"""Alerts to the host: one for one trouble, however many stations it befalls and however long."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from chargepoint_driver.backend import Target
from chargepoint_driver.service.shed_control.command_log import CommandLog
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
    """Those that were raised and are not resolved. Used by whoever looks after commands only."""

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
        """Raise an alert, once until it is resolved. What befalls a station that holds a share
        of a group's total befalls the group: a hundred stations are one alert."""
        held = self._command_log.held(target)
        whom, text = target, what
        if held is not None and held.group is not None:
            whom, text = Target("", group=held.group), f"{target}: {what}"
        if (whom, about) in self._raised:
            _log.info("%s: %s", target, what)
            return
        self._raised[whom, about] = text
        _log.error("%s: %s", target, what)
        self._tell("Alarm", whom, text)
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
            self._tell("AlarmOver", target, text)
            try:
                self.over(str(target), text)
            except Exception:  # noqa: BLE001 - the host's, logged
                _log.exception("the end of an alert could not be told")

    def _tell(self, action: str, target: Target, text: str) -> None:
        if self.on_event is not None:
            try:
                self.on_event(action, target, text)
            except Exception:  # noqa: BLE001 - the event stream's, logged
                _log.exception("the event of an alert could not be stored")


def _no_host(about: str, what: str) -> None:
    """Log an alert where no host listens."""
