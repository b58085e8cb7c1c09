"""Firmware and logs of 2.0.1: the answers, and the statuses that follow."""

from __future__ import annotations

from typing import Any

from ..protocol import firmware
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fields
from .charge_point import Charger201


def handlers(point: Charger201) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "UpdateFirmware": lambda fields: update_firmware(point, fields),
        "GetLog": lambda fields: get_log(point, fields),
    }


def update_firmware(point: Charger201, fields: Fields) -> dict[str, Any]:
    """UpdateFirmware. A location that contains `missing` cannot be downloaded, one with
    `broken` not installed."""
    request_id = fields.integer("requestId")
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)
    given = fields.object("firmware")
    location = given.text("location", 512)
    retrieve_s = given.moment("retrieveDateTime")
    given.maybe_moment("installDateTime")
    given.maybe_text("signingCertificate", 5_500)
    given.maybe_text("signature", 800)
    given.done()

    def report_status(status: str) -> None:
        report = {"status": status, "requestId": request_id}
        point.firmware_status = {"status": "Idle"} if status == "Installed" else report
        point.send_message("FirmwareStatusNotification", report, lasting=True)

    firmware.update(point, location, retrieve_s, report_status)
    return {"status": "Accepted"}


def get_log(point: Charger201, fields: Fields) -> dict[str, Any]:
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

    def report_status(status: str) -> None:
        report = {"status": status, "requestId": request_id}
        point.log_status = report if status == "Uploading" else {"status": "Idle"}
        point.send_message("LogStatusNotification", report)

    firmware.upload(point, location, "UploadFailure", report_status)
    return {"status": "Accepted", "filename": f"log-{point.spec.identity}.log"[:255]}
