"""Records of stations with the times of their replies, and the writes that made them stale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.records import StationRecord

__all__ = ["Key", "Outcome", "RecordTable", "nothing"]

Key: TypeAlias = tuple[str, str]
"""(call, station id)"""


class Outcome(NamedTuple):
    """Result for one key: a record and its age, or an error.

    With an error, `age_s` is the age of the last good record, None without one, and `kept` is that
    record, None where a write has made it out of date.
    """

    record: StationRecord | None
    error: ChargePointError | None
    age_s: float | None
    kept: StationRecord | None = None

    def within(self, currency_s: float) -> StationRecord | None:
        """Return the record if its age is at most that, also when a stricter reader failed."""
        if self.record is not None:
            return self.record
        fresh = self.kept is not None and self.age_s is not None and self.age_s <= currency_s
        return self.kept if fresh else None


@dataclass(slots=True)
class _Entry:
    record: StationRecord
    replied: float
    begun: int  # number of the fetch that brought it


class RecordTable:
    """Records by call and station. It has no lock: the cache's lock guards it.

    Times are those of the cache's clock, in seconds. Fetches are numbered in the order in which
    they begin.
    """

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}
        self._touched: dict[Key, int] = {}  # key to the number of the fetch before a write
        # Call to the time and the fetch of its last reply for the whole account, where stations
        # that it leaves out are known to have nothing.
        self._whole: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        """Return how many records are kept: one for each call and station."""
        return len(self._entries)

    def current(self, key: Key, currency_s: float, now: float) -> Outcome | None:
        """Return the record of a key of an age up to `currency_s`; None without one."""
        entry = self._entries.get(key)
        if (
            entry is not None
            and now - entry.replied <= currency_s
            and entry.begun > self._touched.get(key, 0)
        ):
            return Outcome(entry.record, None, now - entry.replied)
        whole_at, begun = self._whole.get(key[0], (-math.inf, 0))
        if (
            now - whole_at <= currency_s
            and begun > self._touched.get(key, 0)
            and (entry is None or entry.begun < begun)
        ):
            return Outcome(nothing(key[1]), None, now - whole_at)
        return None

    def failed(self, key: Key, error: ChargePointError, now: float) -> Outcome:
        """Return the error, naming the age of the last good record where there is one."""
        entry = self._entries.get(key)
        whole_at, begun = self._whole.get(key[0], (-math.inf, 0))
        if entry is None or entry.begun < begun:
            if not begun:
                return Outcome(None, error, None)
            record, replied = nothing(key[1]), whole_at
        else:
            record, replied, begun = entry.record, entry.replied, entry.begun
        age_s = now - replied
        aged = type(error)(
            f"{error.message} (the last good value is {age_s:.0f} s old)",
            service_code=error.service_code,
            retry_after_s=error.retry_after_s,
        )
        is_good = begun > self._touched.get(key, 0)
        return Outcome(None, aged, age_s, record if is_good else None)

    def keep(
        self, call: str, number: int, records: Mapping[str, StationRecord], at: float
    ) -> dict[str, StationRecord | None]:
        """Keep the records of a fetch, unless a write or a later fetch has overtaken it. Returns
        the stations whose records are kept, to the records before."""
        before: dict[str, StationRecord | None] = {}
        for station, record in records.items():
            key = (call, station)
            known = self._entries.get(key)
            newest = max(self._touched.get(key, 0), known.begun - 1 if known else 0)
            if number > newest:
                self._entries[key] = _Entry(record, at, number)
                before[station] = None if known is None else known.record
        return before

    def keep_whole(self, call: str, number: int, at: float) -> None:
        """Note a reply for the whole account: stations that it leaves out have nothing."""
        if number > self._whole.get(call, (0.0, 0))[1]:
            self._whole[call] = at, number

    def load(self, call: str, records: Iterable[StationRecord], at: float) -> None:
        """Take records of an earlier process, from before the first fetch of this one."""
        for record in records:
            self._entries[call, record.station_id] = _Entry(record, at, 1)

    def touch(self, key: Key, number: int) -> None:
        """Mark the record of a key as out of date; `number` is the last fetch before the write."""
        self._touched[key] = number

    def record(self, key: Key) -> StationRecord | None:
        """Return what is known, however old; None for nothing."""
        entry = self._entries.get(key)
        return None if entry is None else entry.record

    def replied(self, key: Key) -> float | None:
        """Return when the reply came that brought the record; None for no record."""
        entry = self._entries.get(key)
        return None if entry is None else entry.replied

    def __iter__(self) -> Iterator[tuple[Key, StationRecord, float]]:
        """Yield each key with its record and the time of its reply."""
        for key, entry in self._entries.items():
            yield key, entry.record, entry.replied


def nothing(station: str) -> StationRecord:
    """Return the record of a station without any session, alarm or right."""
    return StationRecord(station, {}, {}, {})
