"""Acts on the begin, the middle and the end of charging sessions, whatever the protocol version.

A charger may use one id again (it numbers from 1 after a boot). An id means the session that runs
under it on that connector. A begin after the end is another session, and so is an event whose
number does not go on from the last one and whose time is after the end. A completed session never
changes. Where the central system gives the ids (OCPP 1.6), the content of a begin shows whether
it is a repeat.
"""

from __future__ import annotations

from dataclasses import replace

from chargepoint_driver.backends.ocpp.model.charger import Connector, Transaction
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.protocol.events import (
    Metered,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint_driver.backends.ocpp.protocol.meter_values import measure, take_register
from chargepoint_driver.backends.ocpp.protocol.transaction_matching import (
    is_another,
    meant,
    running_then,
)
from chargepoint_driver.backends.ocpp.wire.framing import WireError

__all__ = ["close_questioned", "end", "go_on", "start"]

Event = TransactionStarted | TransactionUpdated


def start(request: Request, event: TransactionStarted) -> Transaction:
    """Begin a session whose id is ours, or return the one of a repeated request: see
    `Transactions.start` for the rule."""
    point, store = request.point, request.context.store
    started, is_new = store.start(
        point.station_id,
        event.connector_id,
        event.id_tag,
        event.time_s,
        event.begin_wh,
        request.received_s,
        request=event.key,
    )
    if is_new:
        _run(request, started, event.connector_id, is_new=True)
        _use_reservation(request, event, started)
    else:
        request.context.count(point, "repeated_starts")
    return started


def go_on(request: Request, event: Event) -> tuple[Transaction | None, int]:
    """Take a begin or middle of a session that the charger has named.

    Returns (the session, None where it has ended; its connector, 0 where that is not known).
    Raises WireError for one without an id where no session runs that it may mean."""
    known, is_new = _session(request, event)
    if known is None:
        return None, event.connector_id
    point, store = request.point, request.context.store
    if is_new:
        _use_reservation(request, event, known)
    connector_id = event.connector_id or known.connector_id
    newer = event.sequence is None or store.sequence(
        known.transaction_id, event.sequence, event.is_offline
    )
    if not newer and not is_new:
        request.context.count(point, "repeated_events")
    if known.state == "active" and (newer or is_new):
        _run(request, known, connector_id, event.charging_state, is_new=is_new)
    if event.moments:
        values = Metered(connector_id, event.wire_id, event.moments)
        measure(request, values, known, is_history=event.is_offline)
    return known, connector_id


def end(request: Request, event: TransactionEnded) -> tuple[Transaction | None, int]:
    """Take the end of a session, with the registers that came with it.

    Returns (the session that it means, its connector). The session is None where there is none:
    the end is then kept as an orphan, or was there before. Some chargers send 0, -1 or null in
    place of an id. Such an end is that of the only session that runs; where several run it ends
    none of them. `begin_wh` counts where the begin itself had no register."""
    point, store = request.point, request.context.store
    found, matched_by = meant(request, event)
    connector_id = event.connector_id or (0 if found is None else found.connector_id)
    if found is not None and not event.ids_are_ours:
        if event.sequence is not None:
            store.sequence(found.transaction_id, event.sequence, event.is_offline)
        store.fill_missing(found.transaction_id, id_tag=event.id_tag or None)
    # The live values of another session are not touched.
    if event.moments and (found is not None or point.connector(connector_id).transaction is None):
        measure(request, Metered(connector_id, None, event.moments), found)
    if found is None:
        _keep_orphan(request, event)
    elif found.state == "completed":
        request.context.count(point, "repeated_stops")
    else:
        _finish(request, event, found, matched_by)
    return found, connector_id


def close_questioned(request: Request, connector: Connector) -> None:
    """Close a session when its connector is free: the session that an end without a usable id may
    have meant is over. It is closed as lost, with its last known register."""
    transaction = connector.transaction
    if transaction is None or not transaction.in_question:
        return
    request.context.count(request.point, "lost_sessions", transaction.wire_id)
    request.context.store.lose(transaction.transaction_id, request.received_s)
    connector.end()


def _keep_orphan(request: Request, event: TransactionEnded) -> None:
    """Keep an end that no session was found for, unless it was there before."""
    point, store = request.point, request.context.store
    if store.ended_by(point.station_id, event.end) is not None:
        request.context.count(point, "repeated_stops")
        return
    request.context.count(point, "orphans", event.wire_id or "without id")
    store.record_orphan_stop(point.station_id, event.connector_id, event.end, request.received_s)
    # It may be of one that runs: what that is shows when its connector is free.
    for each in running_then(request, event):
        store.question(each.transaction_id)
        running = point.connector_of(each.transaction_id)
        if running is not None:
            running.transaction = replace(each, in_question=True)


def _finish(
    request: Request, event: TransactionEnded, found: Transaction, matched_by: str | None
) -> None:
    store = request.context.store
    if event.begin_wh is not None:
        store.fill_missing(found.transaction_id, start_wh=event.begin_wh)
    running = request.point.connector_of(found.transaction_id)
    for time_s, wh in sorted(event.registers):
        take_register(request, running, found, wh, time_s)
    store.stop(found.transaction_id, event.end, request.received_s, matched_by)
    if running is not None:
        running.end()


def _use_reservation(request: Request, event: Event, session: Transaction) -> None:
    request.context.store.use_reservation(
        request.point.station_id,
        event.reservation_id,
        event.connector_id,
        event.id_tag,
        session.transaction_id,
        event.time_s,
    )


def _session(request: Request, event: Event) -> tuple[Transaction | None, bool]:
    """Return (the session that an event means, is new). None: it means one that has ended."""
    point, store = request.point, request.context.store
    known = _running(request, event)
    is_started = isinstance(event, TransactionStarted)
    if known is not None:
        begun_s, key, _ = store.begin_of(known.transaction_id)
        if not is_started or begun_s is None or key in (None, event.key):
            store.fill_missing(
                known.transaction_id,
                id_tag=event.id_tag or None,
                start_s=event.time_s if is_started else None,
                start_wh=event.begin_wh,
                connector=event.connector_id or None,
                request=event.key if is_started else None,
            )
            return _with_begin(request, known, event), False
        # Another begin under the name of one that runs: the end of that one was not seen.
        store.lose(known.transaction_id, request.received_s)
        running = point.connector_of(known.transaction_id)
        if running is not None:
            running.end()
    elif event.wire_id is None:
        raise WireError("ProtocolError", "transactionInfo.transactionId: is required")
    else:
        newest = store.newest(point.station_id, event.wire_id)
        if newest is not None and not is_another(request, event, newest):
            if newest.state == "lost":
                return newest, False
            request.context.count(point, "repeated_events")
            return None, False
    started, is_new = store.start(
        point.station_id,
        event.connector_id,
        event.id_tag,
        event.time_s if is_started else None,
        event.begin_wh,
        request.received_s,
        request=event.key if is_started else None,
        wire_id=event.wire_id,
        origin="start" if is_started else "adopted",
    )
    if is_new and not is_started:
        request.context.count(point, "adopted_transactions", started.wire_id)
    return started, is_new


def _running(request: Request, event: Event) -> Transaction | None:
    """Return the session that runs under the event's id, on its connector where it names one."""
    point = request.point
    if event.wire_id is None:
        running = [
            each.transaction
            for number, each in point.connectors.items()
            if each.transaction is not None and event.connector_id in {0, number}
        ]
        is_started = isinstance(event, TransactionStarted)
        return running[0] if len(running) == 1 and not is_started else None
    for each in request.context.store.running(point.station_id, event.wire_id):
        if not event.connector_id or each.connector_id in (0, event.connector_id):
            return each
    return None


def _with_begin(request: Request, known: Transaction, event: Event) -> Transaction:
    """Return the running transaction with what an event reports of its begin."""
    begun_s, _, _ = request.context.store.begin_of(known.transaction_id)
    found = replace(
        known,
        id_tag=known.id_tag or event.id_tag,
        connector_id=known.connector_id or event.connector_id,
        start_s=begun_s if begun_s is not None else known.start_s,
        start_wh=event.begin_wh if known.start_wh is None else known.start_wh,
    )
    running = request.point.connector_of(known.transaction_id)
    if running is not None and running.transaction is not None:
        running.transaction = replace(
            running.transaction,
            id_tag=found.id_tag,
            start_s=found.start_s or running.transaction.start_s,
            start_wh=found.start_wh,
        )
    return found


def _run(
    request: Request,
    session: Transaction,
    connector_id: int,
    charging_state: str | None = None,
    *,
    is_new: bool,
) -> None:
    """Have a session run on a connector, unless a later one runs there: then it is history."""
    point, context = request.point, request.context
    connector = point.connector(connector_id)
    running = connector.transaction
    if running is None or running.transaction_id != session.transaction_id:
        if running is not None and running.start_s > session.start_s > 0:
            return
        elsewhere = point.connector_of(session.transaction_id)
        if elsewhere is not None:  # its connector was not named before
            elsewhere.transaction = None
        own_id = session.transaction_id
        context.store.mark_superseded(point.station_id, connector_id, own_id, request.received_s)
        connector.begin(session)
        if is_new:
            request.after.append(lambda: context.began(point, connector_id))
    connector.charging_state = charging_state or connector.charging_state
