"""The local list of idTags in a charge point (OCPP 1.6, 5.15; 2.0.1, D01), kept in step.

A charge point decides by it while it is offline. It is sent where the charge point has the feature
and uses it, whole, and again only after a change. Without any idTag here it is left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from chargepoint_driver.backends.ocpp.model.authorization import IdTag
from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.provisioning import Call
from chargepoint_driver.backends.ocpp.protocol.requests import ListedTag, RequestBuilder
from chargepoint_driver.errors import WriteRejectedError

__all__ = ["LOCAL_LIST", "keep_local_list"]

LOCAL_LIST = "local_list"
"""Where a charge point's record keeps which list it has: `version`, `digest`, `left_out`."""
_MAX_PER_MESSAGE = 100


async def keep_local_list(
    point: Charger, out: RequestBuilder, call: Call, tags: Sequence[IdTag], now_s: float
) -> str | None:
    """Send the list where the charge point does not have it already.

    Returns None when it has it, else why not. Raises TransientError or its subclasses only."""
    known = point.learned.get(LOCAL_LIST) or {}
    if not tags and not known.get("version"):
        return None
    try:
        return await _send(point, out, call, tags, now_s, known)
    except WriteRejectedError as error:
        return f"refused: {error.service_code}"


async def _send(
    point: Charger,
    out: RequestBuilder,
    call: Call,
    tags: Sequence[IdTag],
    now_s: float,
    known: dict[str, object],
) -> str | None:
    settings = await _settings(point, out, call)
    there, used, most_name, step_name = out.list_names
    features = settings.get(there)
    if features is not None and not _has_feature(features):
        return None
    if settings.get(used, "true").strip().lower() == "false":
        return None
    listed = [
        ListedTag(tag.id_tag, tag.status_at(now_s), iso(tag.expires_s))
        for tag in sorted(tags, key=lambda each: each.status_at(now_s) != "Accepted")
        if len(tag.id_tag) <= out.longest_tag
    ]
    most = _number(settings.get(most_name)) or len(listed)
    listed = listed[:most]
    digest = hashlib.sha256(msgspec.json.encode(listed)).hexdigest()
    version = out.read_list_version(await call(point, ("GetLocalListVersion", {})))
    if version is None or version < 0:
        return None  # it has none
    if (version, digest) == (known.get("version"), known.get("digest")):
        return None
    step = min(_number(settings.get(step_name)) or _MAX_PER_MESSAGE, _MAX_PER_MESSAGE)
    for first in range(0, max(1, len(listed)), step):
        version += 1
        part = listed[first : first + step]
        answer = await call(point, out.send_local_list(version, part, is_full=first == 0))
        if answer.get("status") != "Accepted":
            return f"SendLocalList: {answer.get('status')}"
    point.learned = {
        **point.learned,
        LOCAL_LIST: {"version": version, "digest": digest, "left_out": len(tags) - len(listed)},
    }
    return None


async def _settings(point: Charger, out: RequestBuilder, call: Call) -> dict[str, str]:
    """Return the settings that tell of the list, asked for where they are not known."""
    found = dict(point.configuration)
    missing = [name for name in out.list_names if name and name not in found]
    # Charge points that tell all their settings have not got what is missing.
    if missing and not (out.asks_all and found):
        with suppress(WriteRejectedError):
            found.update(out.read_configuration(await call(point, out.configuration(missing))))
    return found


def _has_feature(text: str) -> bool:
    return text.strip().lower() != "false" and (
        text.strip().lower() == "true" or "localauthlistmanagement" in text.lower()
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None
