"""The cache that readers ask: records of stations, no older than they allow, with the fewest calls.

The lock guards tables only and is never held while the network is waited for.
"""

from __future__ import annotations

import functools
import math
import random
import threading
import time
from collections.abc import Callable, Mapping

from chargepoint_driver.backend import Backend, Request
from chargepoint_driver.cache.batching import plan
from chargepoint_driver.cache.circuit_breaker import CircuitBreaker
from chargepoint_driver.cache.file_store import Disk
from chargepoint_driver.cache.record_table import Key, Outcome, RecordTable, nothing
from chargepoint_driver.cache.shared_store import SharedStore
from chargepoint_driver.cache.single_flight import SharedFetch, in_background, within
from chargepoint_driver.cache.station_groups import Groups
from chargepoint_driver.catalogue import CHARGEPOINT, Batch, Catalogue, Data
from chargepoint_driver.errors import (
    ChargePointError,
    NotFoundError,
    TransientError,
)
from chargepoint_driver.records import StationRecord
from chargepoint_driver.text import get_logger

__all__ = ["SharedCache"]

_log = get_logger(__name__)

_EVERYTHING = "*"
_DIRECTORY_S = 86_400.0
_RELEARN_S = 600.0
_KEPT_S = 3_600.0


class SharedCache:
    """One account's data, shared by all its readers; may be used from several threads."""

    def __init__(
        self,
        backend: Backend,
        *,
        limit_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        catalogue: Catalogue = CHARGEPOINT,
        disk: Disk | None = None,
        shared: SharedStore | None = None,
    ) -> None:
        """`limit_s` is how long one read may wait; `clock` gives seconds that never jump;
        `disk` keeps what hardly ever changes over a restart, `shared` all for the process that
        reads the account next."""
        self._backend = backend
        self._limit_s = limit_s
        self._clock = clock
        self._catalogue = catalogue
        self._directory = catalogue.name(Data.STATIONS)
        self._lock = threading.Lock()
        self._table = RecordTable()
        self._fetches: dict[Key, SharedFetch] = {}
        self._newest: dict[str, SharedFetch] = {}  # call to its fetch that was begun last
        self._begun = 0
        self._breaker = CircuitBreaker(limit_s, clock, jitter, backend.secret_digest)
        # Asks once, in the caller's thread, unless the call is held back: see there.
        self.once = self._breaker.once
        self._groups = Groups()
        self._groups_at: float | None = None
        self._listed_at: float | None = None
        self._disk = disk
        self._saving = threading.Lock()  # the last to write the file knows everything
        self._shared = shared
        # Called with stations that a reply shows otherwise than the one before; on any thread.
        self.on_news: Callable[[list[str]], None] | None = None
        if disk is not None:
            self._load(disk)
        if shared is not None:
            self._load_shared(shared)

    def key(self, data: Data, station: str) -> Key:
        """Return the key of the record that reports it of a station."""
        return self._catalogue.name(data), station

    def get(self, wanted: Mapping[Key, float]) -> dict[Key, Outcome]:
        """An outcome for every key. The value of a key is its currency: how many seconds old
        its record may be at most. A running fetch is joined whatever its age."""
        outcomes: dict[Key, Outcome] = {}
        waiting: dict[Key, SharedFetch] = {}
        stale: dict[str, set[str]] = {}
        secret = self._breaker.secret()
        with self._lock:
            now = self._clock()
            for key, currency_s in wanted.items():
                current = self._table.current(key, currency_s, now)
                if current is not None:
                    outcomes[key] = current
                    continue
                fetch = self._fetches.get(key) or self._fetches.get((key[0], _EVERYTHING))
                if fetch is not None:
                    waiting[key] = fetch
                else:
                    stale.setdefault(key[0], set()).add(key[1])
            started = []
            for call, stations in stale.items():
                refusal = self._breaker.error(call, secret)
                if refusal is not None:
                    for station in stations:
                        outcomes[call, station] = self._table.failed((call, station), refusal, now)
                    continue
                fetch = self._begin(call, stations, now)
                started.append(fetch)
                waiting |= {(call, station): fetch for station in stations}
        for fetch in started:
            self._start(fetch)
        self._wait(waiting, outcomes)
        return outcomes

    def _wait(self, waiting: Mapping[Key, SharedFetch], outcomes: dict[Key, Outcome]) -> None:
        deadline = time.monotonic() + self._limit_s
        over = {
            fetch: fetch.wait(max(0.0, deadline - time.monotonic()))
            for fetch in set(waiting.values())
        }
        with self._lock:
            now = self._clock()
            for key, fetch in waiting.items():
                record = fetch.records.get(key[1])
                if record is not None:
                    outcomes[key] = Outcome(record, None, now - fetch.replied[key[1]])
                elif over[fetch] and self._is_empty(fetch, key):
                    outcomes[key] = Outcome(nothing(key[1]), None, now - fetch.started)
                elif over[fetch]:
                    outcomes[key] = self._table.failed(key, fetch.error_of(key[1]), now)
                else:
                    late = TransientError(f"{key[0]}: no answer within {self._limit_s:g} s")
                    outcomes[key] = self._table.failed(key, late, now)

    def _is_empty(self, fetch: SharedFetch, key: Key) -> bool:
        """Return True if a station that the replies leave out simply has nothing."""
        return self._catalogue.calls[key[0]].absent_is_empty and not fetch.errors

    def _begin(self, call: str, stations: set[str], now: float) -> SharedFetch:
        """Return a fetch that later readers find. It waits for the one of the same call before it,
        which may bring its stations along."""
        self._begun += 1
        fetch = SharedFetch(call, stations, now, self._begun, self._newest.get(call))
        self._newest[call] = fetch
        keys = [(call, station) for station in stations]
        if self._catalogue.calls[call].batch is Batch.ACCOUNT and len(stations) > 1:
            keys.append((call, _EVERYTHING))
        self._fetches |= dict.fromkeys(keys, fetch)
        return fetch

    def members(self, group: str) -> frozenset[str]:
        """The stations of a station group. Raises NotFoundError for a group without any, and
        what listing the stations raises."""
        with self._lock:
            # A list out of the file may hold some of the stations only.
            age_s = math.inf if self._listed_at is None else self._clock() - self._listed_at
            found = self._groups.members(group)
        # A directory that is read from memory is never old, and never kept.
        limit_s = min(_DIRECTORY_S, self._catalogue.calls[self._directory].currency_s)
        if age_s > limit_s or not limit_s or not found:
            within(self._learn_groups, self._limit_s, self._directory)
            with self._lock:
                found = self._groups.members(group)
        if not found:
            raise NotFoundError(
                f"station group {group} has no station that the account may see; correct "
                "stationGroup"
            )
        return found

    def ports(self, station: str) -> frozenset[int]:
        """The ports of a station by the last station list; none where that does not say."""
        with self._lock:
            return self._groups.ports(station)

    def _learn_groups(self) -> None:
        request = Request(self._directory)
        reply = self.once(self._directory, lambda: self._backend.fetch(request))
        with self._lock:
            self._groups.learn(reply.records.values())
            self._groups_at = self._listed_at = at = self._clock()
            if self._shared is not None:
                self._shared.keep(self._directory, reply.records, at)
                self._shared.keep_whole(self._directory, reply.records.keys(), at)

    def touch(self, data: Data, station: str) -> None:
        """Mark the records of a station as out of date: a write has changed it. Fetches that are in
        the air may have left before the write and count no more."""
        call = self._catalogue.name(data)
        with self._lock:
            self._table.touch((call, station), self._begun)
            if self._shared is not None:
                self._shared.forget((call, station))
            self._fetches.pop((call, station), None)
            self._fetches.pop((call, _EVERYTHING), None)
            self._newest.pop(call, None)

    def peek(self, data: Data, station: str) -> StationRecord | None:
        """Return what is known of a station, however old, without asking; None for nothing."""
        with self._lock:
            return self._table.record(self.key(data, station))

    def known(self, data: Data) -> dict[str, tuple[StationRecord, float]]:
        """Station to what is known of it, however old, and its age in seconds; nobody is asked."""
        call = self._catalogue.name(data)
        with self._lock:
            now = self._clock()
            return {
                station: (record, now - replied)
                for (name, station), record, replied in self._table
                if name == call
            }

    def age_s(self, data: Data, station: str) -> float | None:
        """Return the age in seconds of what is known of a station; None for nothing."""
        replied = self.replied(data, station)
        return None if replied is None else self._clock() - replied

    def replied(self, data: Data, station: str) -> float | None:
        """Return when the reply came that what is known of a station is out of, by the cache's
        clock: it tells one reply from the next. None for nothing."""
        with self._lock:
            return self._table.replied(self.key(data, station))

    def __len__(self) -> int:
        """Return how many records are kept: one for each call and station."""
        return len(self._table)

    def forget_failures(self) -> None:
        """Try everything again: the configuration changed."""
        self._breaker.forget()

    def down(self) -> dict[str, ChargePointError]:
        """Call name to error, for the calls that do not work at present."""
        return self._breaker.down()

    # ---- in the background ---------------------------------------------------------------

    def _start(self, fetch: SharedFetch) -> None:
        try:
            in_background(functools.partial(self._run, fetch), f"chargepoint-{fetch.call}")
        except RuntimeError as error:
            late = TransientError(f"{fetch.call}: no thread can be started ({error})")
            fetch.fail(fetch.stations, late)
            self._finish(fetch)

    def _run(self, fetch: SharedFetch) -> None:
        """Carry out one fetch. Whatever is raised becomes its stations' error."""
        try:
            self._fetch_all(fetch)
        except ChargePointError as error:
            fetch.fail(fetch.stations, error)
        except BaseException as error:
            _log.exception("%s: unexpected failure", fetch.call)
            fetch.fail(
                fetch.stations,
                ChargePointError(f"{fetch.call}: unexpected {type(error).__name__}; see the log"),
            )
            if not isinstance(error, Exception):
                raise
        finally:
            self._finish(fetch)

    def _finish(self, fetch: SharedFetch) -> None:
        """Nobody joins it any more, and everybody who waits goes on."""
        with self._lock:
            for station in (*fetch.stations, _EVERYTHING):
                if self._fetches.get((fetch.call, station)) is fetch:
                    del self._fetches[fetch.call, station]
            if self._newest.get(fetch.call) is fetch:
                del self._newest[fetch.call]
        fetch.finish()

    def _fetch_all(self, fetch: SharedFetch) -> None:
        call = self._catalogue.calls[fetch.call]
        groups: Mapping[str, frozenset[str]] = {}
        stations = fetch.stations - fetch.reuse_previous(self._limit_s)
        if call.batch is Batch.GROUP and len(stations) > 1:
            groups = self._known_groups(stations)
        for request in plan(call, stations, groups):
            covered = self._covered(request, fetch, groups)
            self._fetch(request, fetch, covered)
            if request.group is None:
                continue
            astray = {
                station
                for station in covered
                if station not in fetch.records and station not in fetch.errors
            }
            if astray:
                with self._lock:
                    self._groups.missing(request.group, astray)
                _log.warning(
                    "station group %s: its reply leaves out %s; they are asked for individually",
                    request.group,
                    ", ".join(sorted(astray)),
                )
                for station in sorted(astray):
                    self._fetch(Request(call.name, (station,)), fetch, {station})
        if call.absent_is_empty:
            at = self._clock()
            absent = fetch.stations - fetch.records.keys() - fetch.errors.keys()
            self._keep(fetch, {station: nothing(station) for station in absent}, at)
        if fetch.records:
            self._save(fetch.call)

    @staticmethod
    def _covered(
        request: Request, fetch: SharedFetch, groups: Mapping[str, frozenset[str]]
    ) -> set[str]:
        if request.group is not None:
            return set(groups[request.group] & fetch.stations - fetch.records.keys())
        return set(request.stations or fetch.stations)

    def _fetch(self, request: Request, fetch: SharedFetch, covered: set[str]) -> None:
        """Carry out one request; its failure is the failure of the stations it covers."""
        try:
            ask = functools.partial(self._backend.fetch, request)
            reply = self.once(request.call, ask, request.stations)
        except ChargePointError as error:
            fetch.fail(covered, error)
            return
        at = self._clock()
        if request.group is not None:
            with self._lock:
                self._groups.found(request.group, reply.records)
        is_list = request.call == self._directory and request.whole_account
        if is_list:
            with self._lock:
                self._groups.learn(reply.records.values())
                self._groups_at = self._listed_at = at
        self._keep(fetch, dict(reply.records), at)
        is_whole = request.whole_account and self._catalogue.calls[request.call].absent_is_empty
        with self._lock:
            if is_whole:
                self._table.keep_whole(request.call, fetch.number, at)
            if self._shared is not None and (is_whole or is_list):
                self._shared.keep_whole(request.call, reply.records.keys(), at)

    def _keep(self, fetch: SharedFetch, records: dict[str, StationRecord], at: float) -> None:
        """Store the records of a fetch, unless a write or a later fetch has overtaken it."""
        fetch.received(records, at)
        with self._lock:
            before = self._table.keep(fetch.call, fetch.number, records, at)
            if self._shared is not None:
                # In the order of the table: a write that comes later forgets it again.
                kept = {station: records[station] for station in before}
                self._shared.keep(fetch.call, kept, at)
        if self.on_news is not None:
            news = [station for station in before if before[station] != records[station]]
            if news:
                self.on_news(news)

    def _load(self, disk: Disk) -> None:
        for call, (age_s, records) in disk.load().items():
            if not self._is_kept(call):
                continue
            at = self._clock() - age_s
            if call == self._directory:
                self._groups.learn(records)
                self._groups_at = at
            self._table.load(call, records, at)
        self._begun = 1

    def _load_shared(self, shared: SharedStore) -> None:
        listed: list[StationRecord] = []
        now = self._clock()
        for call, station, age_s, record in shared.load():
            if call not in self._catalogue.calls:
                continue
            at = now - age_s
            if station:
                self._table.load(call, [record], at)
                if call == self._directory:
                    listed.append(record)
            elif call == self._directory:
                self._groups_at = self._listed_at = at
            else:
                self._table.keep_whole(call, 1, at)
        if self._listed_at is not None:
            self._groups.learn(listed)
        self._begun = 1

    def _save(self, call: str) -> None:
        """Write the file again after a reply of a call whose values keep for long."""
        if self._disk is None or not self._is_kept(call):
            return
        with self._saving:
            calls: dict[str, tuple[float, list[StationRecord]]] = {}
            with self._lock:
                now = self._clock()
                for (name, _), record, replied in self._table:
                    if self._is_kept(name):
                        # One age for all records of a call: that of the oldest.
                        age_s, records = calls.get(name, (0.0, []))
                        records.append(record)
                        calls[name] = (max(age_s, now - replied), records)
            self._disk.save(calls)

    def _is_kept(self, call: str) -> bool:
        """Return True if a call's values are worth a file."""
        known = self._catalogue.calls.get(call)
        return known is not None and known.currency_s >= _KEPT_S

    def _known_groups(self, stations: frozenset[str]) -> dict[str, frozenset[str]]:
        """Groups by member, learned from the station list when they are not known; empty when
        they cannot be learned: then stations are asked for individually."""
        with self._lock:
            now = self._clock()
            age_s = None if self._groups_at is None else now - self._groups_at
            limit_s = _RELEARN_S if self._groups.doubtful else _DIRECTORY_S
            known = age_s is not None and age_s <= limit_s
        if not known:
            # A currency that nothing meets: only a new list of the whole account will do.
            self.get({(self._directory, station): -1.0 for station in stations})
        with self._lock:
            return {group: frozenset(members) for group, members in self._groups.usable().items()}
