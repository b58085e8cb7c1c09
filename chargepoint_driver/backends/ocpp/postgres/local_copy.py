"""Local copy of the records of the chargers that a node owns, and its writes to PostgreSQL.

The local copy is a SQLite file of this process. Messages are handled on it at once. Every change is
written to PostgreSQL before the message that made it is acknowledged: one transaction for many
messages, under the epochs of their chargers. Events stay in the file: they are this node's own.
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.changes import Batch, Changes
from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.backends.ocpp.postgres.writer import Outcome, Writer
from chargepoint_driver.backends.ocpp.storage.disk_writer import settle
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.text import get_logger

__all__ = ["APPLICATION_ID", "LAZY_S", "LocalCopy"]

_log = get_logger(__name__)

APPLICATION_ID = 0x43504E44
"""`PRAGMA application_id` of the file of a node: it is made again at each start."""
LAZY_S = 5.0
"""How long changes of registers and contacts may wait."""
_RETRY_S = 0.5
_MAX_PUSH_S = 15.0


class LocalCopy(Store):
    """See the module. What owns chargers, and reads their records, is `store.PostgresStore`."""

    application_id = APPLICATION_ID

    def __init__(
        self,
        path: Path,
        connections: Connections,
        membership: Membership,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with an empty copy. Raises ConfigurationError where the file is another central
        system's."""
        super().__init__(path, wall, clock)
        try:
            self._make_ours()
        except BaseException:
            super().close()
            raise
        self._connections = connections
        self._membership = membership
        self._changes = Changes(self._db)
        self._writer = Writer(connections, self._columns)
        # Pushes and claims take turns: a claim changes the epoch that a push names.
        self._turn = asyncio.Lock()
        self._pushed: asyncio.Future[None] | None = None
        self._pushed_all: asyncio.Future[None] | None = None
        self._is_away = False
        self._is_pushing = False
        self._pushed_writes = 0
        self._is_ended = False
        self._retry_at_s = 0.0
        self._lazy_at_s = self._unasked_at_s = 0.0
        self._faults: dict[str, StoreError] = {}
        # Chargers that have older transactions in PostgreSQL.
        self._partial: set[str] = set()
        self._tasks: set[asyncio.Future[Any]] = set()

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

    # ---- commits -------------------------------------------------------------------------

    def durable(self) -> asyncio.Future[None]:
        """See `interfaces.TransactionStore`: PostgreSQL has everything but what may wait."""
        if self._is_ended:
            return _refused()
        if self._pushed is None:
            self._pushed = asyncio.get_running_loop().create_future()
            self._schedule()
        return self._pushed

    def disconnected(self) -> None:
        """See `interfaces.TransactionStore`: what may wait is written now."""
        self._lazy_at_s = 0.0
        self._schedule()

    def kept(self) -> asyncio.Future[None]:
        """See `interfaces.TransactionStore`: this file ends with the process."""
        return self.durable()

    def stored(self) -> asyncio.Future[None]:
        """See `Store.stored`: PostgreSQL has everything."""
        if self._is_ended:
            return _refused()
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
            self._lazy_at_s = now_s + LAZY_S
        self._is_pushing = True
        self._spawn(self._push(batch, waiting))

    def _is_quiet(self) -> bool:
        """Return True if nothing was written since the last push began."""
        return self._writes == self._pushed_writes

    async def _push(self, batch: Batch, waiting: list[asyncio.Future[None] | None]) -> None:
        failed: StoreError | None = None
        try:
            async with self._turn:
                owner = self._membership
                writing = self._writer.write(self._owned(batch), owner.run, owner.epochs)
                outcome = await asyncio.wait_for(writing, _MAX_PUSH_S)
                self._fence(outcome)
                if outcome.refused:
                    # Never acknowledged without them; a repair of the tables lets them in.
                    self._changes.put_back(batch.of(outcome.refused))
                    self._pushed_writes = -1
                    self._unasked_at_s = self._clock() + LAZY_S
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
            if self._is_away:
                self._is_away = False
                _log.warning("postgres: can be written again")
        elif not self._is_away:
            self._is_away = True
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

    # ---- tasks ---------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("postgres: %s: %s", type(error).__name__, error)


def _refused() -> asyncio.Future[None]:
    """Return a wait that has failed: the node has ended."""
    refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    settle(refused, StoreError("this node has ended"))
    return refused
