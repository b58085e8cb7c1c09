"""The requests of OCPP 2.0.1 and 2.1 charge points, and what is answered."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.bounds import bounded
from chargepoint_driver.backends.ocpp.model.metering import Raw, Sample
from chargepoint_driver.backends.ocpp.model.needs import needs_of
from chargepoint_driver.backends.ocpp.model.timestamps import iso
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
    samples_of,
)
from chargepoint_driver.backends.ocpp.protocol.id_tag_answers import id_tag_info
from chargepoint_driver.backends.ocpp.protocol.provisioning import without_secrets
from chargepoint_driver.backends.ocpp.protocol.status_notifications import (
    save_connector,
    status_changed,
)
from chargepoint_driver.backends.ocpp.protocol.transactions import measure, message_time
from chargepoint_driver.backends.ocpp.protocol.v201.outbound import variable_name
from chargepoint_driver.backends.ocpp.protocol.v201.transaction_events import Event, take_event

__all__ = ["DIALECT"]

_STATUSES = {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}
_handlers = Handlers()
_on = _handlers.on


@_on("BootNotification")
def _boot(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    station = payload.get("chargingStation", {})
    boot = {
        "vendor": station.get("vendorName"),
        "model": station.get("model"),
        "serial": station.get("serialNumber"),
        "firmware": station.get("firmwareVersion"),
        "reason": payload.get("reason"),
    }
    return booted(request, payload, boot)


@_on("StatusNotification")
def _status(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    time_s = message_time(request, payload.get("timestamp"))
    evse = connector_in(request, payload, "evseId")
    status, part = needed(payload, "connectorStatus"), payload.get("connectorId")
    _take_status(request, evse, part, status, payload.get("timestamp"))
    request.desk.note(request, evse, time_s, payload)
    return {}


@_on("Authorize")
def _authorize(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    token = needed(payload, "idToken")
    info = id_tag_info(request, needed(token, "idToken"), "cacheExpiryDateTime")
    request.desk.note(request, None, request.received_s, {**payload, "status": info["status"]})
    return {"idTokenInfo": info}


@_on("TransactionEvent")
def _transaction_event(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    time_s = message_time(request, payload.get("timestamp"))
    id_tag = str((payload.get("idToken") or {}).get("idToken") or "")
    evse_id = _evse((payload.get("evse") or {}).get("id") or 0)
    info = payload.get("transactionInfo") or {}
    ending = payload.get("eventType") == "Ended" or "stoppedReason" in info
    moments = _moments(request, payload.get("meterValue"), ending=ending)
    id_tag_of_event = id_tag or _tag_of_remote_start(request, info)
    begin_wh = begin_register(request, _raw_moments(request, payload.get("meterValue")))
    event = Event(payload, id_tag_of_event, time_s, evse_id, moments, begin_wh)
    evse_id = take_event(request, event)
    data = {**payload, "samples": [{"time": iso(at), "values": it.values} for at, it in moments]}
    data.pop("meterValue", None)
    request.desk.note(request, evse_id, time_s, data)
    if not id_tag:
        return {}
    info = id_tag_info(
        request,
        id_tag,
        "cacheExpiryDateTime",
        but=event.transaction_id,
        ends=event.kind == "Ended",
    )
    return {"idTokenInfo": info}


def _tag_of_remote_start(request: Request, info: dict[str, Any]) -> str:
    """The idToken of our own remote start, which an event may name by its id only."""
    start_id = info.get("remoteStartId")
    if not isinstance(start_id, int):
        return ""
    return request.desk.store.tag_of_remote_start(request.point.station_id, start_id) or ""


@_on("ReservationStatusUpdate")
def _reservation(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    status = str(payload.get("reservationUpdateStatus", "")).lower()
    state = {"expired": "expired", "removed": "cancelled"}.get(status)
    reservation_id = payload.get("reservationId")
    if state is not None and isinstance(reservation_id, int):
        store = request.desk.store
        store.end_reservation(request.point.station_id, reservation_id, state)
    request.desk.note(request, None, request.received_s, payload)
    return {}


@_on("MeterValues")
def _meter_values(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    evse = connector_if_known(request, payload, "evseId")
    if evse is None:
        request.point.forgive("unusable", request.action)
        request.desk.note(request, None, request.received_s, payload)
        return {}
    shown, time_s = measure(request, evse, None, _moments(request, payload.get("meterValue")))
    request.desk.note(request, evse, time_s, {"samples": shown})
    return {}


@_on("NotifyEvent")
def _event(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    for entry in payload.get("eventData", ()):
        component = entry.get("component", {})
        variable = entry.get("variable", {}).get("name")
        value = entry.get("actualValue")
        if variable is None or value is None:
            continue
        evse = component.get("evse") or {}
        connector = request.point.connector(_evse(evse.get("id", 0)))
        if variable == "AvailabilityState":
            # A word that OCPP does not have is kept as it came: what was before it is over.
            status = str(value).strip().capitalize()
            status = status if status in _STATUSES else str(value)
            part, number = evse.get("connectorId"), connector.connector_id
            _take_status(request, number, part, status, entry.get("timestamp"))
        elif variable == "Problem" or entry.get("trigger") == "Alerting":
            alarm = value.lower() not in {"false", "0", ""} and not entry.get("cleared")
            if alarm:
                code = entry.get("techCode") or f"{component.get('name', '')}.{variable}"
                connector.note_fault(request.received_s, code)
                connector.error_code, connector.vendor_error_code = "OtherError", code
                connector.info = entry.get("techInfo")
            elif connector.error_code == "OtherError":
                connector.error_code, connector.vendor_error_code = "NoError", None
            save_connector(request, connector)
    request.desk.note(request, None, message_time(request, payload.get("generatedAt")), payload)
    return {}


@_on("NotifyEVChargingNeeds")
def _charging_needs(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    evse = connector_if_known(request, payload, "evseId")
    needs = needs_of(payload)
    if evse and needs is not None:
        request.point.connector(evse).needs = needs
    request.desk.note(request, evse, message_time(request, payload.get("timestamp")), payload)
    # No schedule is negotiated with the vehicle: limits and plans hold without it.
    return {"status": "Rejected"}


@_on("NotifyReport")
def _report(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    point = request.point
    known: dict[str, str] = {}
    for entry in payload.get("reportData", ()):
        name = variable_name(entry)
        for attribute in entry.get("variableAttribute", ()):
            value = attribute.get("value")
            if name is None or attribute.get("type", "Actual") != "Actual" or value is None:
                continue
            known[name] = value
    known = without_secrets(known)
    if known:
        point.configuration = bounded(point.configuration, known)
        request.desk.store.save_point(point.station_id, configuration=point.configuration)
    time_s = message_time(request, payload.get("generatedAt"))
    data = {"requestId": payload.get("requestId"), "values": known}
    request.desk.note(request, None, time_s, data)
    return {}


_ANSWERS: dict[str, dict[str, Any]] = {
    "ClearedChargingLimit": {},
    "DataTransfer": {"status": "UnknownVendorId"},
    "FirmwareStatusNotification": {},
    "Get15118EVCertificate": {"status": "Failed", "exiResponse": ""},
    "GetCertificateStatus": {"status": "Failed"},
    "LogStatusNotification": {},
    "NotifyChargingLimit": {},
    "NotifyCustomerInformation": {},
    "NotifyDisplayMessages": {},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "NotifyMonitoringReport": {},
    "PublishFirmwareStatusNotification": {},
    "ReportChargingProfiles": {},
    "SecurityEventNotification": {},
    "SignCertificate": {"status": "Rejected"},
}
for _action, _answer in _ANSWERS.items():
    _handlers[_action] = noted(_answer)
_handlers["Heartbeat"] = heartbeat


def _take_status(request: Request, evse: int, part: int | None, status: str, text: object) -> None:
    # EVSE 0 is the charge point and connector 0 the whole EVSE: neither has parts.
    connector, _ = status_changed(
        request, evse, status, text, part=(part or None) if evse else None
    )
    if status == "Faulted":
        connector.note_fault(request.received_s, "Faulted")
    save_connector(request, connector)


def _evse(number: int) -> int:
    return connector_number(number, "evseId")


def _moments(
    request: Request, meter_values: Any, *, ending: bool = False
) -> list[tuple[float, Sample]]:
    return samples_of(request, _raw_moments(request, meter_values), ending=ending)


def _raw_moments(request: Request, meter_values: Any) -> list[tuple[float, list[Raw]]]:
    return [
        (
            message_time(request, each.get("timestamp")),
            [_raw(entry) for entry in each.get("sampledValue", ()) if "value" in entry],
        )
        for each in (meter_values if isinstance(meter_values, list) else ())
    ]


def _raw(entry: dict[str, Any]) -> Raw:
    """A sampled value as 1.6 would have it; the power of ten goes into the value."""
    unit = entry.get("unitOfMeasure") or {}
    value = entry["value"]
    power = unit.get("multiplier", 0)
    if power and abs(power) < 30:
        value *= 10.0**power
    return Raw(
        value,
        entry.get("context"),
        None,
        entry.get("measurand"),
        entry.get("phase"),
        entry.get("location"),
        unit.get("unit"),
    )


DIALECT = ProtocolVersion(version="2.0.1", handlers=_handlers, fast={})
