"""Points that are read together, sorted once by what they are fetched by."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from chargepoint_driver.registry.point import Point

__all__ = ["Selection"]


class Group(NamedTuple):
    """The points of one (call, station): the shortest currency among them, and of each its
    name, `Point.in_port` and the point."""

    currency_s: float
    members: list[tuple[str, int, str, Point]]


class Selection(dict[str, Point]):
    """Name to point. Polls ask for the same points again and again: the sorting is kept, so
    that a selection is not to be changed once it was read."""

    @cached_property
    def groups(self) -> dict[tuple[str, str], Group]:
        """(call, station) to its points, those of station groups left out."""
        members: dict[tuple[str, str], list[tuple[str, int, str, Point]]] = {}
        for name, point in self.items():
            if point.group is not None:
                continue
            members.setdefault(point.key, []).append((name, *point.port_key, point))
        return {
            key: Group(min(member[3].currency_s for member in found), found)
            for key, found in members.items()
        }

    @cached_property
    def limited(self) -> frozenset[str]:
        """The stations whose rated power a point of theirs needs."""
        return frozenset(
            point.station_id
            for point in self.values()
            if point.attribute.name == "limit" and point.attribute.own and point.group is None
        )

    @cached_property
    def of_station_groups(self) -> dict[str, dict[str, Point]]:
        """Station group id to its points by name."""
        members: dict[str, dict[str, Point]] = {}
        for name, point in self.items():
            if point.group is not None:
                members.setdefault(point.group, {})[name] = point
        return members
