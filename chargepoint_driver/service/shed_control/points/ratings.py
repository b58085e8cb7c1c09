"""Rated powers of stations and ports, from the station list."""

from __future__ import annotations

from collections.abc import Iterable

from chargepoint_driver.cache import DirectCache, SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord

__all__ = ["Ratings"]

# How old the station list may be: ratings hardly ever change.
_CURRENCY_S = 86_400.0


class Ratings:
    """The rated powers of one account, in kW."""

    def __init__(self, cache: SharedCache | DirectCache) -> None:
        self._cache = cache

    def load(self, stations: Iterable[str]) -> None:
        """Ask for the stations that are not known yet, together. What is in memory is not asked
        for."""
        if isinstance(self._cache, DirectCache):
            return
        self._cache.get(
            {self._cache.key(Data.STATIONS, station): _CURRENCY_S for station in stations}
        )

    def of_port(self, station_id: str, port: int) -> float | None:
        """Return the rated power of a port; None where it is not reported. Raises the error of
        the station list where that is not known."""
        return _power(self._record(station_id), port)

    def of_station(self, station_id: str) -> float | None:
        """Return the sum over the ports of a station; None unless it is reported of each. Raises
        as `of_port`."""
        record = self._record(station_id)
        powers = [_power(record, port) for port in record.ports]
        known = [power for power in powers if power is not None]
        return sum(known) if known and len(known) == len(powers) else None

    def _record(self, station_id: str) -> StationRecord:
        known = self._cache.peek(Data.STATIONS, station_id)
        if known is not None:
            return known
        key = self._cache.key(Data.STATIONS, station_id)
        outcome = self._cache.get({key: _CURRENCY_S})[key]
        if outcome.record is None:
            raise outcome.error or ChargePointError(f"{station_id}: its rated power is not known")
        return outcome.record


def _power(record: StationRecord, port: int) -> float | None:
    power = record.ports.get(port, {}).get("Power")
    # A rating of 0 kW is a gap in the station list: it would read as a charger that is stopped.
    if isinstance(power, bool) or not isinstance(power, (int, float)) or power <= 0:
        return None
    return float(power)
