"""The requests of OCPP 2.0.1 and 2.1 charge points, and what is answered."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.metering import Raw, Sample
from chargepoint_driver.backends.ocpp.model.needs import needs_of
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol import transactions
from chargepoint_driver.backends.ocpp.protocol.charger_reports import (
    take_alarm,
    take_needs,
    take_reservation_end,
    take_settings,
)
from chargepoint_driver.backends.ocpp.protocol.dispatch import ProtocolVersion, Request
from chargepoint_driver.backends.ocpp.protocol.events import (
    AlarmChanged,
    Booted,
    Metered,
    NeedsReported,
    ReservationEnded,
    SettingsReported,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
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
    samples_of,
)
from chargepoint_driver.backends.ocpp.protocol.id_tag_answers import (
    id_tag_info,
    tag_of_remote_start,
)
from chargepoint_driver.backends.ocpp.protocol.meter_values import measure
from chargepoint_driver.backends.ocpp.protocol.status_notifications import take_status
from chargepoint_driver.backends.ocpp.protocol.v201.outbound import variable_name

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
    return accept_boot(request, Booted(boot), payload)


@_on("StatusNotification")
def _status(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    time_s = message_time(request, payload.get("timestamp"))
    evse = connector_in(request, payload, "evseId")
    status, part = needed(payload, "connectorStatus"), payload.get("connectorId")
    take_status(request, _status_of(evse, part, status, payload.get("timestamp")))
    request.context.record_event(request, evse, time_s, payload)
    return {}


@_on("Authorize")
def _authorize(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    token = needed(payload, "idToken")
    info = id_tag_info(request, needed(token, "idToken"), "cacheExpiryDateTime")
    request.context.record_event(
        request, None, request.received_s, {**payload, "status": info["status"]}
    )
    return {"idTokenInfo": info}


@_on("TransactionEvent")
def _transaction_event(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    id_tag = str((payload.get("idToken") or {}).get("idToken") or "")
    event = _event_of(request, payload, id_tag)
    if isinstance(event, TransactionEnded):
        session, evse_id = transactions.end(request, event)
    else:
        session, evse_id = transactions.go_on(request, event)
    samples = [{"time": iso(at), "values": it.values} for at, it in event.moments]
    data = {**payload, "samples": samples}
    data.pop("meterValue", None)
    request.context.record_event(request, evse_id, event.time_s, data)
    if not id_tag:
        return {}
    info = id_tag_info(
        request,
        id_tag,
        "cacheExpiryDateTime",
        but=None if session is None else session.transaction_id,
        ends=isinstance(event, TransactionEnded),
    )
    return {"idTokenInfo": info}


def _event_of(
    request: Request, payload: dict[str, Any], id_tag: str
) -> TransactionStarted | TransactionUpdated | TransactionEnded:
    time_s = message_time(request, payload.get("timestamp"))
    evse_id = _evse((payload.get("evse") or {}).get("id") or 0)
    info = payload.get("transactionInfo") or {}
    kind = payload.get("eventType")
    # What has a reason to have stopped has ended.
    is_ended = kind == "Ended" or (kind is None and "stoppedReason" in info)
    meter_values = payload.get("meterValue")
    moments = _moments(request, meter_values, ending=is_ended or "stoppedReason" in info)
    registers = [(at, it.energy_wh) for at, it in moments if it.energy_wh is not None]
    begin_wh = begin_register(request, _raw_moments(request, meter_values))
    if begin_wh is None and kind == "Started" and registers:
        begin_wh = min(registers)[1]
    given = info.get("transactionId")
    wire_id = None if given is None else str(given)
    end_wh = max(registers)[1] if registers and is_ended else None
    fields: dict[str, Any] = {
        "wire_id": wire_id,
        "ids_are_ours": False,
        "connector_id": evse_id,
        "id_tag": id_tag or tag_of_remote_start(request, info.get("remoteStartId")),
        "time_s": time_s,
        "begin_wh": begin_wh,
        "moments": moments,
        "key": "|".join(
            (f"{wire_id}|{evse_id}|{payload.get('timestamp')}", *_exact(begin_wh), *_exact(end_wh))
        ),
        "sequence": int(payload["seqNo"]) if "seqNo" in payload else None,
        "is_offline": bool(payload.get("offline")),
        "charging_state": info.get("chargingState"),
        "reservation_id": payload.get("reservationId"),
    }
    if is_ended:
        reason = info.get("stoppedReason") or "Local"
        return TransactionEnded(**fields, registers=registers, end_wh=end_wh, reason=reason)
    return (TransactionStarted if kind == "Started" else TransactionUpdated)(**fields)


def _exact(register: float | None) -> list[str]:
    return [] if register is None else [f"{register:.15g}"]


@_on("ReservationStatusUpdate")
def _reservation(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    status = str(payload.get("reservationUpdateStatus", "")).lower()
    state = {"expired": "expired", "removed": "cancelled"}.get(status)
    reservation_id = payload.get("reservationId")
    if state is not None and isinstance(reservation_id, int):
        take_reservation_end(request, ReservationEnded(reservation_id, state))
    request.context.record_event(request, None, request.received_s, payload)
    return {}


@_on("MeterValues")
def _meter_values(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    evse = connector_if_known(request, payload, "evseId")
    if evse is None:
        request.point.forgive("unusable", request.action)
        request.context.record_event(request, None, request.received_s, payload)
        return {}
    event = Metered(evse, None, _moments(request, payload.get("meterValue")))
    shown, time_s = measure(request, event)
    request.context.record_event(request, evse, time_s, {"samples": shown})
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
        evse_id = _evse(evse.get("id", 0))
        if variable == "AvailabilityState":
            # A word that OCPP does not have is kept as it came: what was before it is over.
            status = str(value).strip().capitalize()
            status = status if status in _STATUSES else str(value)
            part = evse.get("connectorId")
            take_status(request, _status_of(evse_id, part, status, entry.get("timestamp")))
        elif variable == "Problem" or entry.get("trigger") == "Alerting":
            alarm = value.lower() not in {"false", "0", ""} and not entry.get("cleared")
            code = entry.get("techCode") or f"{component.get('name', '')}.{variable}"
            event = AlarmChanged(evse_id, code if alarm else None, entry.get("techInfo"))
            take_alarm(request, event)
    request.context.record_event(
        request, None, message_time(request, payload.get("generatedAt")), payload
    )
    return {}


@_on("NotifyEVChargingNeeds")
def _charging_needs(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    evse = connector_if_known(request, payload, "evseId")
    needs = needs_of(payload)
    if evse and needs is not None:
        take_needs(request, NeedsReported(evse, needs))
    request.context.record_event(
        request, evse, message_time(request, payload.get("timestamp")), payload
    )
    # No schedule is negotiated with the vehicle: limits and plans hold without it.
    return {"status": "Rejected"}


@_on("NotifyReport")
def _report(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, str] = {}
    for entry in payload.get("reportData", ()):
        name = variable_name(entry)
        for attribute in entry.get("variableAttribute", ()):
            value = attribute.get("value")
            if name is None or attribute.get("type", "Actual") != "Actual" or value is None:
                continue
            found[name] = value
    known = take_settings(request, SettingsReported(found))
    time_s = message_time(request, payload.get("generatedAt"))
    data = {"requestId": payload.get("requestId"), "values": known}
    request.context.record_event(request, None, time_s, data)
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
    _handlers[_action] = recorded(_answer)
_handlers["Heartbeat"] = heartbeat


def _status_of(evse: int, part: int | None, status: str, timestamp: object) -> StatusChanged:
    """Return the event of a status. EVSE 0 is the charger and connector 0 the whole EVSE: neither
    has parts."""
    faults = ("Faulted",) if status == "Faulted" else ()
    return StatusChanged(evse, status, timestamp, (part or None) if evse else None, faults)


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
    """Return a sampled value as 1.6 would have it; the power of ten goes into the value."""
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
