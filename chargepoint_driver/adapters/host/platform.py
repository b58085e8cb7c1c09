"""Services of the platform: a place for a file, and alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from volttron.client.messaging.health import STATUS_BAD, Status
from volttron.utils import ClientContext

from chargepoint_driver.service import Alert
from chargepoint_driver.text import get_logger

__all__ = ["alert_of", "command_file", "file_of", "station_alert_of"]

_log = get_logger(__name__)

_ALERT_KEY = "chargepoint/shed"
_STATION_KEY = "chargepoint/station"


def command_file(agent: Any) -> Path:
    """Return where an agent's commands are kept: one file for each identity, in the platform's
    home."""
    return file_of(str(getattr(agent.core, "identity", None) or "driver"))


def file_of(identity: str) -> Path:
    """Return where the agent of an identity keeps its commands."""
    name = "".join(char if char.isalnum() or char in "._-" else "_" for char in identity)
    return Path(ClientContext.get_volttron_home()) / "chargepoint" / f"{name}.sqlite"


def alert_of(agent: Any, key: str = _ALERT_KEY) -> Alert:
    """Return what raises an alert through the platform's health system."""

    def alert(about: str, what: str) -> None:
        status = Status.build(STATUS_BAD, f"{about}: {what}")
        agent.vip.health.send_alert(f"{key}/{about}", status)

    return alert


def station_alert_of(agent: Any) -> Alert:
    """Return what raises an alert for a station."""
    return alert_of(agent, _STATION_KEY)
