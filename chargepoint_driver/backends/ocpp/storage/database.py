"""The SQLite file: one connection that writes, and commits that many messages share.

`committed()` is awaited before a message is acknowledged, so that what a charge point believes
stored is stored. What comes by the thousand, events and registers of meters, is gathered and
written with the commit. The loop never waits for the disk (`storage/disk_writer.py`), nor for
another process that has the file locked: it tries again, and others are served meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.storage import integrity
from chargepoint_driver.backends.ocpp.storage.disk_writer import DiskWriter, settle
from chargepoint_driver.backends.ocpp.storage.json_rows import lenient
from chargepoint_driver.backends.ocpp.storage.lock_holder import FileLock, holders
from chargepoint_driver.backends.ocpp.storage.migrations import (
    VERSION,
    NewerSchemaError,
    migrate,
    version_of,
)
from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.events.stored_events import begin_run
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.files import make_private
from chargepoint_driver.text import get_logger

__all__ = ["Database"]

_log = get_logger(__name__)

# Ids of a new file begin at the seconds since then: a charge point that still holds one of a
# lost file cannot be taken for another. 31 bits last until 2088.
_IDS_SINCE_S = 1_577_836_800
_encode = msgspec.json.Encoder().encode
LOCK_WAIT_S = 5.0
"""How long a message waits for a file that another process has locked. Then it is refused."""
_RETRY_S = 0.005
_MAX_RETRY_S = 0.1
# A lock of this length is logged.
_NOTABLE_S = 0.5
# At the end of the process nothing else is to do.
_CLOSE_WAIT_S = 2.0


def _is_lock(error: Exception) -> bool:
    """Return True if another connection has the file locked."""
    return isinstance(error, StoreError) and "is locked" in str(error)


class Database:
    """The file. Every method but `committed`, `writable` and `close` is part of the commit to
    come. `on_lock` is called with a text when another process holds the file for long."""

    application_id = 0
    """What `PRAGMA application_id` is in files of this kind."""

    # A completed transaction is never changed.
    REGISTER = (
        "UPDATE transactions SET last_wh = ?, last_time = ? WHERE id = ?"
        " AND (last_time IS NULL OR last_time <= ?) AND state IN ('active', 'lost')"
    )

    QUARTER = (
        "INSERT INTO session_registers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " first_wh = CASE WHEN excluded.first_time < first_time THEN excluded.first_wh"
        " ELSE first_wh END, first_time = min(first_time, excluded.first_time),"
        " last_wh = CASE WHEN excluded.last_time >= last_time THEN excluded.last_wh"
        " ELSE last_wh END, last_time = max(last_time, excluded.last_time)"
    )

    def __init__(
        self,
        path: Path,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives monotonic seconds. Raises ConfigurationError when the file cannot be
        used."""
        self._clock = clock
        # SQLite puts the log next to the file that a link names, and the lock belongs there too.
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            make_private(path)
            self._lock = FileLock(path)
            try:
                self._open_file(path, wall())
            except BaseException:
                self._lock.release()
                raise
        except NewerSchemaError as error:
            raise ConfigurationError(f"database: {path} cannot be used: {error}") from None
        except (StoreError, OSError) as error:
            if integrity.is_damage(error):
                raise ConfigurationError(f"database: {integrity.advice(path, error)}") from None
            by = holders(path) if _is_lock(error) else ""
            raise ConfigurationError(
                f"database: {path} cannot be used ({error}{f', by {by}' if by else ''}); "
                f"{'end that process' if by else 'correct the path or its rights'}"
            ) from None
        self._open = False
        self._failing = False
        self.on_lock: Callable[[str], None] = lambda text: _log.warning("database: %s", text)
        self._waiting: asyncio.Future[None] | None = None
        self._waiting_disk: asyncio.Future[None] | None = None
        self._writes = 0
        self._is_closed = False
        self._is_due = False  # a commit is to come, or to be tried again
        self._is_wanted = False  # somebody waits to write
        self._must_flush = False  # the next commit must survive a loss of power
        self._locked_since: float | None = None
        self._is_lock_logged = False
        self._rows: list[tuple[Any, ...]] = []
        self._registers: dict[int, tuple[float, float]] = {}
        # (transaction, quarter hour) to its first and last register: time and Wh of each.
        self._quarters: dict[tuple[int, int], tuple[float, float, float, float]] = {}
        # Writes that wait for a locked file, by what they replace: only the newest counts.
        self._later: dict[tuple[Any, ...], tuple[str, tuple[Any, ...]]] = {}

    def _open_file(self, path: Path, now_s: float) -> None:
        self._db = sqlite.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        lenient(self._db)
        try:
            self._last_event = self._prepare(
                max(1, int(now_s) - _IDS_SINCE_S), max(1, int(now_s * 1_000))
            )
            self._disk = DiskWriter(path)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, first_id: int, run: int) -> int:
        """Make what is missing in the file; the id of the last event that was ever in it."""
        if (found := version_of(self._db)) > VERSION:
            raise NewerSchemaError(found)
        is_small = self._path.stat().st_size <= integrity.MAX_CHECKED_BYTES
        if is_small and (fault := integrity.fault_in(self._db)) is not None:
            raise StoreError(fault)
        (found,) = self._db.execute("PRAGMA application_id").fetchone()
        if found not in (0, self.application_id):
            raise StoreError("it is the local copy of a node, made again at each start")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        migrate(self._db)
        self._db.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'transactions', ? WHERE NOT"
            " EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'transactions')",
            (first_id,),
        )
        last: int = self._db.execute(
            "SELECT max(coalesce((SELECT max(id) FROM events), 0),"
            " coalesce((SELECT id FROM last_event), 0))"
        ).fetchone()[0]
        begin_run(self._db, run, last)
        # From here on the thread of `DiskWriter` waits for the disk, and nobody for a lock.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint = 0")
        self._db.execute("PRAGMA busy_timeout = 0")
        return last

    def check_in_background(self, report: Callable[[str], None]) -> None:
        """Check a large file while the loop runs; `report` gets what is wrong and what to do. A
        small one was checked at the start."""
        if self._path.stat().st_size > integrity.MAX_CHECKED_BYTES:
            integrity.check_in_background(self._path, report)

    # ---- commits -------------------------------------------------------------------------

    def committed(self) -> asyncio.Future[None]:
        """Done when everything written so far is in the file; it survives the end of the
        process, however sudden. Fails with StoreError when it could not be written.

        The future is shared: who may be cancelled shields it.
        """
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            self._schedule()
        return self._waiting

    def durable(self) -> asyncio.Future[None]:
        """The same, and it survives a loss of power. Fails with OSError too."""
        self._must_flush = True
        if self._waiting_disk is None:
            self._waiting_disk = asyncio.get_running_loop().create_future()
            self._schedule()
        return self._waiting_disk

    def mark(self) -> tuple[int, int]:
        """Numbers that change with each event that is added, and with each other write."""
        return self._last_event, self._writes

    def stored_since(self, mark: tuple[int, int]) -> asyncio.Future[None] | None:
        """Return what to await before a message is acknowledged, by `mark` before it was handled;
        None where it wrote nothing."""
        if self._writes != mark[1]:
            return self.durable()
        if self._last_event != mark[0]:
            return self.committed()
        return None

    def _schedule(self) -> None:
        """Have the commit made at the end of this step of the loop, if there is a loop."""
        if not self._is_due:
            with suppress(RuntimeError):
                asyncio.get_running_loop().call_soon(self._commit)
                self._is_due = True

    async def writable(self) -> None:
        """Wait until writes succeed at once, for the rest of this step of the loop.

        Raises StoreError where another process holds the file for LOCK_WAIT_S.
        """
        end_s = self._clock() + 2 * LOCK_WAIT_S
        while not self.try_begin():
            if self._clock() > end_s:
                raise StoreError("database is locked")
            self._is_wanted = True
            await asyncio.shield(self.committed())
        self.committed()

    def try_begin(self) -> bool:
        """Begin the commit to come. False where another process has the file locked."""
        if self._open:
            return True
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except StoreError as error:
            if _is_lock(error):
                return False
            raise
        self._open = True
        while self._later:
            key = next(iter(self._later))
            self._db.execute(*self._later.pop(key))
            self._must_flush = True
        return True

    def flush(self) -> None:
        """Commit now, and wait for the disk. Raises StoreError or OSError, and then nothing
        of it is stored."""
        end_s = self._clock() + _CLOSE_WAIT_S
        while not self._try_commit():
            if self._clock() > end_s:
                error = StoreError("database is locked")
                self._fail(error)
                raise error
            time.sleep(_RETRY_S)
        self._must_flush = False
        self._disk.flush_now()

    def _try_commit(self) -> bool:
        """Write and commit; False where another process has the file locked. Raises
        StoreError, and then nothing of it is stored."""
        try:
            if not self._flush():
                return False
        except StoreError as error:
            self._fail(error)
            raise
        if self._failing:
            self._failing = False
            _log.warning("database: %s can be written again", self._path)
        return True

    def _fail(self, error: StoreError) -> None:
        if not self._failing and not _is_lock(error):
            self._failing = True
            _log.error(
                "database: %s cannot be written (%s); no message is acknowledged that it "
                "does not hold. Make room, or correct its rights",
                self._path,
                error,
            )
        self._open = self._must_flush = False
        # Also where a `flush` failed: nobody may take these messages for stored.
        waiting, self._waiting = self._waiting, None
        for_disk, self._waiting_disk = self._waiting_disk, None
        settle(waiting, error)
        settle(for_disk, error)
        self._rows.clear()  # of messages that are refused now; a register is true all the same
        with suppress(StoreError):
            self._db.execute("ROLLBACK")

    def _flush(self) -> bool:
        if (
            self._rows or self._registers or self._quarters or self._later or self._is_wanted
        ) and not self.try_begin():
            return False
        self._is_wanted = False
        if self._registers:
            registers, self._registers = self._registers, {}
            self._db.executemany(
                self.REGISTER,
                [(wh, at, own_id, at) for own_id, (wh, at) in registers.items()],
            )
        if self._quarters:
            quarters, self._quarters = self._quarters, {}
            self._db.executemany(
                self.QUARTER, [(*key, *values) for key, values in quarters.items()]
            )
        if self._rows:
            # Survives the end of the process, however sudden; a loss of power may cost the
            # last events, which is not worth a flush of the disk for each meter value.
            rows, self._rows = self._rows, []
            self._db.executemany(
                "INSERT INTO events (id, received, time, charge_point, connector, action, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        if self._open:
            self._open = False
            self._db.execute("COMMIT")
        return True

    def close(self) -> None:
        """Write what is left, and close the file."""
        try:
            self.flush()
        finally:
            self._is_closed = True
            self._disk.close()
            self._db.close()
            self._lock.release()

    def _commit(self) -> None:
        if self._is_closed:
            return
        failed: Exception | None = None
        try:
            if not self._try_commit():
                if self._wait_for_lock():
                    return
                failed = StoreError("database is locked")
                self._fail(failed)
        except StoreError as error:
            failed = error
        self._is_due = self._is_wanted = False
        self._locked_since = None
        self._is_lock_logged = False
        waiting, self._waiting = self._waiting, None
        for_disk, self._waiting_disk = self._waiting_disk, None
        must_flush, self._must_flush = self._must_flush, False
        if failed is not None:
            settle(waiting, failed)
            settle(for_disk, failed)
            return
        settle(waiting, None)
        # A `flush` in between has done the work; those that wait are called all the same.
        if must_flush or for_disk is not None:
            self._disk.flush(for_disk or asyncio.get_running_loop().create_future())
        self._disk.checkpoint_if_large()

    def _wait_for_lock(self) -> bool:
        """Try again soon. False where the lock has lasted too long for the messages that wait."""
        now_s = self._clock()
        since_s = self._locked_since
        if since_s is None:
            since_s = self._locked_since = now_s
        waited_s = now_s - since_s
        loop = asyncio.get_running_loop()
        if waited_s >= _NOTABLE_S and not self._is_lock_logged:
            self._is_lock_logged = True
            self._disk.run(lambda: self._name_holder(loop))
        if waited_s >= LOCK_WAIT_S:
            return False
        loop.call_later(min(max(_RETRY_S, waited_s / 4), _MAX_RETRY_S), self._commit)
        return True

    def _name_holder(self, loop: asyncio.AbstractEventLoop) -> None:
        by = holders(self._path) or "another process"
        text = f"{self._path} is locked by {by}; messages wait until it lets go"
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: self.on_lock(text))

    def _begin(self) -> None:
        if not self.try_begin():
            raise StoreError("database is locked")

    def _write(self, sql: str, values: tuple[Any, ...]) -> sqlite.Cursor:
        self._begin()
        self._must_flush = True
        self._writes += 1
        self._schedule()
        return self._db.execute(sql, values)

    def _write_later(self, key: tuple[Any, ...], sql: str, values: tuple[Any, ...]) -> None:
        """Write what nothing depends on: at once, or when the file is not locked any more.
        `key` names what it replaces."""
        self._writes += 1
        self._schedule()
        if self.try_begin():
            self._must_flush = True
            self._db.execute(sql, values)
        else:
            self._later.pop(key, None)  # in the order in which they came
            self._later[key] = sql, values

    # ---- events --------------------------------------------------------------------------

    def event(
        self,
        received_s: float,
        time_s: float,
        station_id: str,
        connector: int | None,
        action: str,
        data: bytes | dict[str, Any],
    ) -> None:
        """Add an event; it gets its id with the commit."""
        text = data if isinstance(data, bytes) else _encode(data)
        self._last_event += 1
        self._rows.append(
            (self._last_event, received_s, time_s, station_id, connector, action, text.decode())
        )
