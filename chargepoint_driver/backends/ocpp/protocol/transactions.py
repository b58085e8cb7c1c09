"""What messages about status, meters and transactions mean, whatever the protocol version."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Connector, Transaction, is_suspect
from chargepoint_driver.backends.ocpp.model.energy import after
from chargepoint_driver.backends.ocpp.model.metering import Sample
from chargepoint_driver.backends.ocpp.model.timestamps import historic, iso, parse
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.storage.transaction_table import End
from chargepoint_driver.catalogue.measurands import LOAD

__all__ = ["adopt", "close_questioned", "finish", "meant", "measure", "message_time"]

_CHARGING = {"Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"}
# What chargers say in place of an id that they do not have (OCPP 1.6).
_NO_IDS = {None, "0", "-1", ""}
# Times in messages are whole seconds at many chargers.
_SAME_S = 1.0


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
    transaction: Transaction | None = None,
    *,
    is_history: bool = False,
) -> tuple[list[dict[str, Any]], float]:
    """Take the meter values of a connector, of that transaction where it is known already.
    `is_history`: the charge point says that it was offline then, so nothing of it is live.

    Returns them as events carry them, and the last time."""
    point = request.point
    connector = point.connectors.get(connector_id) or point.connector(connector_id)
    received_s = request.received_s
    rated_kw = point.electrical.rated_kw
    known = [
        (time_s, found, is_history or point.is_late(time_s, received_s))
        for time_s, found in moments
    ]
    if transaction is None:
        transaction = connector.transaction
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
            live_s = point.live_time(time_s, received_s)
            is_news |= connector.meter.take(found, live_s, received_s, time_s)
            if rated_kw is not None and is_suspect(found.values.get(LOAD), rated_kw):
                request.desk.count(point, "suspect_loads", f"{found.load_kw:g} kW")
        if transaction is not None and found.energy_wh is not None:
            _register(request, connector, transaction, found.energy_wh, time_s)
        last_s = time_s if not shown else max(last_s, time_s)
        shown.append({"time": iso(time_s), "values": found.values})
    if not is_news:
        request.desk.count(point, "late_messages")
    return shown, last_s


def finish(
    request: Request,
    end: End,
    registers: Iterable[tuple[float, float]] = (),
    connector_id: int | None = None,
    *,
    begin_wh: float | None = None,
) -> Transaction | None:
    """Take the end of a transaction, with the (time, register) pairs that came with it, and the
    register that it gives for the begin, which counts where the begin itself had none.

    Returns the transaction that it ended, or None: the end is then kept as an orphan, or was
    there before. Some chargers send 0, -1 or null in place of an id. Such an end is that of the
    only session that runs; where several run it ends none of them."""
    point, store = request.point, request.desk.store
    found, matched_by = meant(request, end, connector_id)
    if found is None:
        if store.ended_by(point.station_id, end) is not None:
            request.desk.count(point, "repeated_stops")
            return None
        request.desk.count(point, "orphans", end.wire_id or "without id")
        store.orphan(point.station_id, connector_id or 0, end, request.received_s)
        _question(request, end, connector_id)
        return None
    if found.state == "completed":
        request.desk.count(point, "repeated_stops")
        return found
    if begin_wh is not None:
        store.amend(found.transaction_id, start_wh=begin_wh)
    running = point.connector_of(found.transaction_id)
    for time_s, wh in sorted(registers):
        _register(request, running, found, wh, time_s)
    store.stop(found.transaction_id, end, request.received_s, matched_by)
    if running is not None:
        running.end()
    return found


def meant(
    request: Request, end: End, connector_id: int | None
) -> tuple[Transaction | None, str | None]:
    """Return (the transaction that an end means, how it was matched where not by its id)."""
    store, station_id = request.desk.store, request.point.station_id
    is_16 = request.point.version == "1.6"
    wire_id = end.wire_id
    if wire_id is not None and not (is_16 and wire_id in _NO_IDS):
        before = store.ended_by(station_id, end)
        found = [
            each
            for each in store.running(station_id, wire_id)
            if _is_there(each, connector_id)
            and _may_end(request, each, end)
            # The end of one that began later: sent again, and not meant for this one.
            and (before is None or each.transaction_id > before.transaction_id)
        ]
        if found:
            return _likeliest(found, end), None
        if before is not None:
            return None, None
        newest = store.newest(station_id, wire_id)
        if newest is not None:
            # Our own id names one session only: its end is repeated, unless time and register
            # say that it is another one, of a charger that uses an old id.
            repeated = (
                newest.state == "completed"
                and is_16
                and _is_own(newest, wire_id)
                and store.has_end_like(newest.transaction_id, end)
            )
            late = newest.state == "lost" and _may_end(request, newest, end)
            return (newest if repeated or late else None), None
    if wire_id in _NO_IDS and store.ended_by(station_id, end) is None:
        found = _running_then(request, end, connector_id)
        if len(found) == 1:
            return found[0], "position"
    return None, None


def _likeliest(found: list[Transaction], end: End) -> Transaction:
    """Return the transaction that an end means of those that run under its id, newest first: the
    one of its card whose register goes on to that of the end most closely, else the newest."""
    found = [each for each in found if each.id_tag == end.id_tag] or found

    def distance(each: Transaction) -> float:
        if end.stop_wh is None or each.last_wh is None:
            return math.inf
        rise = end.stop_wh - each.last_wh
        return rise if rise >= 0 else math.inf

    return min(found, key=distance)


def _running_then(request: Request, end: End, connector_id: int | None) -> list[Transaction]:
    """Return the transactions that run here and had begun by that end."""
    return [
        each
        for _, each in request.desk.store.active(request.point.station_id)
        if _is_there(each, connector_id) and _may_end(request, each, end)
    ]


def _is_there(transaction: Transaction, connector_id: int | None) -> bool:
    """False for a transaction of another connector; 0 and None are not known."""
    return not connector_id or transaction.connector_id in (0, connector_id)


def _may_end(request: Request, transaction: Transaction, end: End) -> bool:
    """False for an end that is older than the begin, of a transaction whose name is not
    unique. An end without a time of its own has that of its receipt."""
    if end.wire_id is not None and _is_own(transaction, end.wire_id):
        return True
    return end.stop_s == request.received_s or end.stop_s >= transaction.start_s - _SAME_S


def _is_own(transaction: Transaction, wire_id: str) -> bool:
    """True for the id that we gave, which names no other session."""
    return wire_id == str(transaction.transaction_id)


def _question(request: Request, end: End, connector_id: int | None) -> None:
    """An end that no session was found for may be of one that runs: what that is shows when
    its connector is free."""
    for each in _running_then(request, end, connector_id):
        request.desk.store.question(each.transaction_id)
        running = request.point.connector_of(each.transaction_id)
        if running is not None:
            running.transaction = replace(each, in_question=True)


def close_questioned(request: Request, connector: Connector) -> None:
    """The connector is free: the session that an end without a usable id may have meant is
    over. It is closed as lost, with its last known register."""
    transaction = connector.transaction
    if transaction is None or not transaction.in_question:
        return
    request.desk.count(request.point, "lost_sessions", transaction.wire_id)
    request.desk.store.lose(transaction.transaction_id, request.received_s)
    connector.end()


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
    """Return the transaction of a meter value that names another one than the one that runs.
    One that has ended does not run again."""
    store, station_id = request.desk.store, request.point.station_id
    running = connector.transaction
    if wire_id not in _NO_IDS:
        for each in store.running(station_id, wire_id):
            if each.connector_id in (0, connector.connector_id):
                return each
        newest = store.newest(station_id, wire_id)
        # A name that the charger gave may be that of what runs now.
        if newest is not None and newest.state != "active" and _is_own(newest, wire_id):
            return newest
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
    request: Request,
    connector: Connector | None,
    transaction: Transaction,
    wh: float,
    time_s: float,
) -> None:
    store = request.desk.store
    store.register(transaction.transaction_id, wh, time_s)
    current = None if connector is None else connector.transaction
    if connector is None or current is None:
        return
    if current.transaction_id != transaction.transaction_id:
        return
    if current.last_s is None or current.last_s <= time_s:
        resets, carried_wh, base_wh = current.resets, current.carried_wh, current.base_wh
        if current.last_wh is not None and wh < current.last_wh:
            found = after(current.registers, current.last_wh, wh)
            if found.resets != resets:
                resets, carried_wh, base_wh = found.resets, found.carried_wh, found.base_wh
                request.desk.count(request.point, "register_resets", current.wire_id)
                store.reset(current.transaction_id, found)
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
            resets,
            carried_wh,
            base_wh,
            current.in_question,
        )
