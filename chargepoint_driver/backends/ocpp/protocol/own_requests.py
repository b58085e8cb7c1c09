"""Records of our requests in the database: remote starts and reservations.

It does not matter which way a request was made: by a command or as a raw call.
"""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import parse
from chargepoint_driver.backends.ocpp.storage.store import Store

__all__ = ["record_answer", "record_request"]


def record_request(
    store: Store, station_id: str, action: str, payload: dict[str, Any], now_s: float
) -> None:
    """Keep what a Started may only refer to. Before the request leaves: the event may come
    before its answer."""
    if action != "RequestStartTransaction":
        return
    start_id, id_tag = payload.get("remoteStartId"), _tag_in(payload)
    if isinstance(start_id, int) and id_tag:
        store.keep_remote_start(station_id, start_id, id_tag, now_s)


def record_answer(
    store: Store,
    station_id: str,
    action: str,
    payload: dict[str, Any],
    status: str | None,
    now_s: float,
) -> None:
    """Keep a reservation, or its end, with the status that was answered (None: no answer)."""
    if action == "CancelReservation" and status == "Accepted":
        store.end_reservation(station_id, payload["reservationId"], "cancelled")
    if action != "ReserveNow":
        return
    reservation_id = payload.get("reservationId", payload.get("id"))
    expires_s = parse(payload.get("expiryDate", payload.get("expiryDateTime")))
    if not isinstance(reservation_id, int) or expires_s is None:
        return
    connector = payload.get("connectorId") or payload.get("evseId") or 0
    state = {"Accepted": "active", None: "unconfirmed"}.get(status, "refused")
    store.keep_reservation(
        station_id, reservation_id, connector, _tag_in(payload), now_s, expires_s, state
    )


def _tag_in(payload: dict[str, Any]) -> str:
    token = payload.get("idToken")
    return str(payload.get("idTag") or (token.get("idToken") if isinstance(token, dict) else ""))
