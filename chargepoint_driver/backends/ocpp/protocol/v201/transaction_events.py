"""TransactionEvent: which session an event of OCPP 2.x means, and what it changes.

A charger may use one id again (it numbers from 1 after a boot). An id means the session that runs
under it on that EVSE. A `Started` after the end is another session, and so is an event whose number
does not go on from the last one and whose time is after the end. A completed session never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Transaction
from chargepoint_driver.backends.ocpp.model.metering import Sample
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.protocol.transactions import finish, meant, measure
from chargepoint_driver.backends.ocpp.storage.transaction_table import End
from chargepoint_driver.backends.ocpp.wire.framing import WireError

__all__ = ["Event", "take_event"]


class Event:
    """One TransactionEvent, read. `evse_id` 0 means not named; `begin_wh` is the register that it
    gives for the begin (context Transaction.Begin), in whichever event that stands."""

    def __init__(
        self,
        payload: dict[str, Any],
        id_tag: str,
        time_s: float,
        evse_id: int,
        moments: Sequence[tuple[float, Sample]],
        begin_wh: float | None = None,
    ) -> None:
        info = payload.get("transactionInfo") or {}
        given = info.get("transactionId")
        # What has a reason to have stopped has ended.
        kind = payload.get("eventType", "Ended" if "stoppedReason" in info else "Updated")
        self.kind = kind if kind in {"Started", "Ended"} else "Updated"
        self.wire_id = None if given is None else str(given)
        self.seq = int(payload["seqNo"]) if "seqNo" in payload else None
        self.offline = bool(payload.get("offline"))
        self.charging_state = info.get("chargingState")
        self.id_tag = id_tag
        self.time_s = time_s
        self.evse_id = evse_id
        self.moments = moments
        self.begin_wh = begin_wh
        self.registers = [(at, it.energy_wh) for at, it in moments if it.energy_wh is not None]
        self.reason = info.get("stoppedReason") or "Local"
        self.reservation_id = payload.get("reservationId")
        self.transaction_id: int | None = None  # ours, when the event was taken
        self.key = f"{self.wire_id}|{evse_id}|{payload.get('timestamp')}"
        if self.first_wh is not None:
            self.key += f"|{self.first_wh:.15g}"

    @property
    def first_wh(self) -> float | None:
        """The register of the begin."""
        if self.begin_wh is not None:
            return self.begin_wh
        return min(self.registers)[1] if self.registers and self.kind == "Started" else None

    @property
    def end(self) -> End:
        last_wh = max(self.registers)[1] if self.registers else None
        key = self.key if last_wh is None else f"{self.key}|{last_wh:.15g}"
        return End(self.wire_id, self.id_tag, self.time_s, last_wh, self.reason, key)


def take_event(request: Request, event: Event) -> int:
    """Take an event. Returns the EVSE that it is of, 0 where that is not known."""
    if event.kind == "Ended":
        return _end(request, event)
    known, is_new = _session(request, event)
    if known is None:
        return event.evse_id
    event.transaction_id = known.transaction_id
    if is_new:
        request.desk.store.use_reservation(
            request.point.station_id,
            event.reservation_id,
            event.evse_id,
            event.id_tag,
            known.transaction_id,
            event.time_s,
        )
    evse_id = event.evse_id or known.connector_id
    point, store = request.point, request.desk.store
    newer = event.seq is None or store.sequence(known.transaction_id, event.seq, event.offline)
    if not newer and not is_new:
        request.desk.count(point, "repeated_events")
    if known.state == "active" and (newer or is_new):
        _go_on(request, known, evse_id, event, is_new)
    if event.moments:
        measure(request, evse_id, event.wire_id, event.moments, known, is_history=event.offline)
    return evse_id


def _session(request: Request, event: Event) -> tuple[Transaction | None, bool]:
    """Return (the session that an event means, is new). None: it means one that has ended."""
    point, store = request.point, request.desk.store
    known = _running(request, event)
    is_started = event.kind == "Started"
    if known is not None:
        begun_s, key, _ = store.begin_of(known.transaction_id)
        if not is_started or begun_s is None or key in (None, event.key):
            store.amend(
                known.transaction_id,
                id_tag=event.id_tag or None,
                start_s=event.time_s if is_started else None,
                start_wh=event.first_wh,
                connector=event.evse_id or None,
                request=event.key if is_started else None,
            )
            return _amended(request, known, event), False
        # Another begin under the name of one that runs: the end of that one was not seen.
        store.lose(known.transaction_id, request.received_s)
        running = point.connector_of(known.transaction_id)
        if running is not None:
            running.end()
    elif event.wire_id is None:
        raise WireError("ProtocolError", "transactionInfo.transactionId: is required")
    else:
        newest = store.newest(point.station_id, event.wire_id)
        if newest is not None and not _is_another(request, event, newest):
            if newest.state == "lost":
                return newest, False
            request.desk.count(point, "repeated_events")
            return None, False
    started, is_new = store.start(
        point.station_id,
        event.evse_id,
        event.id_tag,
        event.time_s if is_started else None,
        event.first_wh,
        request.received_s,
        request=event.key if is_started else None,
        wire_id=event.wire_id,
        origin="start" if is_started else "adopted",
    )
    if is_new and not is_started:
        request.desk.count(point, "adopted_transactions", started.wire_id)
    return started, is_new


def _running(request: Request, event: Event) -> Transaction | None:
    """Return the session that runs under the event's id, on its EVSE where it names one."""
    point = request.point
    if event.wire_id is None:
        running = [
            each.transaction
            for number, each in point.connectors.items()
            if each.transaction is not None and event.evse_id in {0, number}
        ]
        return running[0] if len(running) == 1 and event.kind != "Started" else None
    for each in request.desk.store.running(point.station_id, event.wire_id):
        if not event.evse_id or each.connector_id in (0, event.evse_id):
            return each
    return None


