"""Electrical configuration of a charger's connectors."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Electrical", "is_suspect"]

# A load beyond this share of the rated power is flagged: a unit or a scale is wrong.
SUSPECT_SHARE = 1.5


@dataclass(frozen=True, slots=True)
class Electrical:
    """Electrical configuration of a charger's connectors."""

    voltage: float
    phases: int
    is_dc: bool = False
    rated_kw: float | None = None
    location: str | None = None  # that meter values are read at first; None: the rule


def is_suspect(load_kw: float | None, rated_kw: float | None) -> bool | None:
    """Return True if a load is beyond what the connector can carry. None: one of the two is
    unknown."""
    if load_kw is None or rated_kw is None:
        return None
    return abs(load_kw) > SUSPECT_SHARE * rated_kw
