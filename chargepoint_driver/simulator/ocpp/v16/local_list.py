"""The local authorisation list of 1.6."""

from __future__ import annotations

from typing import Any

from ..charge_point import Handler
from ..payload_reader import Fields
from ..requests import take_local_list
from .charge_point import Charger16

STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")


def handlers(point: Charger16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "GetLocalListVersion": lambda _: {"listVersion": point.local_list_version},
        "SendLocalList": lambda fields: send_local_list(point, fields),
    }


def send_local_list(point: Charger16, fields: Fields) -> dict[str, Any]:
    """SendLocalList: the whole list, or what is different."""
    version = fields.integer("listVersion")
    full = fields.choice("updateType", ("Differential", "Full")) == "Full"
    changes: dict[str, str | None] = {}
    entries = fields.maybe_objects("localAuthorizationList", least=0) or []
    for entry in entries:
        id_tag = entry.text("idTag", 20)
        info = entry.maybe_object("idTagInfo")
        changes[id_tag] = None
        if info is not None:
            changes[id_tag] = info.choice("status", STATUSES)
            info.maybe_moment("expiryDate")
            info.maybe_text("parentIdTag", 20)
            info.done()
        entry.done()
    fields.done()
    if not point.settings.flag(point.names.list_enabled):
        return {"status": "NotSupported"}
    status = take_local_list(point, version, changes, full=full, items=len(entries))
    return {"status": status}
