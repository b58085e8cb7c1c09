"""The requests of OCPP 1.6 charge points, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.model.charger import EV_COMMUNICATION_ERROR, is_fault
from chargepoint_driver.backends.ocpp.model.metering import Raw, Sample, raw_values
from chargepoint_driver.backends.ocpp.protocol.dispatch import ProtocolVersion, Request
from chargepoint_driver.backends.ocpp.protocol.handlers import (
    Handlers,
    begin_register,
    booted,
    connector_if_known,
    connector_in,
    connector_number,
    heartbeat,
    needed,
    noted,
    register_in,
    samples_of,
)
from chargepoint_driver.backends.ocpp.protocol.id_tag_answers import id_tag_info
from chargepoint_driver.backends.ocpp.protocol.status_notifications import (
    save_connector,
    status_changed,
)
from chargepoint_driver.backends.ocpp.protocol.transactions import (
    finish,
    measure,
    message_time,
)
from chargepoint_driver.backends.ocpp.protocol.v16.messages import MeterValues
from chargepoint_driver.backends.ocpp.storage.transaction_table import End

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
    return booted(request, payload, boot)


@_on("StatusNotification")
def _status(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    connector_id = connector_in(request, payload, "connectorId")
    time_s = message_time(request, payload.get("timestamp"))
    status = needed(payload, "status")
    connector, newest = status_changed(request, connector_id, status, payload.get("timestamp"))
    error, vendor_error = payload.get("errorCode"), payload.get("vendorErrorCode")
    if status == "Faulted" and not is_fault(error):
        connector.note_fault(request.received_s, status, vendor_error)
    elif status == "Faulted" or (error or "").strip().lower() != EV_COMMUNICATION_ERROR:
        # A vendor's code beside EVCommunicationError says more of that, and is no fault either.
        connector.note_fault(request.received_s, error, vendor_error)
    if newest:
        connector.error_code = error
        connector.vendor_error_code = vendor_error
        connector.vendor_id = payload.get("vendorId")
        connector.info = payload.get("info")
    save_connector(request, connector)
    request.desk.note(request, connector_id, time_s, payload)
    return {}


@_on("Authorize")
def _authorize(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    info = id_tag_info(request, needed(payload, "idTag"), "expiryDate")
    request.desk.note(request, None, request.received_s, {**payload, "status": info["status"]})
    return {"idTagInfo": info}


@_on("StartTransaction")
def _start(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    """Begin a session, or answer a repeated request: see `Transactions.start` for the rule."""
    point, desk = request.point, request.desk
    # A refused start is sent again for ever, or lost: 0 is a connector that is not known.
    connector_id = connector_if_known(request, payload, "connectorId") or 0
    id_tag = str(payload.get("idTag") or "")
    meter = register_in(request, payload, "meterStart")
    start_s = message_time(request, payload.get("timestamp"))
    same = f"{connector_id}|{id_tag}|{payload.get('timestamp', '')}|{_exact(meter)}"
    started, is_new = desk.store.start(
        point.station_id, connector_id, id_tag, start_s, meter, request.received_s, request=same
    )
    if is_new:
        connector = point.connector(connector_id)
        running = connector.transaction
        # A late begin is history: what runs there since is not replaced.
        if running is None or running.start_s <= start_s:
            own_id = started.transaction_id
            desk.store.supersede(point.station_id, connector_id, own_id, request.received_s)
            connector.begin(started)
            request.after.append(lambda: desk.began(point, connector_id))
        desk.store.use_reservation(
            point.station_id,
            payload.get("reservationId"),
            connector_id,
            id_tag,
            started.transaction_id,
            start_s,
        )
    else:
        desk.count(point, "repeated_starts")
    info = id_tag_info(request, id_tag, "expiryDate", but=started.transaction_id)
    data = {**payload, "transactionId": started.transaction_id, "status": info["status"]}
    desk.note(request, connector_id, start_s, data)
    return {"transactionId": started.transaction_id, "idTagInfo": info}


@_on("StopTransaction")
def _stop(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    given = payload.get("transactionId")
    id_tag = str(payload.get("idTag") or "")
    meter = register_in(request, payload, "meterStop")
    data = _moments(request, payload.get("transactionData"), ending=True)
    registers = [(at, found.energy_wh) for at, found in data if found.energy_wh is not None]
    end = End(
        wire_id=None if given is None else str(given),
        id_tag=id_tag,
        stop_s=message_time(request, payload.get("timestamp")),
        # A register of 0 next to samples that are not is one that was lost.
        stop_wh=meter or (max(registers)[1] if registers else meter),
        reason=payload.get("reason") or "Local",
        key=f"{given}|{payload.get('timestamp')}|{_exact(meter)}",
    )
    begin_wh = begin_register(request, _raw_moments(request, payload.get("transactionData")))
    found = finish(request, end, registers, begin_wh=begin_wh)
    connector_id = None if found is None else found.connector_id
    request.desk.note(request, connector_id, end.stop_s, payload)
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
        request.desk.note(request, None, request.received_s, payload)
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
    _handlers[_action] = noted(_answer)


def _exact(register: float | None) -> str:
    return "" if register is None else f"{register:.15g}"


def _measured(
    request: Request,
    connector_id: int,
    wire_id: int | None,
    moments: Iterable[tuple[float, Sample]],
) -> dict[str, Any]:
    known = None if wire_id is None else str(wire_id)
    samples, time_s = measure(request, connector_id, known, moments)
    data = {"transactionId": wire_id, "samples": samples}
    request.desk.note(request, connector_id, time_s, data)
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
)
