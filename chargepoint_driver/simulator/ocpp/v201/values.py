"""Meter values as 2.0.1 writes them: numbers with a unit of measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..connector import Reading
from ..quirks import Quirks
from ..samples import ODD_CONTEXT, ODD_UNITS, Sample, samples


def sampled_values(
    reading: Reading, measurands: Sequence[str], context: str, quirks: Quirks
) -> list[dict[str, Any]]:
    """The list sampledValue of a MeterValue."""
    return [_written(one, context, quirks) for one in samples(reading, measurands, quirks)]


def _written(one: Sample, context: str, quirks: Quirks) -> dict[str, Any]:
    written: dict[str, Any] = {
        "value": "" if one.value is None else round(float(one.value), one.decimals),
        "context": context,
        "measurand": one.measurand,
        "location": "EV" if one.measurand == "SoC" else "Outlet",
        "unitOfMeasure": {"unit": one.unit, "multiplier": 0},
    }
    if one.phase is not None:
        written["phase"] = one.phase
    if quirks.has("bare_values"):
        del written["context"], written["location"]
        if one.measurand == "Energy.Active.Import.Register":
            del written["measurand"]
        if one.unit in ("W", "Wh"):
            del written["unitOfMeasure"]
    elif quirks.has("breaks_schema"):
        written["unitOfMeasure"]["unit"] = ODD_UNITS.get(one.unit, one.unit)
        if context == "Sample.Periodic":
            written["context"] = ODD_CONTEXT
    return written
