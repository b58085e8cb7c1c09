"""Exceptions for single models of chargers, listed in quirks.json, not in code."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from chargepoint_driver.config.quirks import Purpose, Quirks

__all__ = ["Purpose", "Quirks", "quirks_of"]


Entry = tuple[re.Pattern[str], re.Pattern[str], dict[str, Any]]


def read_entry(entry: dict[str, Any]) -> Entry:
    """Return (vendor, model, quirks) of an entry of quirks.json."""
    return (
        re.compile(entry.get("vendor", ""), re.IGNORECASE),
        re.compile(entry.get("model", ""), re.IGNORECASE),
        Quirks(**entry["quirks"]).model_dump(exclude_unset=True),
    )


@lru_cache(maxsize=1)
def _entries() -> list[Entry]:
    text = files(__package__).joinpath("quirks.json").read_text(encoding="utf-8")
    return [read_entry(entry) for entry in json.loads(text)["entries"]]


def quirks_of(vendor: str | None, model: str | None, own: Quirks) -> Quirks:
    """Return the quirks of a model: the entries that match it, in their order, then its own."""
    found: dict[str, Any] = {}
    for vendor_pattern, model_pattern, values in _entries():
        if vendor_pattern.search(vendor or "") and model_pattern.search(model or ""):
            found.update(values)
    found.update(own.model_dump(exclude_unset=True))
    return Quirks(**found)
