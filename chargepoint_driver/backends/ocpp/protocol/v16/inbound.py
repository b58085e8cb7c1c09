"""The requests of OCPP 1.6 charge points, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chargepoint_driver.backends.ocpp.model.charger import EV_COMMUNICATION_ERROR, is_fault
from chargepoint_driver.backends.ocpp.model.metering import Raw, Sample, raw_values
from chargepoint_driver.backends.ocpp.protocol import transactions
from chargepoint_driver.backends.ocpp.protocol.dispatch import ProtocolVersion, Request
from chargepoint_driver.backends.ocpp.protocol.events import (
    Booted,
    Metered,
    StatusChanged,
    StatusDetails,
    TransactionEnded,
    TransactionStarted,
)
from chargepoint_driver.backends.ocpp.protocol.handlers import (
    Handlers,
    accept_boot,
    begin_register,
    connector_if_known,
    connector_in,
    connector_number,
    heartbeat,
    message_time,
    needed,
    recorded,
    register_in,
    samples_of,
)
from chargepoint_driver.backends.ocpp.protocol.id_tag_answers import id_tag_info
from chargepoint_driver.backends.ocpp.protocol.meter_values import measure
from chargepoint_driver.backends.ocpp.protocol.status_notifications import take_status
from chargepoint_driver.backends.ocpp.protocol.v16.messages import MeterValues

__all__ = ["DIALECT"]

_handlers = Handlers()
_on = _handlers.on


@_on("BootNotification")
def _boot(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    serial = payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber")
    boot = {
        "vendor": payload.get("chargePointVendor"),
        "model": payload.get("chargePointModel"),
        "serial": serial,
        "firmware": payload.get("firmwareVersion"),
    }
    return accept_boot(request, Booted(boot), payload)


@_on("StatusNotification")
def _status(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    connector_id = connector_in(request, payload, "connectorId")
    time_s = message_time(request, payload.get("timestamp"))
    status = needed(payload, "status")
    error, vendor_error = payload.get("errorCode"), payload.get("vendorErrorCode")
    details = StatusDetails(error, vendor_error, payload.get("vendorId"), payload.get("info"))
    faults = _faults(status, error, vendor_error)
    event = StatusChanged(
        connector_id, status, payload.get("timestamp"), faults=faults, details=details
    )
    take_status(request, event)
    request.context.record_event(request, connector_id, time_s, payload)
    return {}


@_on("Authorize")
def _authorize(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    info = id_tag_info(request, needed(payload, "idTag"), "expiryDate")
    request.context.record_event(
        request, None, request.received_s, {**payload, "status": info["status"]}
    )
    return {"idTagInfo": info}


@_on("StartTransaction")
def _start(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    # A refused start is sent again permanently, or lost: 0 is a connector that is not known.
    connector_id = connector_if_known(request, payload, "connectorId") or 0
    id_tag = str(payload.get("idTag") or "")
    meter = register_in(request, payload, "meterStart")
    event = TransactionStarted(
        wire_id=None,
        ids_are_ours=True,
        connector_id=connector_id,
        id_tag=id_tag,
        time_s=message_time(request, payload.get("timestamp")),
        begin_wh=meter,
        moments=(),
        key=f"{connector_id}|{id_tag}|{payload.get('timestamp', '')}|{_exact(meter)}",
        reservation_id=payload.get("reservationId"),
    )
    own_id = transactions.start(request, event).transaction_id
    info = id_tag_info(request, id_tag, "expiryDate", but=own_id)
    data = {**payload, "transactionId": own_id, "status": info["status"]}
    request.context.record_event(request, connector_id, event.time_s, data)
    return {"transactionId": own_id, "idTagInfo": info}


@_on("StopTransaction")
def _stop(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    given = payload.get("transactionId")
    id_tag = str(payload.get("idTag") or "")
    meter = register_in(request, payload, "meterStop")
    data = _moments(request, payload.get("transactionData"), ending=True)
    registers = [(at, found.energy_wh) for at, found in data if found.energy_wh is not None]
    event = TransactionEnded(
        wire_id=None if given is None else str(given),
        ids_are_ours=True,
        connector_id=0,
        id_tag=id_tag,
        time_s=message_time(request, payload.get("timestamp")),
        begin_wh=begin_register(request, _raw_moments(request, payload.get("transactionData"))),
        # They are of the whole session: none of them is live.
        moments=(),
        registers=registers,
        # A register of 0 next to samples that are not is one that was lost.
        end_wh=meter or (max(registers)[1] if registers else meter),
        reason=payload.get("reason") or "Local",
        key=f"{given}|{payload.get('timestamp')}|{_exact(meter)}",
    )
    found, connector_id = transactions.end(request, event)
    known = None if found is None else connector_id
    request.context.record_event(request, known, event.time_s, payload)
    if not id_tag:
        return {}
    return {"idTagInfo": id_tag_info(request, id_tag, "expiryDate", ends=True)}


@_on("MeterValues")
def _meter_values(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    moments = _moments(request, payload.get("meterValue"))
    wire_id = payload.get("transactionId")
    running = None if wire_id is None else str(wire_id)
    connector_id = connector_if_known(request, payload, "connectorId", running)
    if connector_id is None:
        request.point.forgive("unusable", request.action)
        request.context.record_event(request, None, request.received_s, payload)
        return {}
    return _measured(request, connector_id, wire_id, moments)


def _meter_values_fast(request: Request, payload: MeterValues) -> dict[str, Any]:
    moments = [
        (message_time(request, each.timestamp), each.sampledValue) for each in payload.meterValue
    ]
    connector_id = connector_number(payload.connectorId, "connectorId")
    samples = samples_of(request, moments)
    return _measured(request, connector_id, payload.transactionId, samples)


_handlers["Heartbeat"] = heartbeat
for _action, _answer in {
    "DataTransfer": {"status": "UnknownVendorId"},
    "DiagnosticsStatusNotification": {},
    "FirmwareStatusNotification": {},
    "LogStatusNotification": {},
    "SecurityEventNotification": {},
    "SignCertificate": {"status": "Rejected"},
    "SignedFirmwareStatusNotification": {},
}.items():
    _handlers[_action] = recorded(_answer)


def _faults(status: str, error: str | None, vendor_error: str | None) -> tuple[str, ...]:
    """Return the codes that a StatusNotification reports as errors."""
    # A vendor's code with EVCommunicationError explains it, and is not a fault either.
    if status != "Faulted" and (error or "").strip().lower() == EV_COMMUNICATION_ERROR:
        return ()
    if status == "Faulted" and not is_fault(error):
        error = status
    return tuple(code for code in (error, vendor_error) if code is not None and is_fault(code))


def _exact(register: float | None) -> str:
    return "" if register is None else f"{register:.15g}"


def _measured(
    request: Request,
    connector_id: int,
    wire_id: int | None,
    moments: list[tuple[float, Sample]],
) -> dict[str, Any]:
    known = None if wire_id is None else str(wire_id)
    samples, time_s = measure(request, Metered(connector_id, known, moments))
    data = {"transactionId": wire_id, "samples": samples}
    request.context.record_event(request, connector_id, time_s, data)
    return {}


def _moments(
    request: Request, meter_values: Any, *, ending: bool = False
) -> list[tuple[float, Sample]]:
    """The samples of meter values that came the common way; a lone one counts as a list."""
    return samples_of(request, _raw_moments(request, meter_values), ending=ending)


def _raw_moments(request: Request, meter_values: Any) -> list[tuple[float, list[Raw]]]:
    return [
        (message_time(request, each.get("timestamp")), raw_values(each.get("sampledValue")))
        for each in (meter_values if isinstance(meter_values, list) else [meter_values])
        if isinstance(each, dict)
    ]


DIALECT = ProtocolVersion(
    version="1.6",
    handlers=_handlers,
    fast={"MeterValues": (msgspec.json.Decoder(MeterValues), _meter_values_fast)},
    whole=(
        b'"MeterValues"',
        msgspec.json.Decoder(tuple[Literal[2], str, Literal["MeterValues"], MeterValues]),
    ),
)
