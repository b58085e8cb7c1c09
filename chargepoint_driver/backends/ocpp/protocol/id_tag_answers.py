"""Answers to idTags: Accepted, Blocked, Expired, ConcurrentTx or Invalid."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.dispatch import Request

__all__ = ["id_tag_info", "tag_of_remote_start"]


def id_tag_info(
    request: Request, id_tag: str, expiry: str, *, but: int | None = None, ends: bool = False
) -> dict[str, Any]:
    """Return an idTagInfo (2.x: idTokenInfo). `expiry` is the field for the time until which the
    answer may be kept. `but` is the transaction that asks: it does not count itself. The end of
    one is never ConcurrentTx."""
    context = request.context
    tag = context.tags.find(id_tag)
    if tag is None:
        return {"status": context.tags.status_of_unknown()}
    running = 0
    if tag.max_concurrent is not None and not ends:
        running = context.store.running_with(id_tag, but)
    info: dict[str, Any] = {"status": tag.status_at(request.received_s, running)}
    if tag.expires_s is not None:
        info[expiry] = iso(tag.expires_s)
    return info


def tag_of_remote_start(request: Request, start_id: object) -> str:
    """Return the idToken of our own remote start, which an event may name by its id only; '' where
    there is none."""
    if not isinstance(start_id, int):
        return ""
    return request.context.store.tag_of_remote_start(request.point.station_id, start_id) or ""