def _is_another(request: Request, event: Event, newest: Transaction) -> bool:
    """True if an event is of another session than the one of its name that has ended."""
    if event.evse_id and newest.connector_id not in (0, event.evse_id):
        return True
    store = request.desk.store
    _, key, seq = store.begin_of(newest.transaction_id)
    if event.kind == "Started":
        # Lost: `Transactions.start` knows whether it is a repeat.
        return newest.state == "lost" or not event.seq or key != event.key
    stop_s = store.stop_time(newest.transaction_id)
    has_time = event.time_s != request.received_s
    if event.seq is None or stop_s is None or not has_time:
        return False
    return event.time_s > stop_s and event.seq <= (seq or 0)


def _amended(request: Request, known: Transaction, event: Event) -> Transaction:
    """Have what runs show what an event told of its begin."""
    begun_s, _, _ = request.desk.store.begin_of(known.transaction_id)
    found = replace(
        known,
        id_tag=known.id_tag or event.id_tag,
        connector_id=known.connector_id or event.evse_id,
        start_s=begun_s if begun_s is not None else known.start_s,
        start_wh=event.first_wh if known.start_wh is None else known.start_wh,
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


def _go_on(request: Request, known: Transaction, evse_id: int, event: Event, is_new: bool) -> None:
    """The session runs on the EVSE."""
    point, desk = request.point, request.desk
    connector = point.connector(evse_id)
    running = connector.transaction
    if running is None or running.transaction_id != known.transaction_id:
        if running is not None and running.start_s > known.start_s > 0:
            return  # history: another one runs there since
        elsewhere = point.connector_of(known.transaction_id)
        if elsewhere is not None:  # its EVSE was not named before
            elsewhere.transaction = None
        desk.store.supersede(point.station_id, evse_id, known.transaction_id, request.received_s)
        connector.begin(known)
        if is_new:
            request.after.append(lambda: desk.began(point, evse_id))
    connector.charging_state = event.charging_state or connector.charging_state


def _end(request: Request, event: Event) -> int:
    """Take an Ended, with the registers that came with it."""
    point, store = request.point, request.desk.store
    end, evse_id = event.end, event.evse_id
    known, _ = meant(request, end, evse_id or None)
    if known is not None:
        event.transaction_id = known.transaction_id
        evse_id = evse_id or known.connector_id
        if event.seq is not None:
            store.sequence(known.transaction_id, event.seq, event.offline)
        store.amend(known.transaction_id, id_tag=event.id_tag or None)
    # The live values of another session are not touched.
    if event.moments and (known is not None or point.connector(evse_id).transaction is None):
        measure(request, evse_id, None, event.moments, known)
    finish(request, end, event.registers, event.evse_id or None, begin_wh=event.begin_wh)
    return evse_id
