"""Meter values as 1.6 writes them: everything is text."""

from __future__ import annotations

from typing import Any

from ..metering.samples import Sample, entry


def written(one: Sample, context: str) -> dict[str, Any]:
    """One entry of the list sampledValue."""
    return entry(one, context, lambda value: f"{value:.{one.decimals}f}", {"unit": one.unit})
