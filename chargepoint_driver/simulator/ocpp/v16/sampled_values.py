"""Meter values as 1.6 writes them: everything is text."""

from __future__ import annotations

from typing import Any

from ..samples import Sample, location_of


def written(one: Sample, context: str) -> dict[str, Any]:
    """One entry of the list sampledValue."""
    value = {
        "value": "" if one.value is None else f"{one.value:.{one.decimals}f}",
        "context": context,
        "measurand": one.measurand,
        "location": location_of(one),
        "unit": one.unit,
    }
    if not one.unit:
        del value["unit"]
    return value if one.phase is None else {**value, "phase": one.phase}
