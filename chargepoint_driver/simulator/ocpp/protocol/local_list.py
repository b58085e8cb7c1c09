"""The local authorisation list: SendLocalList, as far as the versions of OCPP agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .charge_point import Charger
from .payload_reader import Fields


def send_local_list(
    point: Charger,
    fields: Fields,
    *,
    version_field: str,
    disabled: str,
    read_entry: Callable[[Fields], tuple[str, str | None]],
    min_entries: int = 1,
) -> dict[str, Any]:
    """SendLocalList: the whole list, or what is different.

    `read_entry` returns an idTag and its status (None: no longer in the list). `disabled` is the
    status of a charger whose list is switched off. Raises RefusalError.
    """
    version = fields.integer(version_field)
    full = fields.choice("updateType", ("Differential", "Full")) == "Full"
    changes: dict[str, str | None] = {}
    entries = fields.maybe_objects("localAuthorizationList", least=min_entries) or []
    for each in entries:
        id_tag, changes[id_tag] = read_entry(each)
        each.done()
    fields.done()
    if not point.settings.flag(point.names.list_enabled):
        return {"status": disabled}
    if len(entries) > point.settings.count(point.names.list_items):
        return {"status": "Failed"}
    return {"status": _take(point, version, changes, full=full)}


def _take(point: Charger, version: int, changes: Mapping[str, str | None], *, full: bool) -> str:
    """Change the list; return the status."""
    if not full and version <= point.local_list_version:
        return "VersionMismatch"
    kept = {} if full else dict(point.local_list)
    for id_tag, status in changes.items():
        if status is None:
            kept.pop(id_tag, None)
        else:
            kept[id_tag] = status
    point.local_list, point.local_list_version = kept, version
    return "Accepted"
