"""Shared fetches: readers of the same data wait for the one that is running."""

from __future__ import annotations

from collections.abc import Callable, Collection

from chargepoint_driver.errors import ChargePointError, NotFoundError, TransientError
from chargepoint_driver.process import threads
from chargepoint_driver.records import StationRecord

__all__ = ["SharedFetch", "in_background", "within"]


class SharedFetch:
    """One fetch of one call for some stations.

    Whatever happens to it, `finish` is called once and wakes everybody. Afterwards
    `records` and `errors` together answer for every station; a station in neither was left
    out of the reply.
    """

    def __init__(
        self,
        call: str,
        stations: Collection[str],
        started: float,
        number: int = 1,
        before: SharedFetch | None = None,
    ) -> None:
        """`number` counts fetches up. `before` is the running fetch of the same call, whose
        replies may have this fetch's stations too."""
        self.call = call
        self.stations = frozenset(stations)
        self.started = started
        self.number = number
        self._before = before
        self.replied: dict[str, float] = {}
        self.records: dict[str, StationRecord] = {}
        self.errors: dict[str, ChargePointError] = {}
        self._done = threads.Event()

    def received(self, records: dict[str, StationRecord], at: float) -> None:
        """Add what one reply brought."""
        self.records.update(records)
        self.replied.update(dict.fromkeys(records, at))

    def reuse_previous(self, limit_s: float) -> frozenset[str]:
        """Wait for the fetch before and take over its records; return the stations it spared."""
        before, self._before = self._before, None
        if before is None or not before.wait(limit_s):
            return frozenset()
        spared = self.stations & before.records.keys()
        for station in spared:
            self.records[station] = before.records[station]
            self.replied[station] = before.replied[station]
        return spared

    def fail(self, stations: Collection[str], error: ChargePointError) -> None:
        for station in stations:
            if station not in self.records:
                self.errors.setdefault(station, error)

    def finish(self) -> None:
        self._done.set()

    def wait(self, limit_s: float) -> bool:
        """Return True when the fetch is over, False when the limit passed first."""
        return self._done.wait(limit_s)

    def error_of(self, station: str) -> ChargePointError:
        """Return why a station has no record."""
        error = self.errors.get(station)
        if error is None and station not in self.stations:
            # It joined a fetch of the whole account, which failed for all alike.
            error = next(iter(self.errors.values()), None)
        return error or NotFoundError(
            f"{self.call}: station {station} is not in the reply; check stationID, region, and "
            "that the account may see the station"
        )


def in_background(work: Callable[[], None], name: str) -> None:
    """Run `work` on a thread, so that a caller who gives up does not break it off for the others.
    Where gevent has patched threading, it is a greenlet."""
    threads.Thread(target=work, name=name, daemon=True).start()


def within(
    work: Callable[[], None],
    limit_s: float,
    what: str,
    late: type[ChargePointError] = TransientError,
) -> None:
    """Run `work` in the background and wait for its end; what it raises is raised here.

    Raises `late` after the limit; the work is not broken off.
    """
    done = threads.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # handed to the waiter below, whatever it is
            raised.append(error)
        finally:
            done.set()

    in_background(run, what)
    if not done.wait(limit_s):
        raise late(f"{what}: no answer within {limit_s:g} s")
    if raised:
        raise raised[0]
