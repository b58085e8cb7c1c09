"""The requests of OCPP 2.0.1 and 2.1 charge points, and what is answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chargepoint_driver.backends.ocpp.model.metering import Raw, Sample, sample
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.dispatch import Dialect, Request
from chargepoint_driver.backends.ocpp.protocol.handlers import (
    Handlers,
    booted,
    connector_in,
    connector_number,
    heartbeat,
    needed,
    noted,
    phases_of,
)
from chargepoint_driver.backends.ocpp.protocol.provisioning import without_secrets
from chargepoint_driver.backends.ocpp.protocol.status_notifications import (
    save_connector,
    status_changed,
)
from chargepoint_driver.backends.ocpp.protocol.transactions import (
    finish,
    measure,
    message_time,
)
from chargepoint_driver.backends.ocpp.protocol.v201.outbound import variable_name
from chargepoint_driver.backends.ocpp.wire.framing import WireError

__all__ = ["DIALECT", "DIALECT_21"]

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
    status = request.desk.tags.status(needed(token, "idToken"))
    request.desk.note(request, None, request.received_s, {**payload, "status": status})
    return {"idTokenInfo": {"status": status}}


@_on("TransactionEvent")
def _transaction_event(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    point, desk, store = request.point, request.desk, request.desk.store
    info, kind = _info(payload)
    wire_id = _wire_id(request, payload, info, kind)
    time_s = message_time(request, payload.get("timestamp"))
    token = payload.get("idToken") or {}
    id_tag = str(token.get("idToken", ""))
    evse = payload.get("evse")
    known = store.find(point.station_id, wire_id)
    is_new = known is None
    evse_id = 0 if known is None else known.connector_id
    if evse and "id" in evse:
        evse_id = _evse(evse["id"])
    moments = list(_moments(request, payload.get("meterValue")))
    registers = [(at, found.energy_wh) for at, found in moments if found.energy_wh is not None]
    first_wh = min(registers)[1] if registers and kind == "Started" else None
    if known is None:
        known, _ = store.start(
            point.station_id,
            evse_id,
            id_tag,
            time_s if kind == "Started" else None,
            first_wh,
            request.received_s,
            request=None,
            wire_id=wire_id,
            origin="start" if kind == "Started" else "adopted",
        )
        if kind != "Started":
            desk.count(point, "adopted_transactions", wire_id)
    else:
        store.amend(
            known.transaction_id,
            id_tag=id_tag or None,
            start_s=time_s if kind == "Started" else None,
            start_wh=first_wh,
            connector=evse_id or None,
        )
    newer = True
    if "seqNo" in payload:
        seq, offline = int(payload["seqNo"]), bool(payload.get("offline"))
        newer = store.sequence(known.transaction_id, seq, offline)
    if not newer and not is_new:
        desk.count(point, "repeated_events")
    if kind != "Ended" and (newer or is_new) and store.is_active(known.transaction_id):
        _go_on(request, known.transaction_id, evse_id, wire_id, info, is_new)
    if moments:
        measure(request, evse_id, wire_id, moments)
    if kind == "Ended":
        stop_wh = max(registers)[1] if registers else None
        finish(request, wire_id, id_tag, time_s, stop_wh, info.get("stoppedReason"))
    data = {**payload, "samples": [{"time": iso(at), "values": it} for at, it in moments]}
    data.pop("meterValue", None)
    desk.note(request, evse_id, time_s, data)
    if not id_tag:
        return {}
    return {"idTokenInfo": {"status": desk.tags.status(id_tag)}}


def _info(payload: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """(transactionInfo, eventType) of an event. What has a reason to have stopped has ended."""
    info: dict[str, Any] = payload.get("transactionInfo", {})
    ended = "stoppedReason" in info
    kind = payload.get("eventType", "Ended" if ended else "Updated")
    return info, kind if kind in {"Started", "Ended"} else "Updated"


def _wire_id(request: Request, payload: dict[str, Any], info: dict[str, Any], kind: str) -> str:
    """The transaction's id: where it is missing, that of the only one that it can mean.
    Raises WireError where there is none, but for an end."""
    if "transactionId" in info:
        return str(info["transactionId"])
    evse_id = payload.get("evse", {}).get("id")
    running = [
        each.transaction.wire_id
        for number, each in request.point.connectors.items()
        if each.transaction is not None and evse_id in {None, number}
    ]
    if len(running) == 1 and kind != "Started":
        return running[0]
    if kind != "Ended":
        raise WireError("ProtocolError", "transactionInfo.transactionId: is required")
    return ""


def _go_on(
    request: Request, own_id: int, evse_id: int, wire_id: str, info: dict[str, Any], is_new: bool
) -> None:
    """The transaction runs on the EVSE."""
    point, desk = request.point, request.desk
    known = desk.store.find(point.station_id, wire_id)
    assert known is not None
    connector = point.connector(evse_id)
    running = connector.transaction
    if running is None or running.wire_id != wire_id:
        if running is not None and running.start_s > known.start_s > 0:
            return  # history: another one runs there since
        desk.store.supersede(point.station_id, evse_id, own_id)
        connector.begin(known)
        if is_new:
            request.after.append(lambda: desk.began(point, evse_id))
    connector.charging_state = info.get("chargingState") or connector.charging_state


@_on("MeterValues")
def _meter_values(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    evse = connector_in(request, payload, "evseId")
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
            status = str(value).strip().capitalize()
            if status in {"Available", "Occupied", "Reserved", "Unavailable", "Faulted"}:
                part = evse.get("connectorId")
                number = connector.connector_id
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
        point.configuration = {**point.configuration, **known}
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
    "NotifyEVChargingNeeds": {"status": "Rejected"},
    "NotifyEVChargingSchedule": {"status": "Accepted"},
    "NotifyMonitoringReport": {},
    "PublishFirmwareStatusNotification": {},
    "ReportChargingProfiles": {},
    "ReservationStatusUpdate": {},
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


def _moments(request: Request, meter_values: Any) -> Iterable[tuple[float, Sample]]:
    phases = phases_of(request)
    for each in meter_values if isinstance(meter_values, list) else ():
        time_s = message_time(request, each.get("timestamp"))
        values = [_raw(entry) for entry in each.get("sampledValue", ()) if "value" in entry]
        yield time_s, sample(values, phases)


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


DIALECT = Dialect(version="2.0.1", handlers=_handlers, fast={})
DIALECT_21 = Dialect(version="2.1", handlers=_handlers, fast={})
