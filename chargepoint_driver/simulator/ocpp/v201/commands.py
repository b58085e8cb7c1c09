"""Remote control of 2.0.1: transactions, availability, reset, reservations, triggers."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..power.connector import Connector, Phase, Reservation
from ..power.validation import has_transaction
from ..protocol import requests
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fields
from .charge_point import Charger201
from .local_list import read_token
from .smart_charging import read_profile, rejected

TRIGGERS = (
    "BootNotification",
    "CombinedCertificate",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "PublishFirmwareStatusNotification",
    "SignChargingStationCertificate",
    "SignCombinedCertificate",
    "SignV2GCertificate",
    "StatusNotification",
    "TransactionEvent",
)

START_REFUSALS = {
    requests.StartRefusal.PURPOSE: "InvalidProfile",
    requests.StartRefusal.UNSUPPORTED: "UnsupportedParam",
    requests.StartRefusal.OCCUPIED: "TxInProgress",
}


def handlers(point: Charger201) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "CancelReservation": lambda fields: requests.cancel_reservation(point, fields),
        "ChangeAvailability": lambda fields: change_availability(point, fields),
        "DataTransfer": lambda fields: requests.data_transfer(fields, texts_only=False),
        "GetTransactionStatus": lambda fields: get_transaction_status(point, fields),
        "RequestStartTransaction": lambda fields: request_start(point, fields),
        "RequestStopTransaction": lambda fields: request_stop(point, fields),
        "ReserveNow": lambda fields: reserve(point, fields),
        "Reset": lambda fields: reset(point, fields),
        "TriggerMessage": lambda fields: trigger(point, fields),
        "UnlockConnector": lambda fields: unlock(point, fields),
    }


def _evse(fields: Fields) -> int:
    """Return the number of an `evse`; 0 when there is none."""
    evse = fields.maybe_object("evse")
    if evse is None:
        return 0
    number = evse.integer("id", least=0)
    evse.maybe_integer("connectorId", least=0)
    evse.done()
    return number


def _running(point: Charger201, transaction_id: str) -> Connector | None:
    for one in point.connectors:
        if one.transaction is not None and one.transaction.wire_id == transaction_id:
            return one
    return None


def change_availability(point: Charger201, fields: Fields) -> dict[str, Any]:
    """ChangeAvailability."""
    operative = fields.choice("operationalStatus", ("Inoperative", "Operative")) == "Operative"
    evse_id = _evse(fields)
    return requests.change_availability(point, evse_id, operative)


def request_start(point: Charger201, fields: Fields) -> dict[str, Any]:
    """RequestStartTransaction: at the EVSE named, else at one that is free."""
    evse_id = fields.maybe_integer("evseId", least=1)
    remote_start_id = fields.integer("remoteStartId")
    token = read_token(fields.object("idToken"))
    group = fields.maybe_object("groupIdToken")
    if group is not None:
        read_token(group)
    given = fields.maybe_object("chargingProfile")
    fields.done()
    refusal = requests.remote_start(point, evse_id, token, given, read_profile, remote_start_id)
    if refusal is None:
        return {"status": "Accepted"}
    return rejected(START_REFUSALS[refusal], refusal.value)


def request_stop(point: Charger201, fields: Fields) -> dict[str, Any]:
    """RequestStopTransaction."""
    connector = _running(point, fields.text("transactionId", 36))
    if connector is None:
        return rejected("TxNotFound", "no such transaction")
    number = connector.connector_id
    point.then(lambda: point.stop(number, "Remote"))
    return {"status": "Accepted"}


def get_transaction_status(point: Charger201, fields: Fields) -> dict[str, Any]:
    """GetTransactionStatus."""
    wanted = fields.maybe_text("transactionId", 36)
    waiting = any(one.action == "TransactionEvent" for one in point.link.queue)
    if wanted is None:
        return {"messagesInQueue": waiting}
    return {"messagesInQueue": waiting, "ongoingIndicator": _running(point, wanted) is not None}


def reset(point: Charger201, fields: Fields) -> dict[str, Any]:
    """Reset, with a real reconnect; OnIdle waits for the transactions."""
    kind = fields.choice("type", ("Immediate", "OnIdle"))
    if fields.maybe_integer("evseId", least=0):
        return rejected("UnsupportedRequest", "an EVSE cannot be reset alone")
    if kind == "OnIdle" and has_transaction(point, 0):
        point.resets_when_idle = True
        return {"status": "Scheduled"}
    point.then(lambda: point.reboot("ImmediateReset", gently=kind == "OnIdle"))
    return {"status": "Accepted"}


def unlock(point: Charger201, fields: Fields) -> dict[str, Any]:
    """UnlockConnector."""
    evse_id, connector_id = fields.integer("evseId", least=0), fields.integer("connectorId", 0)
    if not 1 <= evse_id <= len(point.connectors) or connector_id != 1:
        return {"status": "UnknownConnector"}
    if point.connector(evse_id).transaction is not None:
        return {"status": "OngoingAuthorizedTransaction"}
    return {"status": "Unlocked"}


def reserve(point: Charger201, fields: Fields) -> dict[str, Any]:
    """ReserveNow, for the EVSE named, else for a free one."""
    reservation_id = fields.integer("id")
    expiry_s = fields.moment("expiryDateTime")
    fields.maybe_text("connectorType", 20)
    token = read_token(fields.object("idToken"))
    evse_id = fields.maybe_integer("evseId", least=1)
    group = fields.maybe_object("groupIdToken")
    if group is not None:
        read_token(group)
    fields.done()
    chosen = [one for one in point.connectors if evse_id in (None, one.connector_id)]
    if not chosen or expiry_s <= point.begin():
        return {"status": "Rejected"}
    reservation = Reservation(reservation_id, token, expiry_s)
    for connector in chosen:
        if connector.is_reserved_as(reservation_id) or point.phase(connector) is Phase.AVAILABLE:
            point.then(partial(point.reserve, connector, reservation))
            return {"status": "Accepted"}
    phase = point.phase(chosen[0])
    return {"status": phase.value if phase in (Phase.FAULTED, Phase.UNAVAILABLE) else "Occupied"}


def trigger(point: Charger201, fields: Fields) -> dict[str, Any]:
    """TriggerMessage."""
    wanted = fields.choice("requestedMessage", TRIGGERS)
    evse_id = _evse(fields)
    if evse_id > len(point.connectors):
        return {"status": "Rejected"}
    chosen = [one for one in point.connectors if evse_id in (0, one.connector_id)]
    booted = point.boot_status == "Accepted" and not point.link.awaits_boot
    if wanted == "BootNotification" and booted and not point.quirks.has("no_boot_on_reconnect"):
        return {"status": "Rejected"}
    if wanted == "TransactionEvent" and all(one.transaction is None for one in chosen):
        return {"status": "Rejected"}

    of_station = evse_id == 0 and wanted == "StatusNotification"
    answer = requests.answer_for_the_station(point) if of_station else None
    if answer is not None:
        return answer

    def send() -> None:
        if of_station and point.quirks.has("connector_0_unavailable"):
            point.notify_station("Available" if point.operative else "Unavailable")
        if wanted == "BootNotification":
            point.boot_reason = "Triggered"
        requests.send_triggered(point, wanted, chosen)
        if wanted == "FirmwareStatusNotification":
            point.send_message(wanted, point.firmware_status)
        elif wanted == "LogStatusNotification":
            point.send_message(wanted, point.log_status)
        for connector in chosen:
            if wanted == "StatusNotification":
                point.notify_status(connector)
            elif wanted == "TransactionEvent" and connector.transaction is not None:
                point.send_update(connector, connector.transaction, "Trigger", "Trigger")

    if wanted not in KNOWN_TRIGGERS:
        return {"status": "NotImplemented"}
    point.then(send)
    return {"status": "Accepted"}


KNOWN_TRIGGERS = (
    "BootNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "StatusNotification",
    "TransactionEvent",
)
