"""Firmware and logs of 2.0.1: the answers, and the statuses that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..charge_point import Handler
from ..payload_reader import Fields
from ..sequence import play

if TYPE_CHECKING:
    from .point import ChargePoint201

STEP_S = 20.0


def handlers(point: ChargePoint201) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "UpdateFirmware": lambda fields: update_firmware(point, fields),
        "GetLog": lambda fields: get_log(point, fields),
    }


def update_firmware(point: ChargePoint201, fields: Fields) -> dict[str, Any]:
    """UpdateFirmware. A location that contains `missing` cannot be downloaded, one with
    `broken` not installed."""
    request_id = fields.integer("requestId")
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)
    firmware = fields.object("firmware")
    location = firmware.text("location", 512)
    retrieve_s = firmware.moment("retrieveDateTime")
    firmware.maybe_moment("installDateTime")
    firmware.maybe_text("signingCertificate", 5_500)
    firmware.maybe_text("signature", 800)
    firmware.done()

    def tell(status: str) -> None:
        told = {"status": status, "requestId": request_id}
        point.firmware_status = {"status": "Idle"} if status == "Installed" else told
        point.tell("FirmwareStatusNotification", told, lasting=True)

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
    return {"status": "Accepted"}


def get_log(point: ChargePoint201, fields: Fields) -> dict[str, Any]:
    """GetLog: nothing is really uploaded."""
    fields.choice("logType", ("DiagnosticsLog", "SecurityLog"))
    request_id = fields.integer("requestId")
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)
    log = fields.object("log")
    location = log.text("remoteLocation", 512)
    log.maybe_moment("oldestTimestamp")
    log.maybe_moment("latestTimestamp")
    log.done()

    def tell(status: str) -> None:
        told = {"status": status, "requestId": request_id}
        point.log_status = told if status == "Uploading" else {"status": "Idle"}
        point.tell("LogStatusNotification", told)

    steps = ["Uploading", "UploadFailure" if "missing" in location else "Uploaded"]
    point.then(lambda: play(point.agenda, point.begin(), STEP_S, steps, tell))
    return {"status": "Accepted", "filename": f"log-{point.spec.identity}.log"[:255]}
