"""Requests that are the same in both versions, or nearly so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from ..power.connector import Connector
from ..power.profiles import Profile, Purpose
from ..power.validation import free_connectors, has_transaction
from .charge_point import Charger
from .payload_reader import Fields
from .smart_charging import refused_because


def data_transfer(fields: Fields, *, texts_only: bool) -> dict[str, Any]:
    """DataTransfer: an echo for the vendor of the twins, unknown to the others. `texts_only`: the
    answer has no data but texts (1.6)."""
    vendor, message = fields.text("vendorId"), fields.maybe_text("messageId", 50)
    data = fields.raw("data")
    if vendor != "twin":
        return {"status": "UnknownVendorId"}
    if message not in (None, "echo"):
        return {"status": "UnknownMessageId"}
    if data is None or (texts_only and not isinstance(data, str)):
        return {"status": "Accepted"}
    return {"status": "Accepted", "data": data}


def change_availability(point: Charger, number: int, operative: bool) -> dict[str, Any]:
    """ChangeAvailability of a connector, or (0) of all."""
    if number > len(point.connectors):
        return {"status": "Rejected"}
    if number == 0 and point.quirks.has("refuses_availability_0"):
        return {"status": "Rejected"}
    waits = not operative and has_transaction(point, number)

    def change() -> None:
        point.change_availability(number, operative)

    point.then(change)
    return {"status": "Scheduled" if waits else "Accepted"}


def cancel_reservation(point: Charger, fields: Fields) -> dict[str, Any]:
    """CancelReservation."""
    wanted = fields.integer("reservationId")
    kept = (one.reservation for one in point.connectors)
    if not any(one is not None and one.reservation_id == wanted for one in kept):
        return {"status": "Rejected"}

    def cancel() -> None:
        point.cancel_reservation(wanted)

    point.then(cancel)
    return {"status": "Accepted"}


class StartRefusal(Enum):
    """Reason of a refused remote start."""

    PURPOSE = "only a TxProfile without transactionId"
    UNSUPPORTED = "not supported by this station"
    OCCUPIED = "no EVSE is free for this"


def remote_start(
    point: Charger,
    place: int | None,
    id_tag: str,
    profile: Fields | None,
    read_profile: Callable[[Fields, int, float], tuple[Profile, str]],
    remote_start_id: int | None = None,
) -> StartRefusal | None:
    """Start at the connector named, else at one that is free, with the profile given; return why
    not. `read_profile` is the version's. Raises RefusalError."""
    free = free_connectors(point, place, id_tag)
    found = None
    if profile is not None:
        number = free[0].connector_id if free else 1
        found, purpose = read_profile(profile, number, point.begin())
        if found.purpose is not Purpose.TX or found.transaction is not None:
            return StartRefusal.PURPOSE
        if refused_because(point, found, purpose) is not None:
            return StartRefusal.UNSUPPORTED
    if not free:
        return StartRefusal.OCCUPIED
    connector = free[0]
    if found is not None:
        point.profile_store.put(found)
    point.then(lambda: point.start_remotely(connector, id_tag, remote_start_id))
    return None


def answer_for_the_station(point: Charger) -> dict[str, Any] | None:
    """Return the answer to a trigger of the station's status by a twin that never corrects it
    (a quirk); None for one that sends the status."""
    pretends = point.quirks.get("connector_0_unavailable", "trigger")
    if pretends == "silent":
        return {"status": "Accepted"}
    return {"status": "Rejected"} if pretends == "rejected" else None


def send_triggered(point: Charger, wanted: str, chosen: Iterable[Connector]) -> None:
    """Send the message that a trigger asks for, of those that are the same in every version."""
    if wanted == "BootNotification":
        point.boot()
    elif wanted == "Heartbeat":
        point.heartbeat()
    elif wanted == "MeterValues":
        for connector in chosen:
            point.send_meter(connector, "Trigger")
