"""Acts on meter values: the live values of a connector, and the registers of its session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Connector, Transaction
from chargepoint_driver.backends.ocpp.model.electrical import is_suspect
from chargepoint_driver.backends.ocpp.model.energy import after
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request
from chargepoint_driver.backends.ocpp.protocol.events import Metered
from chargepoint_driver.backends.ocpp.protocol.transaction_matching import NO_IDS, is_own
from chargepoint_driver.catalogue.measurands import LOAD

__all__ = ["measure", "take_register"]

_CHARGING = {"Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"}


def measure(
    request: Request,
    event: Metered,
    transaction: Transaction | None = None,
    *,
    is_history: bool = False,
) -> tuple[list[dict[str, Any]], float]:
    """Take meter values, of that transaction where it is known already. `is_history`: the charger
    reports that it was offline then, so nothing of it is live.

    Returns them as events carry them, and the last time."""
    point, wire_id = request.point, event.wire_id
    connector = point.connectors.get(event.connector_id) or point.connector(event.connector_id)
    received_s = request.received_s
    rated_kw = point.electrical.rated_kw
    known = [
        (time_s, found, is_history or point.is_late(time_s, received_s))
        for time_s, found in event.moments
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
                request.context.count(point, "suspect_loads", f"{found.load_kw:g} kW")
        if transaction is not None and found.energy_wh is not None:
            take_register(request, connector, transaction, found.energy_wh, time_s)
        last_s = time_s if not shown else max(last_s, time_s)
        shown.append({"time": iso(time_s), "values": found.values})
    if not is_news:
        request.context.count(point, "late_messages")
    return shown, last_s


def _adopt_running(request: Request, connector: Connector, wire_id: str) -> Transaction:
    """A transaction that runs although its begin never came: ours from now on."""
    point, store = request.point, request.context.store
    request.context.count(point, "adopted_transactions", wire_id)
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
        store.set_alias(adopted.transaction_id, wire_id)
        adopted = replace(adopted, alias=wire_id)
    connector.begin(adopted)
    return adopted


def _known_or_adopted(
    request: Request, connector: Connector, wire_id: str, fresh: bool
) -> Transaction | None:
    """Return the transaction of a meter value that names another one than the one that runs.
    One that has ended does not run again."""
    store, station_id = request.context.store, request.point.station_id
    running = connector.transaction
    if wire_id not in NO_IDS:
        for each in store.running(station_id, wire_id):
            if each.connector_id in (0, connector.connector_id):
                return each
        newest = store.newest(station_id, wire_id)
        # A name that the charger gave may be that of what runs now.
        if newest is not None and newest.state != "active" and is_own(newest, wire_id):
            return newest
    if running is not None and fresh:
        request.context.count(request.point, "adopted_ids", wire_id)
        store.set_alias(running.transaction_id, wire_id)
        connector.transaction = replace(running, alias=wire_id)
        return connector.transaction
    if running is None and fresh and connector.status in _CHARGING and not connector.stopped:
        return _adopt_running(request, connector, wire_id)
    request.context.count(request.point, "unknown_transactions", wire_id)
    return None


def take_register(
    request: Request,
    connector: Connector | None,
    transaction: Transaction,
    wh: float,
    time_s: float,
) -> None:
    """Keep a register of a session, and show it where the session runs."""
    store = request.context.store
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
                request.context.count(request.point, "register_resets", current.wire_id)
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
