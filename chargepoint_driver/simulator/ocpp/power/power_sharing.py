"""Power sharing among the connectors of a charger, and energy totals.

Time is cut where a profile changes or a vehicle is full; in between every ceiling is
constant, so the energy does not depend on how often anyone looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .connector import Connector
from .electrical import Cap, Supply
from .profiles import ProfileBook


class PowerSharing:
    """Moves the meters of all connectors from one time to the next."""

    def __init__(
        self,
        connectors: Sequence[Connector],
        profile_store: ProfileBook,
        station: Supply,
        now_s: float,
    ) -> None:
        self._connectors = connectors
        self._profile_store = profile_store
        self.station = station
        self._at_s = now_s

    def advance(self, to_s: float) -> None:
        """Charge until then."""
        while self._at_s < to_s:
            self.set_ceilings()
            end_s = min(to_s, self.next_change_s())
            span_s = end_s - self._at_s
            for connector in self._connectors:
                connector.move(span_s)
            # The clock's resolution is about a microsecond: never stand still.
            self._at_s = end_s if span_s > 0 else math.nextafter(self._at_s, math.inf)
        self.set_ceilings()

    def next_change_s(self) -> float:
        """Return when a ceiling or a demand expires next; infinite when never."""
        at_s, soonest_s = self._at_s, self._profile_store.next_change_s(0, self._at_s, None)
        for connector in self._connectors:
            if connector.transaction is None:
                continue
            soonest_s = min(
                soonest_s,
                self._profile_store.next_change_s(
                    connector.connector_id, at_s, _started_s(connector)
                ),
            )
            soonest_s = min(soonest_s, at_s + connector.next_change_s())
        return soonest_s

    def cap(self, connector_id: int) -> Cap:
        """Return the bound in force on a connector (0: the charge point) by all profiles."""
        if connector_id == 0:
            return self._profile_store.cap(0, self._at_s, None)
        connector = self._connectors[connector_id - 1]
        return self._profile_store.cap(connector_id, self._at_s, _started_s(connector))

    def set_ceilings(self) -> None:
        """Give every connector its share."""
        wanted: dict[int, float] = {}
        least: dict[int, float] = {}
        for connector in self._connectors:
            connector.ceiling_w = 0.0
            charge = connector.charge
            if not connector.wants_power or charge is None:
                continue
            cap = self.cap(connector.connector_id)
            supply, phases = connector.supply, charge.vehicle.ac_phases
            ceiling_w = supply.deliverable_w(cap, phases)
            if ceiling_w > 0:
                wanted[connector.connector_id] = 0.0 if charge.is_full else ceiling_w
                least[connector.connector_id] = supply.least_w(supply.used_phases(cap, phases))
            connector.ceiling_w = ceiling_w
        drawing = {key: power_w for key, power_w in wanted.items() if power_w > 0}
        total_w = self.station.bound_w(self._profile_store.cap(0, self._at_s, None))
        for key, share_w in _divide(drawing, least, total_w).items():
            self._connectors[key - 1].ceiling_w = share_w


def _divide(wanted: dict[int, float], least: dict[int, float], total_w: float) -> dict[int, float]:
    """Equal shares, none above what is wanted; who cannot get the least gets nothing."""
    sharing = sorted(wanted)
    while sharing:
        shares: dict[int, float] = {}
        left_w = total_w
        for place, key in enumerate(sorted(sharing, key=lambda key: wanted[key])):
            shares[key] = min(wanted[key], left_w / (len(sharing) - place))
            left_w -= shares[key]
        short = [key for key in sharing if shares[key] < least[key]]
        if not short:
            return {key: shares.get(key, 0.0) for key in wanted}
        # The one that came last makes room for the others.
        sharing.remove(short[-1])
    return dict.fromkeys(wanted, 0.0)


def _started_s(connector: Connector) -> float | None:
    return None if connector.transaction is None else connector.transaction.start_s
