"""Records of a backend that answers from memory: nothing is kept, and nothing is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from chargepoint_driver.backend import DirectBackend, Request
from chargepoint_driver.cache.record_table import Key, Outcome
from chargepoint_driver.cache.station_groups import Groups
from chargepoint_driver.catalogue import OCPP, Catalogue, Data
from chargepoint_driver.errors import ChargePointError, NotFoundError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.text import get_logger

__all__ = ["DirectCache"]

_log = get_logger(__name__)

_Answer = TypeVar("_Answer")


class DirectCache:
    """One account's data as `SharedCache` offers it, read when it is asked for. May be used from
    several threads."""

    def __init__(
        self,
        backend: DirectBackend,
        *,
        clock: Callable[[], float] = time.monotonic,
        catalogue: Catalogue = OCPP,
    ) -> None:
        """`clock` gives seconds that never jump. One call of `catalogue` reports everything."""
        self._backend = backend
        self._clock = clock
        self._catalogue = catalogue
        self._call = catalogue.name(Data.STATIONS)
        self._ports: dict[str, frozenset[int]] = {}
        self._down: dict[str, ChargePointError] = {}
        # The newest read of each station: control asks for the station list while the same read
        # goes on.
        self._newest: dict[str, StationRecord] = {}

    def key(self, data: Data, station: str) -> Key:
        """Return the key of the record that reports it of a station."""
        return self._catalogue.name(data), station

    def get(self, wanted: Mapping[Key, float]) -> dict[Key, Outcome]:
        """Return an outcome for every key, each of age 0."""
        try:
            found = self._backend.records([station for _, station in wanted])
        except ChargePointError as error:
            return self._failed(wanted, error)
        except Exception as error:  # noqa: BLE001 - logged; each key gets an error
            _log.exception("stations cannot be read: unexpected failure")
            kind = type(error).__name__
            return self._failed(wanted, ChargePointError(f"unexpected {kind}; see the log"))
        if self._down:
            self._down = {}
        outcomes: dict[Key, Outcome] = {}
        for key in wanted:
            station = key[1]
            record = found.get(station)
            if record is None or isinstance(record, ChargePointError):
                self._newest.pop(station, None)
                outcomes[key] = Outcome(None, record or _missing(*key), None)
            else:
                self._newest[station] = record
                outcomes[key] = Outcome(record, None, 0.0)
        return outcomes

    def _failed(self, wanted: Mapping[Key, float], error: ChargePointError) -> dict[Key, Outcome]:
        """Return the error for every key, and note it for `down`."""
        self._down = {call: error for call, _ in wanted}
        self._newest = {}
        return {key: Outcome(None, error, None) for key in wanted}

    def members(self, group: str) -> frozenset[str]:
        """Return the stations of a station group. Raises NotFoundError for a group without any."""
        groups = Groups()
        records = self._backend.fetch(Request(self._call)).records
        groups.learn(records.values())
        self._ports = {station: groups.ports(station) for station in records}
        found = groups.members(group)
        if not found:
            raise NotFoundError(
                f"station group {group} has no station that the account may see; correct "
                "stationGroup"
            )
        return found

    def ports(self, station: str) -> frozenset[int]:
        """Return the ports of a station by the last station list; none where that does not say."""
        return self._ports.get(station, frozenset())

    def touch(self, data: Data, station: str) -> None:
        """Do nothing: the next read sees what a write has changed."""

    def peek(self, data: Data, station: str) -> StationRecord | None:
        """Return what is known of a station; None for nothing. Of the station list it is what the
        newest read of the station found."""
        newest = self._newest.get(station) if data is Data.STATIONS else None
        if newest is not None:
            return newest
        key = self.key(data, station)
        return self.get({key: 0.0})[key].record

    def known(self, data: Data) -> dict[str, tuple[StationRecord, float]]:
        """Return station to what is known of it, of age 0. Raises what the backend raises."""
        records = self._backend.fetch(Request(self._catalogue.name(data))).records
        return {station: (record, 0.0) for station, record in records.items()}

    def age_s(self, data: Data, station: str) -> float | None:
        """Return 0: each read is of now."""
        del data, station
        return 0.0

    def replied(self, data: Data, station: str) -> float | None:
        """Return now, by the clock: each read is a reply of its own."""
        del data, station
        return self._clock()

    def once(
        self, call: str, ask: Callable[[], _Answer], stations: Collection[str] = ()
    ) -> _Answer:
        """Ask the backend, in this thread. Raises what it raises."""
        del call, stations
        return ask()

    def __len__(self) -> int:
        """Return 0: no record is kept for readers."""
        return 0

    def forget_failures(self) -> None:
        """Forget the failures of `down`: the configuration changed."""
        self._down = {}
        self._newest = {}

    def down(self) -> dict[str, ChargePointError]:
        """Return call name to error, for the calls of the last read where that failed."""
        return dict(self._down)


def _missing(call: str, station: str) -> NotFoundError:
    return NotFoundError(
        f"{call}: station {station} is not in the reply; check stationID, region, and that the "
        "account may see the station"
    )
