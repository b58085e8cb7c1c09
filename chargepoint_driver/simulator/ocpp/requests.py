"""Requests that are the same in both versions, or nearly so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .charge_point import Charger
from .payload_reader import Fields
from .validation import has_transaction


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


def take_local_list(
    point: Charger, version: int, changes: Mapping[str, str | None], *, full: bool, items: int
) -> str:
    """SendLocalList: idTags and their statuses (None: no longer there), `items` in the message.
    Returns the status."""
    if items > point.settings.count(point.names.list_items):
        return "Failed"
    if not full and version <= point.local_list_version:
        return "VersionMismatch"
    kept = {} if full else dict(point.local_list)
    for id_tag, status in changes.items():
        if status is None:
            kept.pop(id_tag, None)
        else:
            kept[id_tag] = status
    point.local_list, point.local_list_version = kept, version
    return "Accepted"
