"""Set-up requests after which a charger restarted, as its record keeps them."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Charger

__all__ = [
    "ALL_KEYS",
    "KEY",
    "MAX_RESTARTS",
    "READS",
    "WHOLE",
    "harmful_requests",
    "is_barred",
    "is_suspected",
    "restarts_of",
    "setting_of",
]

MAX_RESTARTS = 2
KEY = "harmful_requests"
READS = ("GetConfiguration", "GetVariables")
ALL_KEYS = "GetConfiguration of all keys"
WHOLE = " (whole list)"


def restarts_of(point: Charger) -> dict[str, int]:
    """Return the request names and how many restarts followed each."""
    known = point.learned.get(KEY)
    found = known.get("restarts") if isinstance(known, dict) else None
    return found if isinstance(found, dict) else {}


def is_barred(restarts: dict[str, int], name: str) -> bool:
    """Return True if the request of this name is not sent any more."""
    if restarts.get(name, 0) >= MAX_RESTARTS:
        return True
    kind = name.partition(" ")[0]
    larger = [each for each in restarts if each.startswith(kind) and _is_large(each)]
    if _is_large(name) or all(restarts[each] < MAX_RESTARTS for each in larger):
        return False
    # The smaller request restarted it as well: then so would any of the kind.
    return any(n for each, n in restarts.items() if each.startswith(kind) and each not in larger)


def is_suspected(point: Charger) -> bool:
    """Return True if a set-up request may have made the charge point restart."""
    return bool(restarts_of(point))


def harmful_requests(point: Charger) -> dict[str, dict[str, Any]]:
    """Request to `restarts` (after it), `is_sent` (whether it is still sent) and `setting` (what
    to write in charge_points.<id>.quirks so that it is never sent)."""
    restarts = restarts_of(point)
    return {
        name: {
            "restarts": count,
            "is_sent": not is_barred(restarts, name),
            "setting": setting_of(name),
        }
        for name, count in restarts.items()
    }


def _is_large(name: str) -> bool:
    return name == ALL_KEYS or name.endswith(WHOLE)


def setting_of(name: str) -> str:
    """Return the quirk that keeps a request from being sent."""
    if name.startswith(READS):
        return "read_configuration: false"
    return "trigger_boot: false" if name.startswith("TriggerMessage") else "measurands: []"
