"""Records of an account, in PostgreSQL, so that the next holder need not read it again."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeAlias

from chargepoint_driver.cache.file_store import fields_of, record_of
from chargepoint_driver.cache.record_table import Key
from chargepoint_driver.cache.shared_store import KeptRecord
from chargepoint_driver.errors import FencedError, StoreError
from chargepoint_driver.fleet.leased_records import LeasedRecords
from chargepoint_driver.fleet.worker_threads import on_thread
from chargepoint_driver.records import StationRecord
from chargepoint_driver.text import get_logger

__all__ = ["PostgresCacheStore"]

_log = get_logger(__name__)

_READ_S = 15.0
_RETRY_S = 1.0
_MAX_WAITING = 2_000
_MAX_ROWS = 2_000
_AT_ONCE = 50
_OLD = timedelta(days=7)
_KEEP = (
    "INSERT INTO account_cache SELECT $1, $2, station, $4, record FROM"
    " unnest($3::text[], $5::text[]) AS kept (station, record)"
    " ON CONFLICT (account, call, station) DO UPDATE SET at = excluded.at, record = excluded.record"
)
_Moment: TypeAlias = Callable[[float], datetime]
_Write: TypeAlias = Callable[[Any, Any, _Moment], Awaitable[None]]


class PostgresCacheStore:
    """See `cache.shared_store.SharedStore`. Times in the table are PostgreSQL's, and never later
    than the reply came."""

    def __init__(
        self, records: LeasedRecords, account: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`account` is what the account is known by in the tables, `clock` the cache's."""
        self._records = records
        self._account = account
        self._clock = clock
        self._waiting: deque[tuple[Callable[[], Any], _Write]] = deque()
        self._is_writing = False

    def load(self) -> Iterable[KeptRecord]:
        """See `SharedStore.load`."""
        asked_s = self._clock()

        async def read(db: Any) -> list[Any]:
            # Sessions have names of drivers: nothing stays for long that nobody reads again.
            await db.execute(
                "DELETE FROM account_cache"
                " WHERE account = $1 AND at < clock_timestamp() - $2::interval",
                self._account,
                _OLD,
            )
            sql = (
                "SELECT call, station, extract(epoch FROM clock_timestamp() - at)::float8, record"
                " FROM account_cache WHERE account = $1"
            )
            return list(await db.fetch(sql, self._account))

        found: list[KeptRecord] = []
        try:
            rows = self._records.run(read, _READ_S)
        except StoreError as error:
            _log.warning("what was read of the account before cannot be used (%s)", error)
            return found
        waited_s = self._clock() - asked_s
        for call, station, age_s, text in map(tuple, rows):
            try:
                record = record_of(json.loads(text))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                _log.warning("account_cache: %s of %s cannot be read (%s)", call, station, error)
                continue
            found.append(KeptRecord(call, station, max(0.0, age_s) + waited_s, record))
        return found

    def keep(self, call: str, records: Mapping[str, StationRecord], at: float) -> None:
        """See `SharedStore.keep`."""
        kept = list(records.items())
        for begin in range(0, len(kept), _MAX_ROWS):
            self._keep(call, kept[begin : begin + _MAX_ROWS], at)

    def _keep(self, call: str, rows: list[tuple[str, StationRecord]], at: float) -> None:
        def encode() -> list[str]:
            return [json.dumps(fields_of(record)) for _, record in rows]

        async def write(db: Any, texts: Any, when: _Moment) -> None:
            names = [name for name, _ in rows]
            await db.execute(_KEEP, self._account, call, names, when(at), texts)

        self._add(encode, write)

    def keep_whole(self, call: str, stations: Collection[str], at: float) -> None:
        """See `SharedStore.keep_whole`."""
        names = [*stations, ""]

        async def write(db: Any, _texts: Any, when: _Moment) -> None:
            await db.execute(
                "DELETE FROM account_cache"
                " WHERE account = $1 AND call = $2 AND station <> ALL($3::text[])",
                self._account, call, names,
            )  # fmt: skip
            text = json.dumps(fields_of(StationRecord("")))
            await db.execute(_KEEP, self._account, call, [""], when(at), [text])

        self._add(list, write)

    def forget(self, key: Key) -> None:
        """See `SharedStore.forget`."""

        async def write(db: Any, _texts: Any, _when: _Moment) -> None:
            # What a reply about the whole account said of the station does not count any more.
            await db.execute(
                "DELETE FROM account_cache"
                " WHERE account = $1 AND call = $2 AND station IN ($3, '')",
                self._account, *key,
            )  # fmt: skip

        self._add(list, write)

    async def _forget_all(self, db: Any, _texts: Any, _when: _Moment) -> None:
        await db.execute("DELETE FROM account_cache WHERE account = $1", self._account)

    # ---- writing, in order ---------------------------------------------------------------

    def _add(self, encode: Callable[[], Any], write: _Write) -> None:
        self._waiting.append((encode, write))
        self._records.soon(self._write)

    async def settled(self) -> None:
        """Wait until all is written."""
        while self._waiting:
            await asyncio.sleep(0.01)

    async def _write(self) -> None:
        if self._is_writing:
            return
        self._is_writing = True
        try:
            while self._waiting:
                await self._write_some()
        except FencedError:
            self._waiting.clear()
        finally:
            self._is_writing = False

    async def _write_some(self) -> None:
        if len(self._waiting) > _MAX_WAITING:
            # PostgreSQL is too slow: nothing old may stay there.
            self._waiting.clear()
            self._waiting.append((list, self._forget_all))
        jobs = list(islice(self._waiting, _AT_ONCE))
        texts = await on_thread(lambda: [encode() for encode, _ in jobs], "account_cache")

        async def write(db: Any) -> None:
            now = await db.fetchval("SELECT clock_timestamp()")
            now_s = self._clock()

            def when(at: float) -> datetime:
                # At `now_s` the table's time was `now`, or later.
                return now - timedelta(seconds=max(0.0, now_s - at))  # type: ignore[no-any-return]

            for (_, each), prepared in zip(jobs, texts, strict=True):
                await each(db, prepared, when)

        try:
            await self._records.run_on_loop(write)
        except FencedError:
            raise
        except StoreError as error:
            _log.warning("what was read of the account cannot be stored (%s)", error)
            await asyncio.sleep(_RETRY_S)
        else:
            for _ in jobs:
                self._waiting.popleft()
