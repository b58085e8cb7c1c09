"""Records of a backend that answers from memory: nothing is kept, and nothing is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from chargepoint_driver.backend import DirectBackend, Request
from chargepoint_driver.cache.cache import Key, Outcome
from chargepoint_driver.cache.station_groups import Groups
from chargepoint_driver.errors import ChargePointError, NotFoundError
from chargepoint_driver.records import StationRecord
from chargepoint_driver.text import get_logger

__all__ = ["DirectCache"]

_log = get_logger(__name__)

_DIRECTORY = "getStations"

_Answer = TypeVar("_Answer")


class DirectCache:
    """One account's data as `SharedCache` offers it, read when it is asked for. May be used from
    several threads."""

    def __init__(
        self, backend: DirectBackend, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds that never jump."""
        self._backend = backend
        self._clock = clock
        self._ports: dict[str, frozenset[int]] = {}
        self._down: dict[str, ChargePointError] = {}
        # What the station list said at the newest read of a station: control asks for it while the
        # same read goes on.
        self._listed: dict[str, StationRecord] = {}

    def get(self, wanted: Mapping[Key, float]) -> dict[Key, Outcome]:
        """Return an outcome for every key, each of age 0. Each station is looked at once, whatever
        the number of its calls."""
        calls: dict[str, list[str]] = {}
        for call, station in wanted:
            calls.setdefault(station, []).append(call)
        try:
            found = self._backend.records(calls)
        except ChargePointError as error:
            return self._failed(wanted, error)
        except Exception as error:  # noqa: BLE001 - logged; each key gets an error
            _log.exception("stations cannot be read: unexpected failure")
            kind = type(error).__name__
            return self._failed(wanted, ChargePointError(f"unexpected {kind}; see the log"))
        if self._down:
            self._down = {}
        for station in calls:
            listed = found.get((_DIRECTORY, station))
            if listed is None:
                self._listed.pop(station, None)
            else:
                self._listed[station] = listed
        outcomes: dict[Key, Outcome] = {}
        for key in wanted:
            record = found.get(key)
            outcomes[key] = (
                Outcome(None, _missing(*key), None)
                if record is None
                else Outcome(record, None, 0.0)
            )
        return outcomes

    def _failed(self, wanted: Mapping[Key, float], error: ChargePointError) -> dict[Key, Outcome]:
        """Return the error for every key, and note it for `down`."""
        self._down = {call: error for call, _ in wanted}
        self._listed = {}
        return {key: Outcome(None, error, None) for key in wanted}

    def members(self, group: str) -> frozenset[str]:
        """Return the stations of a station group. Raises NotFoundError for a group without any."""
        groups = Groups()
        records = self._backend.fetch(Request(_DIRECTORY)).records
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

    def touch(self, call: str, station: str) -> None:
        """Do nothing: the next read sees what a write has changed."""

    def peek(self, call: str, station: str) -> StationRecord | None:
        """Return what is known of a station; None for nothing. Of the station list it is what the
        newest read of the station found."""
        listed = self._listed.get(station) if call == _DIRECTORY else None
        if listed is not None:
            return listed
        return self.get({(call, station): 0.0})[call, station].record

    def known(self, call: str) -> dict[str, tuple[StationRecord, float]]:
        """Station to what is known of it, of age 0. Raises what the backend raises."""
        records = self._backend.fetch(Request(call)).records
        return {station: (record, 0.0) for station, record in records.items()}

    def replied(self, call: str, station: str) -> float | None:
        """Return now, by the clock: each read is a reply of its own."""
        del call, station
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
        """Forget what `down` says: the configuration changed."""
        self._down = {}
        self._listed = {}

    def down(self) -> dict[str, ChargePointError]:
        """Return call name to error, for the calls of the last read where that failed."""
        return dict(self._down)


def _missing(call: str, station: str) -> NotFoundError:
    return NotFoundError(
        f"{call}: station {station} is not in the reply; check stationID, region, and that the "
        "account may see the station"
    )
