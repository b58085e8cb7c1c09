"""The SQLite file: one connection that writes, and commits that many messages share.

`committed()` is awaited before a message is acknowledged, so that what a charge point believes
stored is stored. What comes by the thousand, events and registers of meters, is gathered and
written with the commit.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.storage.migrations import (
    VERSION,
    NewerSchemaError,
    migrate,
    version_of,
)
from chargepoint_driver.errors import BadConfiguration

__all__ = ["Database"]

_log = logging.getLogger(__name__)

# Ids of a new file begin at the seconds since then: a charge point that still holds one of a
# lost file cannot be taken for another. 31 bits last until 2088.
_IDS_SINCE_S = 1_577_836_800
_encode = msgspec.json.Encoder().encode


class Database:
    """The file. Every method but `committed` and `close` is part of the commit to come."""

    # A completed transaction is never changed.
    REGISTER = (
        "UPDATE transactions SET last_wh = ?, last_time = ? WHERE id = ?"
        " AND (last_time IS NULL OR last_time <= ?) AND state IN ('active', 'lost')"
    )

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        """Raises BadConfiguration when the file cannot be used."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=5, isolation_level=None, check_same_thread=False
            )
            try:
                self._last_event = self._prepare(max(1, int(wall()) - _IDS_SINCE_S))
            except BaseException:
                self._db.close()
                raise
        except NewerSchemaError as error:
            raise BadConfiguration(f"database: {path} cannot be used: {error}") from None
        except (sqlite3.Error, OSError) as error:
            raise BadConfiguration(
                f"database: {path} cannot be used ({error}); correct the path or its rights"
            ) from None
        path.chmod(0o600)
        self._path = path
        self._open = False
        self._failing = False
        self._waiting: asyncio.Future[None] | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._registers: dict[int, tuple[float, float]] = {}

    def _prepare(self, first_id: int) -> int:
        """Make what is missing in the file; the id of the last event that was ever in it."""
        if (found := version_of(self._db)) > VERSION:
            raise NewerSchemaError(found)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._synchronous = ""
        self._safely("FULL")
        self._db.execute("PRAGMA wal_autocheckpoint = 4000")
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
        return last

    # ---- commits -------------------------------------------------------------------------

    def committed(self) -> asyncio.Future[None]:
        """Done when everything written so far is on disk; fails when it could not be."""
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            loop.call_soon(self._commit)
        return self._waiting

    def flush(self) -> None:
        """Commit now. Raises sqlite3.Error, and then nothing of it is stored."""
        try:
            self._flush()
        except sqlite3.Error as error:
            if not self._failing:
                _log.error(
                    "database: %s cannot be written (%s); no message is acknowledged that it "
                    "does not hold. Make room, or correct its rights",
                    self._path,
                    error,
                )
            self._failing = True
            self._open = False
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        if self._failing:
            self._failing = False
            _log.warning("database: %s can be written again", self._path)

    def _flush(self) -> None:
        if (self._rows or self._registers) and not self._open:
            # Survives the end of the process, however sudden; a loss of power may cost the
            # last events, which is not worth a flush of the disk for each meter value.
            self._safely("NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            self._open = True
        if self._registers:
            registers, self._registers = self._registers, {}
            self._db.executemany(
                self.REGISTER,
                [(wh, at, own_id, at) for own_id, (wh, at) in registers.items()],
            )
        if self._rows:
            rows, self._rows = self._rows, []
            self._db.executemany(
                "INSERT INTO events (id, received, time, charge_point, connector, action, data)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        if self._open:
            self._open = False
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Write what is left, and let go of the file."""
        try:
            self.flush()
        finally:
            self._db.close()

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.cancelled():
            return
        try:
            self.flush()
        except sqlite3.Error as error:
            failed: Exception | None = error
        else:
            failed = None
        if waiting.done():
            return
        if failed is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(failed)
            waiting.exception()  # no complaint where nobody waits

    def _safely(self, synchronous: str) -> None:
        """How far the next commit goes: FULL survives a loss of power too."""
        if self._synchronous != synchronous:
            self._db.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous

    def _begin(self) -> None:
        if not self._open:
            self._safely("FULL")
            self._db.execute("BEGIN IMMEDIATE")
            self._open = True

    def _write(self, sql: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        self._begin()
        return self._db.execute(sql, values)

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
