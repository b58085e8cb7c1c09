"""Finds the session that the end, or a later event, of a charger means."""

from __future__ import annotations

import math

from chargepoint_driver.backends.ocpp.model.charger import Transaction
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.protocol.events import (
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)

__all__ = ["NO_IDS", "is_another", "is_own", "meant", "running_then"]

NO_IDS = {None, "0", "-1", ""}
"""What chargers send in place of an id that they do not have (OCPP 1.6)."""
# Times in messages are whole seconds at many chargers.
_SAME_S = 1.0


def meant(request: Request, event: TransactionEnded) -> tuple[Transaction | None, str | None]:
    """Return (the transaction that an end means, how it was matched where not by its id)."""
    store, station_id = request.context.store, request.point.station_id
    end, wire_id = event.end, event.wire_id
    if wire_id is not None and not (event.ids_are_ours and wire_id in NO_IDS):
        before = store.ended_by(station_id, end)
        found = [
            each
            for each in store.running(station_id, wire_id)
            if _is_there(each, event.connector_id)
            and _may_end(request, each, event)
            # The end of one that began later: sent again, and not meant for this one.
            and (before is None or each.transaction_id > before.transaction_id)
        ]
        if found:
            return _likeliest(found, event), None
        if before is not None:
            return None, None
        newest = store.newest(station_id, wire_id)
        if newest is not None:
            # Our own id names one session only: its end is repeated, unless time and register
            # say that it is another one, of a charger that uses an old id.
            repeated = (
                newest.state == "completed"
                and event.ids_are_ours
                and is_own(newest, wire_id)
                and store.has_end_like(newest.transaction_id, end)
            )
            late = newest.state == "lost" and _may_end(request, newest, event)
            return (newest if repeated or late else None), None
    if wire_id in NO_IDS and store.ended_by(station_id, end) is None:
        running = running_then(request, event)
        if len(running) == 1:
            return running[0], "position"
    return None, None


def running_then(request: Request, event: TransactionEnded) -> list[Transaction]:
    """Return the transactions that run on the event's connector and had begun by that end."""
    return [
        each
        for _, each in request.context.store.active(request.point.station_id)
        if _is_there(each, event.connector_id) and _may_end(request, each, event)
    ]


def is_own(transaction: Transaction, wire_id: str) -> bool:
    """True for the id that we gave, which names no other session."""
    return wire_id == str(transaction.transaction_id)


def is_another(
    request: Request, event: TransactionStarted | TransactionUpdated, newest: Transaction
) -> bool:
    """True if an event is of another session than the one of its name that has ended."""
    if event.connector_id and newest.connector_id not in (0, event.connector_id):
        return True
    store = request.context.store
    _, key, sequence = store.begin_of(newest.transaction_id)
    if isinstance(event, TransactionStarted):
        # Lost: `Transactions.start` knows whether it is a repeat.
        return newest.state == "lost" or not event.sequence or key != event.key
    stop_s = store.stop_time(newest.transaction_id)
    has_time = event.time_s != request.received_s
    if event.sequence is None or stop_s is None or not has_time:
        return False
    return event.time_s > stop_s and event.sequence <= (sequence or 0)


def _likeliest(found: list[Transaction], event: TransactionEnded) -> Transaction:
    """Return the transaction that an end means of those that run under its id, newest first: the
    one of its card whose register goes on to that of the end most closely, else the newest."""
    found = [each for each in found if each.id_tag == event.id_tag] or found

    def distance(each: Transaction) -> float:
        if event.end_wh is None or each.last_wh is None:
            return math.inf
        rise = event.end_wh - each.last_wh
        return rise if rise >= 0 else math.inf

    return min(found, key=distance)


def _is_there(transaction: Transaction, connector_id: int) -> bool:
    """False for a transaction of another connector; 0 is not known."""
    return not connector_id or transaction.connector_id in (0, connector_id)


def _may_end(request: Request, transaction: Transaction, event: TransactionEnded) -> bool:
    """False for an end that is older than the begin, of a transaction whose name is not
    unique. An end without a time of its own has that of its receipt."""
    if event.wire_id is not None and is_own(transaction, event.wire_id):
        return True
    return event.time_s == request.received_s or event.time_s >= transaction.start_s - _SAME_S
