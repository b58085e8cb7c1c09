"""Meter values as 1.6 writes them: everything is text."""

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
    value = "" if one.value is None else f"{one.value:.{one.decimals}f}"
    written = {
        "value": value,
        "context": context,
        "measurand": one.measurand,
        "location": "EV" if one.measurand == "SoC" else "Outlet",
        "unit": one.unit,
    }
    if one.phase is not None:
        written["phase"] = one.phase
    if quirks.has("bare_values"):
        del written["context"], written["location"]
        if one.measurand == "Energy.Active.Import.Register":
            del written["measurand"]
        if one.unit in ("W", "Wh"):
            del written["unit"]
    elif quirks.has("breaks_schema"):
        written["unit"] = ODD_UNITS.get(one.unit, one.unit)
        if context == "Sample.Periodic":
            written["context"] = ODD_CONTEXT
    return written
