"""Operator commands to a charger, for every protocol version."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.authorization import IdTag, row_of
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.requests import RequestPayload, status_of
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    StoreError,
    TransientError,
    WriteRejectedError,
)

__all__ = [
    "accepted",
    "all_reservations",
    "availability",
    "cancel_reservation",
    "remote_start",
    "remote_stop",
    "reserve",
    "reset",
    "taken",
    "unlock",
]

_DONE = {"Accepted", "AcceptedCanceled", "Scheduled", "Unlocked"}


async def remote_start(
    csms: Csms, point: Charger, connector_id: int | None, id_tag: str, start_id: int
) -> None:
    """Begin a transaction."""
    out = csms.outbound(point)
    await accepted(csms, point, out.remote_start(connector_id, id_tag, start_id))


async def remote_stop(csms: Csms, point: Charger, connector_id: int | None) -> None:
    """End the transaction of a connector; None: the only one that runs."""
    running = [
        each.transaction
        for number, each in point.connectors.items()
        if each.transaction is not None and connector_id in (None, number)
    ]
    if len(running) != 1:
        where = "" if connector_id is None else f" connector {connector_id}"
        many = "no transaction runs" if not running else "several run; name the connector"
        raise NotFoundError(f"{point.station_id}{where}: {many}")
    found, out = running[0], csms.outbound(point)
    try:
        await accepted(csms, point, out.remote_stop(found.wire_id))
    except WriteRejectedError:
        if found.alias is None:
            raise
        await accepted(csms, point, out.remote_stop(found.alias))


async def availability(csms: Csms, point: Charger, connector_id: int, operative: bool) -> str:
    """In or out of service. Where 0 is refused, each connector is asked."""
    out = csms.outbound(point)
    try:
        return await accepted(csms, point, out.availability(connector_id, operative))
    except WriteRejectedError:
        each = [number for number in point.connectors if number]
        if connector_id or not each:
            raise
    said = [await accepted(csms, point, out.availability(number, operative)) for number in each]
    return "Scheduled" if "Scheduled" in said else "Accepted"


async def reset(csms: Csms, point: Charger, hard: bool) -> None:
    """Restart."""
    await accepted(csms, point, csms.outbound(point).reset(hard))


async def unlock(csms: Csms, point: Charger, connector_id: int) -> None:
    """Release the plug."""
    await accepted(csms, point, csms.outbound(point).unlock(connector_id))


async def reserve(
    csms: Csms, point: Charger, connector_id: int | None, id_tag: str, expires_s: float
) -> dict[str, Any]:
    """Reserve a connector (None: any) for an idTag until a time. Returns the reservation, a row
    of `Store.reservations`. Raises InvalidValueError, WriteRejectedError."""
    if not id_tag.strip():
        raise InvalidValueError("id_tag: must name who the reservation is for")
    if not expires_s > csms.now():
        raise InvalidValueError("expires: must be in the future")
    await csms.writable()
    reservation_id = csms.store.next_reservation_id(csms.now())
    expires = str(iso(expires_s))
    out = csms.outbound(point)
    await accepted(csms, point, out.reserve(reservation_id, connector_id, id_tag, expires))
    return _reservation(csms, point, reservation_id)


async def cancel_reservation(csms: Csms, point: Charger, reservation_id: int) -> dict[str, Any]:
    """End a reservation. Returns it. Raises NotFoundError, WriteRejectedError."""
    _reservation(csms, point, reservation_id)
    await accepted(csms, point, csms.outbound(point).cancel_reservation(reservation_id))
    return _reservation(csms, point, reservation_id)


async def all_reservations(csms: Csms, station_id: str | None) -> list[dict[str, Any]]:
    """Return the reservations of all chargers, of all nodes of a fleet too, or of one. Raises
    TransientError."""
    try:
        return await csms.store.all_reservations(csms.now(), station_id)
    except StoreError as error:
        raise TransientError(f"reservations: {error}") from None


def _reservation(csms: Csms, point: Charger, reservation_id: int) -> dict[str, Any]:
    for row in csms.store.reservations(csms.now(), point.station_id):
        if row["id"] == reservation_id:
            return row
    raise NotFoundError(f"{point.station_id} has no reservation {reservation_id}")


def id_tags(csms: Csms) -> list[dict[str, Any]]:
    """Return every known idTag, as `row_of` shows it."""
    return [_tag_row(csms, tag) for tag in csms.tags.all()]


async def put_tag(csms: Csms, tag: IdTag) -> dict[str, Any]:
    """Add an idTag, or change it. Returns it as `row_of` shows it."""
    await csms.writable()
    csms.store.keep_tag(tag)
    await csms.stored()
    csms.tags.put(tag)
    csms.tags_changed()
    return _tag_row(csms, tag)


async def remove_tag(csms: Csms, id_tag: str) -> None:
    """Remove an idTag that `put_tag` added. Raises NotFoundError, InvalidValueError."""
    found = csms.tags.find(id_tag)
    if found is None:
        raise NotFoundError(f"no idTag {id_tag[:64]!r}")
    if csms.tags.source_of(found) == "file":
        raise InvalidValueError(
            f"{found.id_tag} is in the file {csms.config.accept_id_tags}; remove it there,"
            " or block it here"
        )
    await csms.writable()
    csms.store.forget_tag(id_tag)
    await csms.stored()
    csms.tags.remove(id_tag)
    csms.tags_changed()


def _tag_row(csms: Csms, tag: IdTag) -> dict[str, Any]:
    running = csms.store.running_with(tag.id_tag)
    return row_of(tag, csms.tags.source_of(tag), csms.now(), running)


async def accepted(csms: Csms, point: Charger, ask: RequestPayload) -> str:
    """Send a request. Returns the status of the answer; raises WriteRejectedError for a refusal."""
    return taken(await csms.ask(point, ask), ask[0], point)


def taken(answer: dict[str, Any], action: str, point: Charger) -> str:
    """Return the status of an answer. Raises WriteRejectedError for a refusal, OutcomeUnknownError
    where there is none."""
    status = status_of(answer, action, point.station_id)
    if status not in _DONE:
        raise WriteRejectedError(
            f"{point.station_id}: the charge point answered {status} to {action}",
            service_code=status,
        )
    return status
