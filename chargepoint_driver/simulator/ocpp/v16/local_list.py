"""The local authorisation list of 1.6."""

from __future__ import annotations

from typing import Any

from ..protocol import local_list
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fields
from .charge_point import Charger16

STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")


def handlers(point: Charger16) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "GetLocalListVersion": lambda _: {"listVersion": point.local_list_version},
        "SendLocalList": lambda fields: send_local_list(point, fields),
    }


def send_local_list(point: Charger16, fields: Fields) -> dict[str, Any]:
    """SendLocalList."""
    return local_list.send_local_list(
        point,
        fields,
        version_field="listVersion",
        disabled="NotSupported",
        read_entry=_read_entry,
        min_entries=0,
    )


def _read_entry(fields: Fields) -> tuple[str, str | None]:
    id_tag = fields.text("idTag", 20)
    info = fields.maybe_object("idTagInfo")
    if info is None:
        return id_tag, None
    status = info.choice("status", STATUSES)
    info.maybe_moment("expiryDate")
    info.maybe_text("parentIdTag", 20)
    info.done()
    return id_tag, status
