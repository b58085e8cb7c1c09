"""Store of a node: it owns chargers, and PostgreSQL is the truth about them.

A charger that connects is claimed, and its records are read from PostgreSQL into the local copy.
One that another node has claimed meanwhile loses its socket here, and nothing of it is written.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.model.authorization import key_of
from chargepoint_driver.backends.ocpp.model.limit import LimitState
from chargepoint_driver.backends.ocpp.postgres.connections import Connections, said
from chargepoint_driver.backends.ocpp.postgres.local_copy import LAZY_S, LocalCopy
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.records import Records, Reloaded
from chargepoint_driver.backends.ocpp.postgres.stored_chargers import StoredChargers
from chargepoint_driver.backends.ocpp.storage.disk_writer import settle
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import FencedError, StoreError
from chargepoint_driver.process.tasks import end_tasks
from chargepoint_driver.text import get_logger

__all__ = ["PostgresStore"]

_log = get_logger(__name__)

_RENEW_S = LAZY_S / 5
_COUNT_S = 5.0
# How long sessions that have ended stay in the local copy, and how many go at a time.
_KEPT_S = 2 * 86_400.0
_SHRINK_S = 10.0
_MAX_SHRUNK = 1_000
_MAX_CLAIMS = 200
_MIN_IDS = 100
_IDS_AT_ONCE = 500
_TRANSACTION_ID = re.compile(
    rb'"transactionId"\s*:\s*(?:"([^"\\]{1,64})"|(-?[0-9]{1,18})(?![0-9.]))'
)
_NAMES_ID = b'"transactionId"'


class PostgresStore(LocalCopy):
    """See the module, and `interfaces.TransactionStore`."""

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
        super().__init__(path, connections, membership, wall, clock)
        self._wall = wall
        self._records = Records(connections, self._columns)
        self._ids: deque[int] = deque()
        self._refill: asyncio.Future[None] | None = None
        self._claims: dict[str, asyncio.Future[bool]] = {}
        self._is_draining = False
        self._tags_version = -1
        self._elsewhere: dict[str, int] = {}
        self._count_at_s = self._shrink_at_s = 0.0
        self._shrunk_to = 0  # the id of a transaction
        # Charger to the transaction that its messages named last, which is in the local copy.
        self._held: dict[str, str] = {}
        # Called with the reason when this node can never write again.
        self.on_end: Callable[[str], None] = lambda _: None

    async def open(self) -> None:
        """Read what every node has a copy of. Raises StoreError."""
        await self._read_tags()
        await self._fetch_ids()
        self._spawn(self._regularly(_RENEW_S, self._renew))

    def stored_chargers(
        self, config: OcppConfig, limit_of: Callable[[dict[str, Any]], LimitState | None]
    ) -> StoredChargers:
        """Return what reads chargers that no running node has."""
        return StoredChargers(self._records, self._columns, config, limit_of)

    # ---- ownership -----------------------------------------------------------------------

    async def claim(self, station_id: str) -> bool:
        """See `interfaces.TransactionStore`. Claims of one moment are one statement."""
        if station_id not in self._claims:
            self._claims[station_id] = asyncio.get_running_loop().create_future()
            if len(self._claims) == 1:
                self._spawn(self._claim_together())
        return await asyncio.shield(self._claims[station_id])

    async def _claim_together(self) -> None:
        while self._claims:
            # Turn by turn: what is to be stored does not wait for all who connect.
            async with self._turn:
                names = list(self._claims)[:_MAX_CLAIMS]
                await self._settle({name: self._claims.pop(name) for name in names})

    async def _settle(self, claims: dict[str, asyncio.Future[bool]]) -> None:
        """Claim chargers and end their waits. One that PostgreSQL refuses costs no other."""
        failed: StoreError | None = StoreError("this node has ended")
        news: set[str] = set()
        try:
            news = await self._claim(list(claims))
            failed = None
        except StoreError as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - those who wait get it
            if len(claims) > 1:
                for name, waiting in claims.items():
                    await self._settle({name: waiting})
            failed = StoreError(f"{type(error).__name__}: {said(error)}")
        finally:
            for name, waiting in claims.items():
                _settle_claim(waiting, name in news if failed is None else failed)

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
        self._partial.update(reloaded.partial)
        # Ids of one charger must rise, also when it comes from a node that was ahead.
        while self._ids and self._ids[0] <= reloaded.last_id:
            self._ids.popleft()

    def _drop(self, station_ids: list[str]) -> None:
        super()._drop(station_ids)
        for each in station_ids:
            self._held.pop(each, None)

    def _insert(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" for _ in self._columns[name])
        self._begin()
        with self._changes.paused():  # PostgreSQL has them
            self._db.executemany(f"INSERT OR REPLACE INTO {name} VALUES ({marks})", rows)  # noqa: S608
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
        return bool(self._missing(station_id, text))

    def is_prepared(self, station_id: str, text: bytes) -> bool:
        """See `interfaces.TransactionStore`."""
        if len(self._ids) < _MIN_IDS and self._refill is None:
            self._spawn(self._fetch_ids_soon())
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
        if found == {self._held.get(station_id)}:
            return []
        held = "SELECT 1 FROM transactions WHERE charge_point = ?1 AND (wire_id = ?2 OR alias = ?2)"
        missing = []
        for name in sorted(found):
            if self._db.execute(held, (station_id, name)).fetchone() is None:
                missing.append(name)
            else:
                self._held[station_id] = name
        return missing

    def next_transaction_id(self) -> int:
        """Return the id of the next transaction. Raises StoreError where none is left."""
        if not self._ids:
            raise StoreError("PostgreSQL has given no ids of transactions")
        return self._ids.popleft()

    async def _fetch_ids_soon(self) -> None:
        """Get more ids before the last one is used. Without PostgreSQL the last ones must do."""
        with suppress(StoreError):
            await self._fetch_ids()

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

    async def all_reservations(
        self, now_s: float, station_id: str | None = None
    ) -> list[dict[str, Any]]:
        """See `Reservations`: as PostgreSQL has them, with what was written here until now."""
        await asyncio.shield(self.durable())
        return await self._records.reservations(now_s, station_id)

    # ---- regular work --------------------------------------------------------------------

    async def _renew(self) -> None:
        """Renew the lease, give up what others claimed, and write what could wait."""
        self._schedule()
        self._shrink()
        try:
            elsewhere = await self._membership.renew()
            await self._count_elsewhere()
            version = await self._records.version_of("id_tags")
            if version != self._tags_version:
                await self._read_tags()
        except StoreError as error:
            self._note_failure(error)
            return
        if self._membership.end_reason is not None:
            self.on_end(self._membership.end_reason)
        async with self._turn:
            self.give_up(self._membership.lost(elsewhere))
        if self._membership.is_draining and not self._is_draining:
            self._is_draining = True
            self.on_drain()

    def _shrink(self) -> None:
        """Forget here sessions that ended long ago, and registers of quarter hours: PostgreSQL has
        them. A session is read again where a message names it."""
        if self._clock() < self._shrink_at_s or not self.try_begin():
            return
        self._shrink_at_s = self._clock() + _SHRINK_S
        rows = self._db.execute(
            "SELECT id, charge_point, state = 'active' OR coalesce(closed, received) >= ?"
            " FROM transactions WHERE id > ? ORDER BY id LIMIT ?",
            (self._wall() - _KEPT_S, self._shrunk_to, _MAX_SHRUNK),
        ).fetchall()
        self._shrunk_to = rows[-1][0] if len(rows) == _MAX_SHRUNK else 0
        lacking = self._lacking("transactions")
        ended = [(own_id, of) for own_id, of, is_kept in rows if not is_kept]
        gone = [(own_id, of) for own_id, of in ended if (own_id,) not in lacking]
        for _, station in gone:
            self._partial.add(station)
            self._held.pop(station, None)
        lacking = self._lacking("session_registers")
        registers = self._db.execute(
            "SELECT transaction_id, quarter FROM session_registers LIMIT ?", (_MAX_SHRUNK,)
        ).fetchall()
        with self._changes.paused():  # from here only
            self._db.executemany(
                "DELETE FROM transactions WHERE id = ?", [each[:1] for each in gone]
            )
            self._db.executemany(
                "DELETE FROM session_registers WHERE (transaction_id, quarter) = (?, ?)",
                [each for each in registers if each not in lacking],
            )
        self._schedule()

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
            with self._changes.paused():
                self._db.execute("DELETE FROM id_tags")
            self._insert("id_tags", rows)
            self._tags_version = version
        self.on_tags(self.saved_tags())

    async def _regularly(self, seconds: float, work: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:  # noqa: BLE001 - logged; it is tried again
                _log.exception("regular work of the node failed")

    # ---- the end -------------------------------------------------------------------------

    async def release(self) -> None:
        """See `Store.release`: PostgreSQL gets what is left, and the lease ends at once."""
        try:
            await asyncio.wait_for(asyncio.shield(self.stored()), 5)
        except (StoreError, OSError, asyncio.TimeoutError) as error:
            _log.error("postgres: the last changes were not written (%s)", error)
        self._is_ended = True
        await end_tasks(self._tasks)
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
