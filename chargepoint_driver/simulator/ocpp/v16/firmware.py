"""Firmware and diagnostics of 1.6: the answers, and the statuses that follow."""

from __future__ import annotations

from typing import Any

from ..protocol import firmware
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fields
from .charge_point import Charger16


def handlers(point: Charger16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "UpdateFirmware": lambda fields: update_firmware(point, fields),
        "GetDiagnostics": lambda fields: get_diagnostics(point, fields),
    }


def update_firmware(point: Charger16, fields: Fields) -> dict[str, Any]:
    """UpdateFirmware: downloads at retrieveDate, installs, restarts. A location that contains
    `missing` cannot be downloaded, one with `broken` not installed."""
    location = fields.text("location", 2000)
    retrieve_s = fields.moment("retrieveDate")
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)

    def report_status(status: str) -> None:
        point.firmware_status = status
        if status == "Installed":
            point.firmware_status = "Idle"
        point.send_message("FirmwareStatusNotification", {"status": status}, lasting=True)

    firmware.update(point, location, retrieve_s, report_status)
    return {}


def get_diagnostics(point: Charger16, fields: Fields) -> dict[str, Any]:
    """GetDiagnostics: nothing is really uploaded."""
    location = fields.text("location", 2000)
    fields.maybe_integer("retries", least=0)
    fields.maybe_integer("retryInterval", least=0)
    fields.maybe_moment("startTime")
    fields.maybe_moment("stopTime")

    def report_status(status: str) -> None:
        point.diagnostics_status = status if status == "Uploading" else "Idle"
        point.send_message("DiagnosticsStatusNotification", {"status": status})

    firmware.upload(point, location, "UploadFailed", report_status)
    return {"fileName": f"diagnostics-{point.spec.identity}.log"[:255]}
