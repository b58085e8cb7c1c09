"""Bounds of what the central system keeps of one charger, whatever the charger sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["MAX_CONNECTORS", "MAX_PARTS", "MAX_SETTINGS", "MAX_SETTINGS_BYTES", "bounded", "short"]

MAX_SETTINGS = 2_000
MAX_SETTINGS_BYTES = 262_144
"""Names and values of a charge point's settings together."""
MAX_CONNECTORS = 128
"""Connectors, or EVSEs, that are known of one charge point."""
MAX_PARTS = 16
"""Connectors of one EVSE that are kept separately."""
_MAX_CHARS = 500
_MAX_RAW_BYTES = 8_192


def bounded(before: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Return settings with the newer ones. Where they are too many or too large the oldest go."""
    known = {name: text for name, text in before.items() if name not in found} | dict(found)
    left = MAX_SETTINGS_BYTES
    kept: dict[str, str] = {}
    for name, text in reversed(known.items()):
        left -= len(name.encode("utf-8", "replace")) + len(str(text).encode("utf-8", "replace"))
        if left < 0 or len(kept) >= MAX_SETTINGS:
            break
        kept[name] = text
    return dict(reversed(kept.items()))


def short(boot: Mapping[str, Any]) -> dict[str, Any]:
    """Return boot data with texts of at most 500 characters; what is larger in all is left out."""
    found = {
        name: value[:_MAX_CHARS] if isinstance(value, str) else value
        for name, value in boot.items()
    }
    if len(msgspec.json.encode(found.get("raw"))) > _MAX_RAW_BYTES:
        found["raw"] = None
    return found
