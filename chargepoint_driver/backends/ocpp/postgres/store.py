"""Store of a node: a local copy that messages are handled on, and PostgreSQL, which is the truth.

The local copy is a SQLite file of this process. It has what the node needs of the chargers that it
owns: they are read from PostgreSQL when they connect. Every change is written to PostgreSQL before
the message that made it is acknowledged, by one transaction for many messages, under the epochs of
the chargers. A charger that another node has claimed meanwhile loses its socket here, and nothing
of it is written. Events stay in the file: they are this node's own.
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.model.authorization import key_of
from chargepoint_driver.backends.ocpp.postgres.changes import Batch, Changes
from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.records import Records, Reloaded
from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.backends.ocpp.postgres.writer import Outcome, Writer
from chargepoint_driver.backends.ocpp.storage.disk_writer import settle
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import ConfigurationError, FencedError, StoreError
from chargepoint_driver.text import get_logger

__all__ = ["APPLICATION_ID", "PostgresStore"]

_log = get_logger(__name__)

APPLICATION_ID = 0x43504E44
"""`PRAGMA application_id` of the file of a node: it is made again at each start."""
# Changes of registers and contacts may wait that long; a claim and a retry this long.
_LAZY_S = 5.0
_RETRY_S = 0.5
_MAX_PUSH_S = 15.0
_COUNT_S = 5.0
_MAX_CLAIMS = 200
_MIN_IDS = 50
_IDS_AT_ONCE = 200
_TRANSACTION_ID = re.compile(
    rb'"transactionId"\s*:\s*(?:"([^"\\]{1,64})"|(-?[0-9]{1,18})(?![0-9.]))'
)
_NAMES_ID = b'"transactionId"'


class PostgresStore(Store):
    """See the module, and `interfaces.TransactionStore`."""

    application_id = APPLICATION_ID

    def __init__(
        self,
        path: Path,
        connections: Connections,
        membership: Membership,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with an empty local copy; `open` must follow. Raises ConfigurationError where the
        file is another central system's."""
        super().__init__(path, wall, clock)
        try:
            self._make_ours()
        except BaseException:
            super().close()
            raise
        self._connections = connections
        self._membership = membership
        self._records = Records(connections, self._columns)
        self._changes = Changes(self._db)
        self._writer = Writer(connections, self._columns)
        # Pushes and claims take turns: a claim changes the epoch that a push names.
        self._turn = asyncio.Lock()
        self._pushed: asyncio.Future[None] | None = None
        self._pushed_all: asyncio.Future[None] | None = None
        self._is_pushing = False
        self._pushed_writes = 0
        self._is_ended = False
        self._is_draining = False
        self._retry_at_s = 0.0
        self._lazy_at_s = self._unasked_at_s = 0.0
        self._faults: dict[str, StoreError] = {}
        self._ids: deque[int] = deque()
        self._refill: asyncio.Future[None] | None = None
        # Chargers that have older transactions in PostgreSQL.
        self._partial: set[str] = set()
        self._claims: dict[str, asyncio.Future[bool]] = {}
        self._tasks: set[asyncio.Future[Any]] = set()
        self._tags_version = -1
        self._elsewhere: dict[str, int] = {}
        self._count_at_s = 0.0
        self.on_replaced: Callable[[], None] = lambda: None

    def _make_ours(self) -> None:
        (mark,) = self._db.execute("PRAGMA application_id").fetchone()
        if mark != APPLICATION_ID and self._holds_records():
            raise ConfigurationError(
                f"database: {self._path} holds the records of a central system; give this node a "
                "file of its own, which it makes"
            )
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._db.execute("BEGIN IMMEDIATE")
        for name in TABLES:
            self._db.execute(f"DELETE FROM {name}")
        self._db.execute("COMMIT")
        self._columns = {
            name: {row[1]: row[2] for row in self._db.execute(f"PRAGMA table_info({name})")}
            for name in TABLES
        }

    def _holds_records(self) -> bool:
        return any(
            self._db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is not None
            for name in ("charge_points", "transactions", "id_tags")
        )

    async def open(self) -> None:
        """Read what every node has a copy of. Raises StoreError."""
        await self._read_tags()
        await self._fetch_ids()
        self._spawn(self._regularly(_LAZY_S / 5, self._renew))

    # ---- commits -------------------------------------------------------------------------

    def durable(self) -> asyncio.Future[None]:
        """See `interfaces.TransactionStore`: PostgreSQL has everything but what may wait."""
        if self._pushed is None:
            self._pushed = asyncio.get_running_loop().create_future()
            self._schedule()
        return self._pushed

    def kept(self) -> asyncio.Future[None]:
        """See `interfaces.TransactionStore`: this file ends with the process."""
        return self.durable()

    def stored(self) -> asyncio.Future[None]:
        """See `Store.stored`: PostgreSQL has everything."""
        if self._pushed_all is None:
            self._pushed_all = asyncio.get_running_loop().create_future()
            self._schedule()
        return self._pushed_all

    def _commit(self) -> None:
        # PostgreSQL is the truth: no message waits for this disk.
        self._must_flush = False
        super()._commit()
        if not (self._is_closed or self._is_due or self._open or self._is_pushing):
            self._begin_push()

    def _fail(self, error: StoreError) -> None:
        super()._fail(error)
        for waiting in self._take_waiting():
            settle(waiting, error)

    def _take_waiting(self) -> list[asyncio.Future[None] | None]:
        found = [self._pushed, self._pushed_all]
        self._pushed = self._pushed_all = None
        return found

    def _begin_push(self) -> None:
        """Take what was just committed here, and write it to PostgreSQL."""
        now_s = self._clock()
        is_lazy_due = now_s >= self._lazy_at_s
        is_asked = self._pushed is not None or self._pushed_all is not None
        if now_s < self._retry_at_s or self._is_ended:
            return  # it is tried again at that time
        with_lazy = is_lazy_due or self._pushed_all is not None
        if not is_asked and (now_s < self._unasked_at_s or (not with_lazy and self._is_quiet())):
            return
        if not is_asked and not self._changes.is_pending(with_lazy=with_lazy):
            return
        waiting = self._take_waiting()
        self._pushed_writes = self._writes
        batch = self._changes.take(with_lazy=with_lazy)
        if not batch.stations:
            for each in waiting:
                settle(each, None)
            return
        if with_lazy:
            self._lazy_at_s = now_s + _LAZY_S
        self._is_pushing = True
        self._spawn(self._push(batch, waiting))

    def _is_quiet(self) -> bool:
        """Return True if nothing was written since the last push began."""
        return self._writes == self._pushed_writes

    async def _push(self, batch: Batch, waiting: list[asyncio.Future[None] | None]) -> None:
        failed: StoreError | None = None
        try:
            async with self._turn:
                writing = self._writer.write(self._owned(batch), self._membership.epochs)
                outcome = await asyncio.wait_for(writing, _MAX_PUSH_S)
                self._fence(outcome)
                if outcome.refused:
                    # Never acknowledged without them; a repair of the tables lets them in.
                    self._changes.put_back(batch.of(outcome.refused))
                    self._pushed_writes = -1
                    self._unasked_at_s = self._clock() + _LAZY_S
        except StoreError as error:
            failed = error
        except asyncio.TimeoutError:
            failed = StoreError(f"PostgreSQL has not answered within {_MAX_PUSH_S:g} s")
        except BaseException as error:
            failed = StoreError(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._is_pushing = False
            if failed is not None:
                self._changes.put_back(batch)
                self._pushed_writes = -1
                self._retry_at_s = self._clock() + _RETRY_S
                asyncio.get_running_loop().call_later(_RETRY_S, self._schedule)
            self._note_failure(failed)
            for each in waiting:
                settle(each, failed)
            self._schedule()

    def _owned(self, batch: Batch) -> Batch:
        """Return the part of chargers that this node still owns."""
        epochs = self._membership.epochs
        return batch.of(each for each in batch.stations if not each or each in epochs)

    def _note_failure(self, error: StoreError | None) -> None:
        if error is None:
            if self._failing:
                self._failing = False
                _log.warning("postgres: can be written again")
        elif not self._failing:
            self._failing = True
            _log.error("postgres: %s; no message is acknowledged that it does not hold", error)

    def _fence(self, outcome: Outcome) -> None:
        """Give up what another run owns; note what PostgreSQL refuses."""
        self._faults.clear()
        for station, reason in outcome.refused.items():
            _log.error("postgres: rows of %r are refused (%s)", station, reason)
            self._faults[station] = StoreError(reason)
        self.give_up(outcome.fenced)

    def give_up(self, station_ids: Iterable[str]) -> None:
        """Lose chargers that another node has: nothing of them is kept, written or sent."""
        lost = [each for each in station_ids if self._membership.epochs.pop(each, None) is not None]
        if lost:
            self.on_lost(lost, "another node has this charger")
            self._drop(lost)

    def _drop(self, station_ids: list[str]) -> None:
        """Forget the rows of chargers here."""
        with suppress(StoreError):  # they are never read without a claim, which reads them again
            self._begin()
            for name, table in TABLES.items():
                if table.station is not None:
                    self._db.executemany(
                        f"DELETE FROM {name} WHERE {table.station} = ?",
                        [(each,) for each in station_ids],
                    )
            self._schedule()
        self._changes.forget(station_ids)
        self._partial.difference_update(station_ids)

    # ---- ownership -----------------------------------------------------------------------

    async def claim(self, station_id: str) -> bool:
        """See `interfaces.TransactionStore`. Claims of one moment are one statement."""
        if station_id not in self._claims:
            self._claims[station_id] = asyncio.get_running_loop().create_future()
            if len(self._claims) == 1:
                self._spawn(self._claim_together())
        return await asyncio.shield(self._claims[station_id])

    async def _claim_together(self) -> None:
        async with self._turn:
            while self._claims:
                names = list(self._claims)[:_MAX_CLAIMS]
                claims = {name: self._claims.pop(name) for name in names}
                try:
                    news = await self._claim(names)
                except StoreError as error:
                    for waiting in claims.values():
                        _settle_claim(waiting, error)
                except BaseException as error:
                    for waiting in claims.values():
                        _settle_claim(waiting, StoreError(repr(error)))
                    raise
                else:
                    for name, waiting in claims.items():
                        _settle_claim(waiting, name in news)

    async def _claim(self, names: list[str]) -> set[str]:
        """Own chargers; returns those whose records were read again."""
        claims = await self._membership.claim(names)
        news = [name for name in names if claims[name].is_news]
        if news:
            self._count_at_s = 0.0  # what ran elsewhere runs here
            # An older socket here, and what it sent, are of the time before.
            self.give_up(news)
            reloaded = await self._records.of_chargers(news)
            await self.writable()
            self._take_over(news, reloaded)
        for name in names:
            self._membership.epochs[name] = claims[name].epoch
        return set(news)

    def _take_over(self, names: list[str], reloaded: Reloaded) -> None:
        self._drop(names)
        for name, rows in reloaded.rows.items():
            self._insert(name, rows)
        self._changes.forget(names)
        self._partial.update(reloaded.partial)
        # Ids of one charger must rise, also when it comes from a node that was ahead.
        while self._ids and self._ids[0] <= reloaded.last_id:
            self._ids.popleft()

    def _insert(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" for _ in self._columns[name])
        self._begin()
        self._db.executemany(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", rows)
        self._changes.forget_rows(name, rows)
        self._schedule()

    def fault_of(self, station_id: str) -> StoreError | None:
        """See `interfaces.TransactionStore`."""
        if station_id not in self._membership.epochs:
            return FencedError("another node has this charger")
        return self._faults.get(station_id)

    def refusal_to_send(self, station_id: str) -> str | None:
        """See `interfaces.TransactionStore`."""
        return self._membership.refusal_to_send(station_id)

    # ---- before a message is handled -----------------------------------------------------

    def needs_preparation(self, station_id: str, text: bytes) -> bool:
        """See `interfaces.TransactionStore`."""
        return station_id in self._partial and _NAMES_ID in text

    def is_prepared(self, station_id: str, text: bytes) -> bool:
        """See `interfaces.TransactionStore`."""
        if len(self._ids) < _MIN_IDS and self._refill is None:
            self._spawn(self._fetch_ids())
        return (
            bool(self._ids)
            and not self._missing(station_id, text)
            and super().is_prepared(station_id, text)
        )

    async def prepare(self, station_id: str, text: bytes) -> None:
        """See `interfaces.TransactionStore`."""
        if not self._ids:
            await self._fetch_ids()
        missing = self._missing(station_id, text)
        if missing:
            rows = await self._records.transactions_named(station_id, missing)
            await self.writable()
            held = "SELECT 1 FROM transactions WHERE id = ?"
            self._insert(
                "transactions",
                [row for row in rows if self._db.execute(held, (row[0],)).fetchone() is None],
            )
        await super().prepare(station_id, text)

    def _missing(self, station_id: str, text: bytes) -> list[str]:
        """Return the names of transactions in a message that may only be in PostgreSQL."""
        if station_id not in self._partial or _NAMES_ID not in text:
            return []
        found = {
            (quoted or number).decode("utf-8", "replace")
            for quoted, number in _TRANSACTION_ID.findall(text)
        }
        held = "SELECT 1 FROM transactions WHERE charge_point = ?1 AND (wire_id = ?2 OR alias = ?2)"
        return [
            name
            for name in sorted(found)
            if self._db.execute(held, (station_id, name)).fetchone() is None
        ]

    def next_transaction_id(self) -> int:
        """Return the id of the next transaction. Raises StoreError where none is left."""
        if not self._ids:
            raise StoreError("PostgreSQL has given no ids of transactions")
        return self._ids.popleft()

    async def _fetch_ids(self) -> None:
        """Get more ids. Raises StoreError."""
        if self._refill is not None:
            await asyncio.shield(self._refill)
            return
        refill = self._refill = asyncio.get_running_loop().create_future()
        try:
            self._ids.extend(await self._records.next_ids(_IDS_AT_ONCE))
        except StoreError as error:
            settle(refill, error)
            raise
        finally:
            self._refill = None
            settle(refill, None)

    # ---- regular work --------------------------------------------------------------------

    async def _renew(self) -> None:
        """Renew the lease, give up what others claimed, and write what could wait."""
        self._schedule()
        try:
            elsewhere = await self._membership.renew()
            await self._count_elsewhere()
            version = await self._records.version_of("id_tags")
            if version != self._tags_version:
                await self._read_tags()
        except StoreError as error:
            self._note_failure(error)
            return
        if self._membership.is_replaced:
            self.on_replaced()
        async with self._turn:
            self.give_up(self._membership.lost(elsewhere))
        if self._membership.is_draining and not self._is_draining:
            self._is_draining = True
            self.on_drain()

    async def _count_elsewhere(self) -> None:
        """Count the sessions of idTags at chargers of other nodes, where an idTag has a limit."""
        if self._clock() < self._count_at_s or not self.has_limited_tags():
            return
        self._elsewhere = await self._records.running_elsewhere(self._membership.run)
        self._count_at_s = self._clock() + _COUNT_S

    def running_with(self, id_tag: str, but: int | None = None) -> int:
        """Return how many transactions run with an idTag on all nodes; of others as they were some
        seconds ago."""
        return super().running_with(id_tag, but) + self._elsewhere.get(key_of(id_tag), 0)

    async def _read_tags(self) -> None:
        """Read the idTags, which another node may have changed."""
        async with self._turn:
            version, rows = await self._records.id_tags()
            await self.writable()
            if self._changes.has_table("id_tags"):
                return  # ours first
            self._db.execute("DELETE FROM id_tags")
            self._insert("id_tags", rows)
            self._changes.forget_table("id_tags")
            self._tags_version = version
        self.on_tags(self.saved_tags())

    async def _regularly(self, seconds: float, work: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:  # noqa: BLE001 - logged; it is tried again
                _log.exception("regular work of the node failed")

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("postgres: %s: %s", type(error).__name__, error)

    # ---- the end -------------------------------------------------------------------------

    async def release(self) -> None:
        """See `Store.release`: PostgreSQL gets what is left, and the lease ends at once."""
        try:
            await asyncio.wait_for(asyncio.shield(self.stored()), 5)
        except (StoreError, OSError, asyncio.TimeoutError) as error:
            _log.error("postgres: the last changes were not written (%s)", error)
        self._is_ended = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._membership.release()
        await self._connections.close()


def _settle_claim(waiting: asyncio.Future[bool], found: bool | StoreError) -> None:
    if waiting.done():
        return
    if isinstance(found, StoreError):
        waiting.set_exception(found)
        waiting.exception()  # no complaint where nobody waits
    else:
        waiting.set_result(found)
