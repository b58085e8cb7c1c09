"""Meter values as 2.0.1 writes them: numbers with a unit of measure."""

from __future__ import annotations

from typing import Any

from ..samples import Sample, location_of


def written(one: Sample, context: str) -> dict[str, Any]:
    """One entry of the list sampledValue."""
    value: dict[str, Any] = {
        "value": "" if one.value is None else round(float(one.value), one.decimals),
        "context": context,
        "measurand": one.measurand,
        "location": location_of(one),
        "unitOfMeasure": {"unit": one.unit, "multiplier": 0},
    }
    if not one.unit:
        del value["unitOfMeasure"]
    return value if one.phase is None else {**value, "phase": one.phase}
