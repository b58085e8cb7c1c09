"""The composite schedule: the ceiling of a connector from now on, as periods."""

from __future__ import annotations

import math
from typing import Any

from .electrical import Cap
from .station import Station

MAX_PERIODS = 1_000


def composite(
    station: Station, connector_id: int, duration_s: float, unit: str
) -> list[dict[str, Any]]:
    """Periods from now on, in W or A; of the charge point as a whole for connector 0.

    It is what is really in force, unless the twin only pretends to follow its profiles.
    """
    if station.quirks.get("ignores_profiles", "composite") == "echo":
        with station.profile_store.obeyed():
            return _periods(station, connector_id, duration_s, unit)
    return _periods(station, connector_id, duration_s, unit)


def _periods(
    station: Station, connector_id: int, duration_s: float, unit: str
) -> list[dict[str, Any]]:
    now_s = station.begin()
    end_s = now_s + duration_s
    at_s = now_s
    periods: list[dict[str, Any]] = []
    while len(periods) < MAX_PERIODS:
        limit, phases = _limit(station, connector_id, now_s, at_s, unit)
        if not periods or (periods[-1]["limit"], periods[-1]["numberPhases"]) != (limit, phases):
            periods.append(
                {"startPeriod": round(at_s - now_s), "limit": limit, "numberPhases": phases}
            )
        at_s = _next_s(station, connector_id, now_s, at_s)
        if at_s >= end_s:
            break
    return periods


def _limit(
    station: Station, connector_id: int, now_s: float, at_s: float, unit: str
) -> tuple[float, int]:
    mains = station.flow.station
    total = station.profile_store.cap(0, at_s, None)

    def cap(one: int) -> Cap:
        return station.profile_store.cap(one, at_s, _started_s(station, one, now_s))

    if connector_id == 0:
        phases, voltage_v = mains.used_phases(total), mains.voltage_v
        sum_w = sum(one.supply.bound_w(cap(one.connector_id)) for one in station.connectors)
        power_w = min(sum_w, mains.bound_w(total))
    else:
        supply = station.connector(connector_id).supply
        bound = cap(connector_id)
        phases, voltage_v = supply.used_phases(bound), supply.voltage_v
        power_w = min(supply.bound_w(bound), mains.bound_w(total))
    value = power_w if unit == "W" else power_w / (voltage_v * phases)
    return round(math.floor(value * 10 + 1e-6) / 10, 1), phases


def _next_s(station: Station, connector_id: int, now_s: float, at_s: float) -> float:
    chosen = [connector_id] if connector_id else [one.connector_id for one in station.connectors]
    return min(
        station.profile_store.next_change_s(0, at_s, None),
        *(
            station.profile_store.next_change_s(one, at_s, _started_s(station, one, now_s))
            for one in chosen
        ),
    )


def _started_s(station: Station, connector_id: int, now_s: float) -> float:
    # Without a transaction: as if one began now.
    transaction = station.connector(connector_id).transaction
    return now_s if transaction is None else transaction.start_s
