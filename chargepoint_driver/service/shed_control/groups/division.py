"""Dividing a station group's total over its stations. Pure: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chargepoint_driver.errors import InvalidValueError, TransientError
from chargepoint_driver.service.shed_control.validation import Division

__all__ = ["Member", "divide"]

# Of its equal part, what a station without vehicles keeps, so that one that arrives can begin
# to charge and be noticed. 0 kW is only for who writes 0.
_IDLE_PART = 0.1
# From this part of its limit on, a station is taken to want more.
_HELD_BACK = 0.9
_WATT_KW = 0.001


@dataclass(frozen=True)
class Member:
    """One station: its ports, present load, rated power and present limit; None where it is
    not reported (not limited)."""

    station_id: str
    ports: int
    load_kw: float | None = None
    rated_kw: float | None = None
    limit_kw: float | None = None


def divide(
    total_kw: float, members: Sequence[Member], division: Division, floor_kw: float = 0.0
) -> dict[str, float]:
    """Station to its share in kW; the shares' sum is never above the total.

    `equal`: alike. `rated`: by rated power. `load`: by what flows, or would if it were not held
    back. No share is below `floor_kw` for each port. Raises InvalidValueError when the floors alone
    exceed the total, TransientError when a rated power is not reported.
    """
    if not members:
        return {}
    if total_kw == 0:
        return {member.station_id: 0.0 for member in members}
    floors = {member.station_id: floor_kw * member.ports for member in members}
    least_kw = sum(floors.values())
    if total_kw < least_kw - 1e-9:
        raise InvalidValueError(
            f"{total_kw:g} kW is less than floor_kw ({floor_kw:g} kW) for each port of the "
            f"group's {len(members)} stations; write {least_kw:g} kW or more, or 0 to stop charging"
        )
    weights = {
        member.station_id: _weight(member, division, total_kw / len(members)) for member in members
    }
    if division == "load":
        idle_kw = _IDLE_PART * (total_kw - least_kw) / len(members)
        floors = {station: kw + idle_kw for station, kw in floors.items()}
        if not any(weights.values()):
            weights = dict.fromkeys(weights, 1.0)
    return _fill(total_kw, weights, floors)


def _weight(member: Member, division: Division, equal_kw: float) -> float:
    if division == "equal":
        return 1.0
    if division == "rated":
        if member.rated_kw is None or member.rated_kw <= 0:
            raise TransientError(
                f"{member.station_id}: the rated power is not reported; use division equal or load"
            )
        return member.rated_kw
    if member.load_kw is None:
        # It may charge without saying so.
        return equal_kw if member.limit_kw is None else member.limit_kw
    limit_kw = math.inf if member.limit_kw is None else member.limit_kw
    if member.load_kw > 0 and member.load_kw >= _HELD_BACK * limit_kw:
        return max(member.load_kw, member.rated_kw or 2 * member.load_kw)
    return member.load_kw


def _fill(
    total_kw: float, weights: Mapping[str, float], floors: Mapping[str, float]
) -> dict[str, float]:
    """Shares in proportion to the weights, none below its floor, rounded down to the watt."""
    open_: dict[str, float] = dict(weights)
    left_kw = total_kw
    shares: dict[str, float] = {}
    while open_:
        unit_kw = left_kw / (sum(open_.values()) or 1.0)
        low = [station for station, weight in open_.items() if weight * unit_kw < floors[station]]
        if not low:
            shares |= {station: weight * unit_kw for station, weight in open_.items()}
            break
        for station in low:
            shares[station] = floors[station]
            left_kw -= floors[station]
            del open_[station]
    # The tolerance keeps 3.3 from becoming 3.299 for want of a binary digit.
    return {station: math.floor(kw / _WATT_KW + 1e-6) / 1000 for station, kw in shares.items()}
