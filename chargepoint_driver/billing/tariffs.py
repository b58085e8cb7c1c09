"""The tariff of a session: the most specific one that is valid when it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chargepoint_driver.billing.costs import Cost, cost_of, needs_readings, unknown
from chargepoint_driver.billing.prices import (
    Prices,
    PricingError,
    WeekClock,
    of_chargepoint,
    of_tariff,
)
from chargepoint_driver.config import TariffConfig
from chargepoint_driver.records import EnergyReading, SessionRecord

__all__ = ["StationFacts", "Tariffs"]


@dataclass(frozen=True)
class StationFacts:
    """Ids and names of the groups of a station, and its pricing, from the list of stations."""

    groups: frozenset[str] = frozenset()
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> StationFacts:
        """Return the facts in the values of a station (`sgID`, `sgName`, Pricing)."""
        groups = {
            part.strip()
            for name in ("sgID", "sgName")
            for part in str(values.get(name) or "").split(",")
        }
        return cls(frozenset(groups - {""}), values)


class Tariffs:
    """Tariffs of a configuration. `zone_clock` gives local times."""

    def __init__(self, tariffs: Sequence[TariffConfig], clock: WeekClock) -> None:
        self._tariffs = tariffs
        self._clock = clock
        self._has_groups = any(tariff.station_groups for tariff in tariffs)
        self._of_chargepoint: dict[int, tuple[Mapping[str, Any], Prices | PricingError | None]] = {}

    def cost(
        self,
        account: str,
        session: SessionRecord,
        facts: StationFacts | None,
        readings: Sequence[EnergyReading] = (),
    ) -> Cost:
        """Return the cost of a session. `facts` None: the list of stations is not known."""
        found = self.prices(account, session, facts)
        return found if isinstance(found, Cost) else cost_of(session, found, self._clock, readings)

    def needs_readings(
        self, account: str, session: SessionRecord, facts: StationFacts | None
    ) -> bool:
        """Return True if the cost needs meter values within the session."""
        if not session.has_ended:
            return False
        found = self.prices(account, session, facts)
        return not isinstance(found, Cost) and needs_readings(session, found, self._clock)

    def prices(
        self, account: str, session: SessionRecord, facts: StationFacts | None
    ) -> Prices | Cost:
        """Return the prices that count for a session, or why its cost is not known."""
        if not session.has_ended:
            return unknown("running", "the session has not ended")
        if session.start_s is None:
            return unknown("no_begin", "the begin of the session is not known")
        if facts is None and self._has_groups:
            return unknown("stations_unknown", "the list of stations cannot be read at present")
        known = facts or StationFacts()
        day = datetime.fromtimestamp(session.start_s, self._clock.zone).date()
        fitting = [
            tariff
            for tariff in self._tariffs
            if tariff.is_valid_on(day) and _applies(tariff, account, session.station_id, known)
        ]
        best = [each for each in fitting if each.rank == max(one.rank for one in fitting)]
        if len(best) > 1:
            names = ", ".join(tariff.name for tariff in best)
            return unknown("several_tariffs", f"more than one tariff applies: {names}")
        return of_tariff(best[0]) if best else self._own_pricing(facts)

    def _own_pricing(self, facts: StationFacts | None) -> Prices | Cost:
        """Return ChargePoint's own pricing of a station."""
        if facts is None:
            return unknown("stations_unknown", "the list of stations cannot be read at present")
        key = id(facts.values)
        kept = self._of_chargepoint.get(key)
        if kept is None or kept[0] is not facts.values:
            found: Prices | PricingError | None
            try:
                found = of_chargepoint(facts.values)
            except PricingError as error:
                found = error
            if len(self._of_chargepoint) > 10_000:
                self._of_chargepoint.clear()
            kept = self._of_chargepoint[key] = facts.values, found
        if isinstance(kept[1], PricingError):
            return unknown("pricing", f"ChargePoint's pricing: {kept[1]}")
        if kept[1] is None:
            return unknown("no_tariff", "no tariff applies to the station at that time")
        return kept[1]


def _applies(tariff: TariffConfig, account: str, station_id: str, facts: StationFacts) -> bool:
    if tariff.accounts and account not in tariff.accounts:
        return False
    if not tariff.stations and not tariff.station_groups:
        return True
    return station_id in tariff.stations or not facts.groups.isdisjoint(tariff.station_groups)
