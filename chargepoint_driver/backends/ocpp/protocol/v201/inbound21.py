"""Requests of OCPP 2.1 chargers that 2.0.1 does not have.

Each is recorded and answered. What this central system does not do is answered with a refusal:
streams of events, dynamic schedules, checks of VAT numbers and of certificate chains.
"""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.dispatch import ProtocolVersion, Request
from chargepoint_driver.backends.ocpp.protocol.handlers import Handlers, recorded
from chargepoint_driver.backends.ocpp.protocol.v201.inbound import DIALECT

__all__ = ["DIALECT_21"]

_handlers = Handlers(DIALECT.handlers)
_on = _handlers.on

_ANSWERS: dict[str, dict[str, Any]] = {
    "BatterySwap": {},
    "ClosePeriodicEventStream": {},
    "NotifyDERAlarm": {},
    "NotifyDERStartStop": {},
    # A message without answer (SEND); the answer is for chargers that send it as a CALL.
    "NotifyPeriodicEventStream": {},
    "NotifyPriorityCharging": {},
    "NotifySettlement": {},
    "OpenPeriodicEventStream": {"status": "Rejected"},
    "PullDynamicScheduleUpdate": {"status": "Rejected"},
    "ReportDERControl": {},
}
for _action, _answer in _ANSWERS.items():
    _handlers[_action] = recorded(_answer)


@_on("VatNumberValidation")
def _vat_number(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    request.context.record_event(request, None, request.received_s, payload)
    return {"vatNumber": payload.get("vatNumber", ""), "status": "Rejected"}


@_on("GetCertificateChainStatus")
def _certificate_chain(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    request.context.record_event(request, None, request.received_s, payload)
    asked = payload.get("certificateStatusRequests")
    return {
        "certificateStatus": [
            {
                "certificateHashData": each.get("certificateHashData"),
                "source": each.get("source"),
                "status": "Failed",
                "nextUpdate": iso(request.received_s),
            }
            for each in (asked if isinstance(asked, list) else ())
        ]
    }


DIALECT_21 = ProtocolVersion(version="2.1", handlers=_handlers, fast={})
