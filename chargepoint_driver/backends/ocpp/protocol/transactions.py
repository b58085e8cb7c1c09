"""What messages about status, meters and transactions mean, whatever the protocol version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Connector, Transaction
from chargepoint_driver.backends.ocpp.model.metering import Sample
from chargepoint_driver.backends.ocpp.model.timestamps import effective, historic, iso, parse
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request

__all__ = ["adopt", "finish", "measure", "message_time"]

_CHARGING = {"Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"}


def message_time(request: Request, text: object) -> float:
    """The time of the message, for the record."""
    time_s = parse(text)
    if time_s is None and text is not None:
        request.desk.count(request.point, "unreadable_times", request.action)
        request.point.forgive("time", request.action)
    return historic(time_s, request.received_s)


def measure(
    request: Request,
    connector_id: int,
    wire_id: str | None,
    moments: Iterable[tuple[float, Sample]],
) -> tuple[list[dict[str, Any]], float]:
    """Meter values of a connector. Returns them as events carry them, and the last time."""
    point = request.point
    connector = point.connectors.get(connector_id) or point.connector(connector_id)
    transaction = connector.transaction
    received_s = request.received_s
    known = [
        (time_s, found, point.is_late(effective(time_s, received_s), received_s))
        for time_s, found in moments
    ]
    if wire_id is not None and (
        transaction is None or wire_id not in (transaction.wire_id, transaction.alias)
    ):
        fresh = not any(late for _, _, late in known)
        transaction = _known_or_adopted(request, connector, wire_id, fresh)
    shown: list[dict[str, Any]] = []
    last_s = received_s
    is_news = not known
    for time_s, found, late in known:
        if not late:
            live_s = effective(time_s, received_s)
            is_news |= connector.meter.take(found, live_s, received_s, time_s)
        if transaction is not None and found.energy_wh is not None:
            _register(request, connector, transaction, found.energy_wh, time_s)
        last_s = time_s if not shown else max(last_s, time_s)
        shown.append({"time": iso(time_s), "values": found})
    if not is_news:
        request.desk.count(point, "late_messages")
    return shown, last_s


def finish(
    request: Request,
    wire_id: str,
    id_tag: str,
    stop_s: float,
    stop_wh: float | None,
    reason: str | None,
) -> Transaction | None:
    """The end of a transaction, whether its begin is known or not."""
    point, store = request.point, request.desk.store
    found = store.find(point.station_id, wire_id)
    if found is None:
        request.desk.count(point, "orphans", wire_id)
        store.orphan(point.station_id, wire_id, id_tag, stop_s, stop_wh, reason, request.received_s)
        return None
    store.stop(found.transaction_id, stop_s, stop_wh, reason)
    running = point.running(found.wire_id)
    if running is not None:
        running.end()
    return found


def adopt(request: Request, connector: Connector, wire_id: str) -> Transaction:
    """A transaction that runs although its begin never came: ours from now on."""
    point, store = request.point, request.desk.store
    request.desk.count(point, "adopted_transactions", wire_id)
    usable = wire_id.isdecimal() and int(wire_id) > 0
    adopted, _ = store.start(
        point.station_id,
        connector.connector_id,
        "",
        None,
        None,
        request.received_s,
        request=None,
        wire_id=wire_id if usable else None,
        origin="adopted",
    )
    if not usable:
        store.call_it(adopted.transaction_id, wire_id)
        adopted = replace(adopted, alias=wire_id)
    connector.begin(adopted)
    return adopted


def _known_or_adopted(
    request: Request, connector: Connector, wire_id: str, fresh: bool
) -> Transaction | None:
    """The transaction of a meter value that names another one than the one that runs. One that
    has ended does not run again."""
    store = request.desk.store
    known = store.find(request.point.station_id, wire_id)
    if known is not None:
        return known
    running = connector.transaction
    if running is not None and fresh:
        request.desk.count(request.point, "adopted_ids", wire_id)
        store.call_it(running.transaction_id, wire_id)
        connector.transaction = replace(running, alias=wire_id)
        return connector.transaction
    if running is None and fresh and connector.status in _CHARGING and not connector.stopped:
        return adopt(request, connector, wire_id)
    request.desk.count(request.point, "unknown_transactions", wire_id)
    return None


def _register(
    request: Request, connector: Connector, transaction: Transaction, wh: float, time_s: float
) -> None:
    request.desk.store.register(transaction.transaction_id, wh, time_s)
    current = connector.transaction
    if current is None or current.transaction_id != transaction.transaction_id:
        return
    if current.last_s is None or current.last_s <= time_s:
        connector.transaction = Transaction(
            current.transaction_id,
            current.wire_id,
            current.connector_id,
            current.id_tag,
            current.start_s,
            current.start_wh,
            wh,
            time_s,
            current.alias,
        )
