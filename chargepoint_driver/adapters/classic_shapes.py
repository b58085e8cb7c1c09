"""Values in the shapes of the classic driver, for dashboards that read them."""

from __future__ import annotations

from typing import Any

from chargepoint_driver.catalogue import Kind
from chargepoint_driver.registry import Point

__all__ = ["classic_shape"]


def classic_shape(point: Point, value: Any) -> Any:
    """Return a value as the classic driver had it: a blank between date and time, a truth value of
    clearAlarms, and a dictionary for each group of stationRightsProfile. The group's name and its
    stations are not in it: one reply has them for all stations."""
    name = point.attribute.name
    if value is None:
        return None
    if name == "clearAlarms":
        return bool(value)
    if name == "stationRightsProfile" and isinstance(value, dict):
        return {
            group: {"sgID": int(group), "stationRightsProfile": profile}
            if str(group).isdigit()
            else profile
            for group, profile in value.items()
        }
    if point.attribute.kind is Kind.DATETIME and isinstance(value, str):
        return value.replace("T", " ", 1)
    return value
