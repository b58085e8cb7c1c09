"""Firmware and diagnostics of 1.6: the answers, and the statuses that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..charge_point import Handler
from ..payload_reader import Fields
from ..sequence import play

if TYPE_CHECKING:
    from .point import ChargePoint16

STEP_S = 20.0


def handlers(point: ChargePoint16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "UpdateFirmware": lambda fields: update_firmware(point, fields),
        "GetDiagnostics": lambda fields: get_diagnostics(point, fields),
    }


def update_firmware(point: ChargePoint16, fields: Fields) -> dict[str, Any]:
    """UpdateFirmware: downloads at retrieveDate, installs, restarts. A location that contains
    `missing` cannot be downloaded, one with `broken` not installed."""
    location = fields.text("location", 2000)
    retrieve_s = fields.moment("retrieveDate")
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)

    def tell(status: str) -> None:
        point.firmware_status = status
        if status == "Installed":
            point.firmware_status = "Idle"
        point.tell("FirmwareStatusNotification", {"status": status}, lasting=True)

    if "missing" in location:
        steps = ["Downloading", "DownloadFailed"]
    elif "broken" in location:
        steps = ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
    else:
        steps = ["Downloading", "Downloaded", "Installing", "Installed"]

    def finished() -> None:
        if steps[-1] == "Installed":
            point.reboot("Reboot", gently=True)

    point.then(lambda: play(point.agenda, retrieve_s, STEP_S, steps, tell, finished))
    return {}


def get_diagnostics(point: ChargePoint16, fields: Fields) -> dict[str, Any]:
    """GetDiagnostics: nothing is really uploaded."""
    location = fields.text("location", 2000)
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)
    fields.maybe_moment("startTime")
    fields.maybe_moment("stopTime")

    def tell(status: str) -> None:
        point.diagnostics_status = status if status == "Uploading" else "Idle"
        point.tell("DiagnosticsStatusNotification", {"status": status})

    steps = ["Uploading", "UploadFailed" if "missing" in location else "Uploaded"]
    point.then(lambda: play(point.agenda, point.begin(), STEP_S, steps, tell))
    return {"fileName": f"diagnostics-{point.spec.identity}.log"[:255]}
