"""The local authorisation list of 2.0.1, and idTokens."""

from __future__ import annotations

from typing import Any

from ..protocol import local_list
from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fields
from .charge_point import Charger201

TOKEN_TYPES = (
    "Central",
    "eMAID",
    "ISO14443",
    "ISO15693",
    "KeyCode",
    "Local",
    "MacAddress",
    "NoAuthorization",
)
STATUSES = (
    "Accepted",
    "Blocked",
    "ConcurrentTx",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
)


def handlers(point: Charger201) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "ClearCache": lambda _: clear_cache(point),
        "GetLocalListVersion": lambda _: {"versionNumber": point.local_list_version},
        "SendLocalList": lambda fields: send_local_list(point, fields),
    }


def read_token(fields: Fields) -> str:
    """Return the text of an idToken. Raises Refusal."""
    text = fields.text("idToken", 36)
    fields.choice("type", TOKEN_TYPES)
    fields.raw("additionalInfo")
    fields.done()
    return text


def clear_cache(point: Charger201) -> dict[str, Any]:
    """ClearCache."""
    if not point.settings.flag("AuthCacheCtrlr.Enabled"):
        return {"status": "Rejected"}
    point.authorization_cache.clear()
    return {"status": "Accepted"}


def send_local_list(point: Charger201, fields: Fields) -> dict[str, Any]:
    """SendLocalList."""
    answer = local_list.send_local_list(
        point, fields, version_field="versionNumber", disabled="Failed", read_entry=_read_entry
    )
    if answer["status"] == "Accepted":
        point.settings.changed["LocalAuthListCtrlr.Entries"] = str(len(point.local_list))
    return answer


def _read_entry(fields: Fields) -> tuple[str, str | None]:
    token = read_token(fields.object("idToken"))
    info = fields.maybe_object("idTokenInfo")
    return token, None if info is None else info.choice("status", STATUSES)
