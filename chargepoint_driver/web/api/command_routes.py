"""Commands in the table of the API."""

from __future__ import annotations

from chargepoint_driver.web.api.command_schemas import (
    AcknowledgeRequest,
    Answer,
    AvailabilityRequest,
    CallAnswer,
    CallRequest,
    ChargeStopRequest,
    ClearAlarmsRequest,
    ClearRequest,
    ReleaseRequest,
    ResetRequest,
    ShedRequest,
    StartRequest,
    StopRequest,
)
from chargepoint_driver.web.api.route import Route

__all__ = ["COMMANDS"]

COMMANDS = (
    Route("POST", "/shed", "shed", "Shed now", Answer, ShedRequest),
    Route(
        "POST",
        "/clear",
        "clear",
        "Clear a shed",
        Answer,
        ClearRequest,
    ),
    Route(
        "POST",
        "/clear-alarms",
        "clear_alarms",
        "Clear the alarms of a station",
        Answer,
        ClearAlarmsRequest,
    ),
    Route(
        "POST",
        "/acknowledge",
        "acknowledge",
        "Acknowledge an alarm or a need of maintenance",
        Answer,
        AcknowledgeRequest,
    ),
    Route(
        "POST",
        "/start",
        "start",
        "Begin a session",
        Answer,
        StartRequest,
    ),
    Route(
        "POST",
        "/stop",
        "stop",
        "End a session",
        Answer,
        StopRequest,
    ),
    Route(
        "POST",
        "/availability",
        "availability",
        "Take a connector in or out of service",
        Answer,
        AvailabilityRequest,
    ),
    Route(
        "POST",
        "/reset",
        "reset",
        "Restart a charger",
        Answer,
        ResetRequest,
    ),
    Route(
        "POST",
        "/charge/start",
        "start",
        "Begin a session, as the central-system document has it",
        Answer,
        StartRequest,
        base="",
    ),
    Route(
        "POST",
        "/charge/stop",
        "charge_stop",
        "End what runs on a connector; NotRunning where nothing does",
        Answer,
        ChargeStopRequest,
        base="",
    ),
    Route(
        "POST",
        "/call",
        "call",
        "Send any request of OCPP, where the account allows it (allow_call)",
        CallAnswer,
        CallRequest,
        role="administrator",
    ),
    Route(
        "POST",
        "/release",
        "release",
        "Release the plug",
        Answer,
        ReleaseRequest,
    ),
)
