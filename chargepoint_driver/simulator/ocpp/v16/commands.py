"""Core, reservation and trigger requests of 1.6."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..power.connector import Phase, Reservation
from ..protocol import requests
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fault as Wrong
from ..protocol.payload_reader import Fields, RefusalError
from .charge_point import Charger16
from .smart_charging import read_profile

TRIGGERS = (
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StatusNotification",
)
ID_TAG = 20


def handlers(point: Charger16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "ChangeAvailability": lambda fields: change_availability(point, fields),
        "ChangeConfiguration": lambda fields: change_configuration(point, fields),
        "ClearCache": lambda _: clear_cache(point),
        "DataTransfer": lambda fields: requests.data_transfer(fields, texts_only=True),
        "GetConfiguration": lambda fields: get_configuration(point, fields),
        "RemoteStartTransaction": lambda fields: remote_start(point, fields),
        "RemoteStopTransaction": lambda fields: remote_stop(point, fields),
        "Reset": lambda fields: reset(point, fields),
        "UnlockConnector": lambda fields: unlock(point, fields),
        "ReserveNow": lambda fields: reserve(point, fields),
        "CancelReservation": lambda fields: requests.cancel_reservation(point, fields),
        "TriggerMessage": lambda fields: trigger(point, fields),
    }


def change_availability(point: Charger16, fields: Fields) -> dict[str, Any]:
    """ChangeAvailability."""
    connector_id = fields.integer("connectorId", least=0)
    operative = fields.choice("type", ("Operative", "Inoperative")) == "Operative"
    return requests.change_availability(point, connector_id, operative)


def change_configuration(point: Charger16, fields: Fields) -> dict[str, Any]:
    """ChangeConfiguration."""
    key, value = fields.text("key", 50), fields.text("value", 500)
    fields.done()
    if key not in point.settings:
        return {"status": "NotSupported"}
    return {"status": "Accepted" if point.change_setting(key, value) else "Rejected"}


def get_configuration(point: Charger16, fields: Fields) -> dict[str, Any]:
    """GetConfiguration."""
    wanted = fields.maybe_texts("key", 50)
    settings, quirks = point.settings, point.quirks
    most = quirks.get("max_keys", "keys", settings.count("GetConfigurationMaxKeys"))
    if wanted is not None and len(wanted) > most:
        raise RefusalError(Wrong.TOO_MANY, f"key: more than {most}")
    names = wanted or [name for name in settings.names() if name != "AuthorizationKey"]
    shown = []
    for name in names:
        if name not in settings or name == "AuthorizationKey":
            continue
        value: Any = settings[name]
        if name == "GetConfigurationMaxKeys":
            value = str(most)
        elif name == "ChargingScheduleAllowedChargingRateUnit":
            only = {"A": "Current", "W": "Power"}.get(quirks.get("limit_unit", "unit"), value)
            value = quirks.get("rate_unit_spelling", "text", only)
        elif name == "ChargeProfileMaxStackLevel":
            value = str(quirks.get("max_stack_level", "level", value))
        if quirks.has("breaks_schema") and value in ("true", "false"):
            value = value == "true"
        shown.append({"key": name, "readonly": settings.is_readonly(name), "value": value})
    answer: dict[str, Any] = {"configurationKey": shown}
    unknown = [name for name in names if name not in settings]
    if unknown:
        answer["unknownKey"] = unknown
    return answer


def clear_cache(point: Charger16) -> dict[str, Any]:
    """ClearCache."""
    point.authorization_cache.clear()
    return {"status": "Accepted"}


def remote_start(point: Charger16, fields: Fields) -> dict[str, Any]:
    """RemoteStartTransaction: at the connector named, else at one that is free."""
    connector_id = fields.maybe_integer("connectorId", least=1)
    id_tag = fields.text("idTag", ID_TAG)
    given = fields.maybe_object("chargingProfile")
    fields.done()
    refusal = requests.remote_start(point, connector_id, id_tag, given, read_profile)
    return {"status": "Accepted" if refusal is None else "Rejected"}


def remote_stop(point: Charger16, fields: Fields) -> dict[str, Any]:
    """RemoteStopTransaction."""
    wanted = fields.integer("transactionId")
    for connector in point.connectors:
        if connector.transaction is not None and connector.transaction.wire_id == wanted:
            point.then(partial(point.stop, connector.connector_id, "Remote"))
            return {"status": "Accepted"}
    return {"status": "Rejected"}


def reset(point: Charger16, fields: Fields) -> dict[str, Any]:
    """Reset, with a real reconnect."""
    soft = fields.choice("type", ("Hard", "Soft")) == "Soft"
    point.then(lambda: point.reboot("SoftReset" if soft else "HardReset", gently=soft))
    return {"status": "Accepted"}


def unlock(point: Charger16, fields: Fields) -> dict[str, Any]:
    """UnlockConnector; ends a transaction."""
    connector_id = fields.integer("connectorId", least=1)
    if connector_id > len(point.connectors):
        return {"status": "NotSupported"}
    if point.connector(connector_id).transaction is not None:
        point.then(lambda: point.stop(connector_id, "UnlockCommand"))
    return {"status": "Unlocked"}


def reserve(point: Charger16, fields: Fields) -> dict[str, Any]:
    """ReserveNow, for one connector."""
    connector_id = fields.integer("connectorId", least=0)
    reservation = Reservation(
        expiry_s=fields.moment("expiryDate"),
        id_tag=fields.text("idTag", ID_TAG),
        reservation_id=fields.integer("reservationId"),
    )
    fields.maybe_text("parentIdTag", ID_TAG)
    if not 1 <= connector_id <= len(point.connectors) or reservation.expiry_s <= point.begin():
        return {"status": "Rejected"}
    connector = point.connector(connector_id)
    phase = point.phase(connector)
    same = connector.is_reserved_as(reservation.reservation_id)
    if phase in (Phase.FAULTED, Phase.UNAVAILABLE):
        return {"status": phase.value}
    if phase is not Phase.AVAILABLE and not same:
        return {"status": "Occupied"}
    point.then(lambda: point.reserve(connector, reservation))
    return {"status": "Accepted"}


def trigger(point: Charger16, fields: Fields) -> dict[str, Any]:
    """TriggerMessage."""
    wanted = fields.choice("requestedMessage", TRIGGERS)
    connector_id = fields.maybe_integer("connectorId", least=0)
    if connector_id is not None and connector_id > len(point.connectors):
        return {"status": "Rejected"}
    chosen = [one for one in point.connectors if connector_id in (None, 0, one.connector_id)]
    if connector_id == 0 and wanted == "StatusNotification":
        answer = requests.answer_for_the_station(point)
        if answer is not None:
            return answer

    def send() -> None:
        requests.send_triggered(point, wanted, chosen)
        if wanted == "StatusNotification":
            if connector_id in (None, 0):
                down = Phase.UNAVAILABLE if not point.operative else Phase.AVAILABLE
                phase = Phase.FAULTED if point.station_fault else down
                point.notify_status(0, phase, point.station_fault)
            if connector_id != 0:
                for connector in chosen:
                    fault = connector.fault or point.station_fault
                    point.notify_status(connector.connector_id, point.phase(connector), fault)
        elif wanted == "FirmwareStatusNotification":
            point.send_message(wanted, {"status": point.firmware_status})
        elif wanted == "DiagnosticsStatusNotification":
            point.send_message(wanted, {"status": point.diagnostics_status})

    point.then(send)
    return {"status": "Accepted"}
