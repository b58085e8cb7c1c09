"""Meter values as 2.0.1 writes them: numbers with a unit of measure."""

from __future__ import annotations

from typing import Any

from ..metering.samples import Sample, entry


def written(one: Sample, context: str) -> dict[str, Any]:
    """One entry of the list sampledValue."""
    unit = {"unitOfMeasure": {"unit": one.unit, "multiplier": 0}}
    return entry(one, context, lambda value: round(float(value), one.decimals), unit)
