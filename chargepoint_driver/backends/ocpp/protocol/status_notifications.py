"""Statuses of connectors: which message counts, and when the charge point's own is doubted."""

from __future__ import annotations

from collections.abc import Callable

from chargepoint_driver.backends.ocpp.model.bounds import MAX_PARTS
from chargepoint_driver.backends.ocpp.model.charger import Charger, Connector
from chargepoint_driver.backends.ocpp.model.timestamps import historic, parse
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.protocol.events import StatusChanged
from chargepoint_driver.backends.ocpp.protocol.transactions import close_questioned
from chargepoint_driver.backends.ocpp.storage.store import Store

__all__ = [
    "INOPERATIVE",
    "OPERATIVE",
    "connector_works",
    "doubt_after_boot",
    "doubt_station",
    "has_unconfirmed_status",
    "is_contradicted",
    "keep_connector",
    "save_connector",
    "take_status",
]

INOPERATIVE = {"Unavailable", "Faulted"}
OPERATIVE = {
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Occupied",
}
# For so long after a TriggerMessage a status counts as its answer.
_ANSWER_S = 30.0


def take_status(request: Request, event: StatusChanged) -> None:
    """Take a status, its details and its faults, and keep them over a restart."""
    connector, newest = _take(request, event)
    connector.add_fault(request.received_s, *event.faults)
    if newest and event.details is not None:
        connector.error_code = event.details.error_code
        connector.vendor_error_code = event.details.vendor_error_code
        connector.vendor_id = event.details.vendor_id
        connector.info = event.details.info
    save_connector(request, connector)


def _take(
    request: Request, event: StatusChanged, *, must_count: bool = False
) -> tuple[Connector, bool]:
    """Take a status: (connector, True if it counts).

    Statuses count in the order in which they come. Only an older timestamp than that of the status
    before, of the same connector over the same connection, makes one doubtful: it is a repeated
    message, or the clock was set back. Then the charger is asked. If it reports nothing newer,
    the status counts (`must_count`).
    """
    connector_id, status, part = event.connector_id, event.status, event.part
    point, received_s = request.point, request.received_s
    connector = point.connector(connector_id)
    own_s = _own_time(point, event.timestamp, received_s)
    was_asked = _was_asked(point, received_s)
    if own_s is not None:
        point.is_late(own_s, received_s)  # learns how slow the clock is
        before = connector.reported.get(part)
        if (
            before is not None
            and before[0] is point.link
            and own_s < before[1]
            and not (was_asked or must_count)
        ):
            request.context.count(point, "late_messages")
            request.after.append(
                lambda: _count_later(
                    request,
                    connector,
                    part,
                    lambda: _take(request, event, must_count=True),
                )
            )
            return connector, False
        connector.reported = {**connector.reported, part: (point.link, own_s)}
    else:
        connector.reported = {key: at for key, at in connector.reported.items() if key != part}
    if part is not None:
        parts = {number: said for number, said in connector.parts.items() if number != part}
        # Beyond that the one that spoke longest ago is forgotten.
        connector.parts = dict([*parts.items(), (part, status)][-MAX_PARTS:])
        connector.reported = dict(list(connector.reported.items())[-MAX_PARTS:])
        status = _of_parts(connector.parts)
    connector.status = status
    connector.status_s = received_s if own_s is None else own_s
    connector.status_received_s = received_s
    if status == "Charging":
        connector.stopped = False
    elif status == "Available":
        close_questioned(request, connector)
    point.last_status_connector = connector_id
    if connector_id == 0:
        connector.is_doubted, connector.is_confirmed = False, was_asked
    elif status in OPERATIVE:
        connector_works(request)
    return connector, True


async def _count_later(
    request: Request, connector: Connector, part: int | None, count: Callable[[], object]
) -> None:
    """Ask the charger for its statuses. If it then reports nothing of the connector, its last
    report counts: statuses are ordered by receipt."""
    point = request.point
    link, before = point.link, connector.reported.get(part)
    await request.context.ask_status(point, lambda: connector.reported.get(part) == before)
    if point.link is link and connector.reported.get(part) == before:
        count()
        save_connector(request, connector)


def connector_works(request: Request) -> None:
    """Doubt that connector 0 is Unavailable, and ask: a connector does what it could not do
    then."""
    point = request.point
    main = point.connectors.get(0)
    if main is None or main.status != "Unavailable":
        return
    if main.is_confirmed:
        if _was_asked(point, request.received_s):
            return  # part of the same answer
    elif not main.is_doubted:
        main.is_doubted = True
        save_connector(request, main)
    request.after.append(lambda: request.context.ask_status(point))


def doubt_station(point: Charger) -> Connector | None:
    """Connector 0 may have changed without a word: its inoperative status does not count until it
    is said again. Returns the connector, None where there is nothing to doubt."""
    main = point.connectors.get(0)
    if main is None or main.status not in INOPERATIVE:
        return None
    main.is_doubted, main.is_confirmed = True, False
    return main


def doubt_after_boot(point: Charger) -> None:
    """A boot sets the clock and may have changed any status: what was said before it neither
    makes a status old nor, of connector 0, takes the charge point out of service."""
    for connector in point.connectors.values():
        connector.reported = {}
    doubt_station(point)


def has_unconfirmed_status(point: Charger) -> bool:
    """Return True if a status is from before the connection, or connector 0's is doubted."""
    connected_s = point.connected_s or 0.0
    known = [each for each in point.connectors.values() if each.status is not None]
    main = point.connectors.get(0)
    return (
        not known
        or any((each.status_received_s or 0.0) < connected_s for each in known)
        or (main is not None and main.is_doubted)
    )


def is_contradicted(point: Charger) -> bool:
    """Return True if connector 0 is out of order by its last status, and that is doubted or a
    connector has worked since."""
    main = point.connectors.get(0)
    if main is None or main.status not in INOPERATIVE:
        return False
    told_s = main.status_received_s or 0.0
    return main.is_doubted or any(
        number and each.status in OPERATIVE and (each.status_received_s or 0.0) >= told_s
        for number, each in point.connectors.items()
    )


def save_connector(request: Request, connector: Connector) -> None:
    """Keep the status over a restart."""
    keep_connector(request.context.store, request.point, connector)


def keep_connector(store: Store, point: Charger, connector: Connector) -> None:
    """Store a connector without a request. Raises StoreError."""
    store.save(
        "connectors",
        point.station_id,
        connector.connector_id,
        {
            "status": connector.status,
            "status_s": connector.status_s,
            "status_received_s": connector.status_received_s,
            "is_doubted": connector.is_doubted,
            "error_code": connector.error_code,
            "vendor_error_code": connector.vendor_error_code,
            "vendor_id": connector.vendor_id,
            "info": connector.info,
            "faults": list(connector.faults),
            "parts": {str(part): status for part, status in connector.parts.items()},
        },
    )


def _was_asked(point: Charger, received_s: float) -> bool:
    return 0 <= received_s - point.status_asked_s <= _ANSWER_S


def _own_time(point: Charger, text: object, received_s: float) -> float | None:
    """Return the timestamp of a message where it can be believed, never later than its receipt."""
    time_s = parse(text)
    if time_s is None or historic(time_s, received_s) != time_s:
        return None
    return point.live_time(time_s, received_s)


def _of_parts(parts: dict[int, str]) -> str:
    """Return the status of an EVSE of which only one connector can be used at a time."""
    statuses = list(parts.values())
    for status in ("Occupied", "Reserved", "Faulted", "Available"):
        if status in statuses:
            return status
    return statuses[0]
