"""Local copy of the records of the chargers that a node owns, and its writes to PostgreSQL.

The local copy is in temporary tables of SQLite, in memory. Messages are handled on it at once.
Every change is written to PostgreSQL before the message that made it is acknowledged: one
transaction for many messages, under the epochs of their chargers. Their events go there in the
same transaction, and are in the node's own file too; those of meter values are only there.
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
from chargepoint_driver.backends.ocpp.postgres.event_queue import TABLE as EVENTS
from chargepoint_driver.backends.ocpp.postgres.event_queue import EventQueue
from chargepoint_driver.backends.ocpp.postgres.local_tables import make_temporary
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.backends.ocpp.postgres.writer import Outcome, Writer
from chargepoint_driver.backends.ocpp.storage.disk_writer import settle
from chargepoint_driver.backends.ocpp.storage.file_kind import NODE_APPLICATION_ID
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.text import get_logger

__all__ = ["APPLICATION_ID", "LAZY_S", "LocalCopy"]

_log = get_logger(__name__)

APPLICATION_ID = NODE_APPLICATION_ID
LAZY_S = 5.0
"""How long changes of registers and contacts may wait."""
_RETRY_S = 0.5
# What comes so soon after a write to PostgreSQL is gathered for the next one.
_GATHER_S = 0.002
# How long the event of a message that changes no record waits for a change to go with.
_EVENTS_S = 0.2
# Messages that change no record at once, and are acknowledged only when PostgreSQL has their event.
_AWAITED = frozenset({"BootNotification", "SecurityEventNotification", "NotifyEvent"})


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
        self._changes = Changes(self._db)
        try:
            self._make_ours()
        except BaseException:
            super().close()
            raise
        self._connections = connections
        self._membership = membership
        self._writer = Writer(connections, self._columns)
        self._events = EventQueue()
        self._are_events_due = False
        self._event_timer: asyncio.TimerHandle | None = None
        # Pushes and claims take turns: a claim changes the epoch that a push names.
        self._turn = asyncio.Lock()
        self._pushed: asyncio.Future[None] | None = None
        self._pushed_all: asyncio.Future[None] | None = None
        self._is_away = False
        # What is on its way to PostgreSQL.
        self._pushing: Batch | None = None
        self._next_push_s = 0.0
        self._is_gathering = False
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
        # Events before this id are in the file only, as every event of an older release was.
        self._db.execute("CREATE TABLE IF NOT EXISTS outbox (first_id INTEGER NOT NULL)")
        self._db.execute(
            "INSERT INTO outbox SELECT ? WHERE NOT EXISTS (SELECT 1 FROM outbox)",
            (self._last_event + 1,),
        )
        self._db.execute("COMMIT")
        make_temporary(self._db)
        self._columns = {
            name: {row[1]: row[2] for row in self._db.execute(f"PRAGMA table_info({name})")}
            for name in TABLES
        }
        self._changes.begin()

    def _holds_records(self) -> bool:
        return any(
            self._db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is not None
            for name in ("charge_points", "transactions", "id_tags")
        )

    # ---- events --------------------------------------------------------------------------

    @property
    def event_run(self) -> int:
        """The run of this process in the identities of its events, as the file has it."""
        return int(self._db.execute("SELECT max(run) FROM runs").fetchone()[0])

    def begin_events(self, run: int) -> None:
        """Take the run that PostgreSQL has given to this process, before the first event."""
        self._db.execute("UPDATE runs SET run = ? WHERE run = ?", (run, self.event_run))
        self._writer.event_run = run

    def event(
        self,
        received_s: float,
        time_s: float,
        station_id: str,
        connector: int | None,
        action: str,
        data: bytes | dict[str, Any],
    ) -> None:
        """See `Database.event`."""
        super().event(received_s, time_s, station_id, connector, action, data)
        if action in _AWAITED:
            self._writes += 1

    def _push_events(self) -> None:
        self._are_events_due = True
        self._schedule()

    def _with_events(self, batch: Batch) -> Batch:
        """Return a batch with the events that wait."""
        if self._event_timer is not None:
            self._event_timer.cancel()
            self._event_timer = None
        self._are_events_due = False
        events = self._events.take()
        return Batch({**batch.rows, EVENTS: events}, batch.deleted) if events else batch

    def _put_back(self, batch: Batch) -> None:
        """Keep for the next write what could not be written."""
        self._changes.put_back(batch)
        if events := batch.rows.get(EVENTS):
            self._events.put_back(events)
            self._are_events_due = True

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
        if not (self._is_closed or self._is_due or self._open or self._pushing):
            self._begin_push()

    def _flush(self) -> bool:
        events = self._rows
        if not super()._flush():
            return False
        self._changes.committed()
        if events:
            self._events.add(events)
        return True

    def _fail(self, error: StoreError) -> None:
        super()._fail(error)
        self._changes.rolled_back()
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
        if self._events and self._event_timer is None and not is_asked:
            loop = asyncio.get_running_loop()
            self._event_timer = loop.call_later(_EVENTS_S, self._push_events)
        if now_s < self._retry_at_s or self._is_ended:
            return  # it is tried again at that time
        if now_s < self._next_push_s:
            if not self._is_gathering:
                self._is_gathering = True
                loop = asyncio.get_running_loop()
                loop.call_later(self._next_push_s - now_s, self._end_gathering)
            return
        with_lazy = is_lazy_due or self._pushed_all is not None
        if not is_asked and now_s < self._unasked_at_s:
            return
        if not (is_asked or self._are_events_due):
            if not with_lazy and self._is_quiet():
                return
            if not self._changes.is_pending(with_lazy=with_lazy):
                return
        waiting = self._take_waiting()
        self._pushed_writes = self._writes
        failed: StoreError | None = None
        try:
            batch = self._with_events(self._changes.take(with_lazy=with_lazy))
        except StoreError as error:
            failed, batch = error, Batch()
            self._pushed_writes = -1
        if not (batch.rows or batch.deleted):
            for each in waiting:
                settle(each, failed)
            return
        if with_lazy:
            self._lazy_at_s = now_s + LAZY_S
        self._pushing = batch
        self._spawn(self._push(batch, waiting))

    def _end_gathering(self) -> None:
        self._is_gathering = False
        self._next_push_s = 0.0
        self._schedule()

    def _is_quiet(self) -> bool:
        """Return True if nothing was written since the last push began."""
        return self._writes == self._pushed_writes

    async def _push(self, batch: Batch, waiting: list[asyncio.Future[None] | None]) -> None:
        failed: StoreError | None = None
        try:
            async with self._turn:
                owner = self._membership
                outcome = await self._writer.write(self._owned(batch), owner.run, owner.epochs)
                self._fence(outcome)
                if outcome.refused:
                    # Never acknowledged without them; a repair of the tables lets them in.
                    self._put_back(batch.of(outcome.refused))
                    self._pushed_writes = -1
                    self._unasked_at_s = self._clock() + LAZY_S
        except StoreError as error:
            failed = error
        except BaseException as error:
            failed = StoreError(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._pushing = None
            self._next_push_s = self._clock() + _GATHER_S
            if failed is not None:
                self._put_back(batch)
                self._pushed_writes = -1
                self._retry_at_s = self._clock() + _RETRY_S
                asyncio.get_running_loop().call_later(_RETRY_S, self._schedule)
            self._note_failure(failed)
            for each in waiting:
                settle(each, failed)
            self._schedule()

    def _lacking(self, name: str) -> set[tuple[Any, ...]]:
        """Return the keys of rows of a table that PostgreSQL may not have as they are here."""
        found = self._changes.keys(name)
        if self._pushing is not None:
            places = [list(self._columns[name]).index(each) for each in TABLES[name].key]
            found.update(
                tuple(row[place] for place in places) for _, row in self._pushing.rows.get(name, ())
            )
        return found

    def _owned(self, batch: Batch) -> Batch:
        """Return the part of chargers that this node still owns."""
        epochs = self._membership.epochs
        stations = batch.stations
        lost = [each for each in stations if each and each not in epochs]
        return batch.of(stations.difference(lost)) if lost else batch

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
            with self._changes.paused():
                for name, table in TABLES.items():
                    if table.station is not None:
                        self._db.executemany(
                            f"DELETE FROM {name} WHERE {table.station} = ?",
                            [(each,) for each in station_ids],
                        )
            self._schedule()
        self._changes.forget(station_ids)
        self._events.forget(station_ids)
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
