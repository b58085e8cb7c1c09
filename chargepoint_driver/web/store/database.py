"""The SQLite file of the page, and its numbered migrations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.process import sqlite

__all__ = ["MIGRATIONS", "Database"]

_BUSY_S = 5.0

# Times are seconds since 1970, power is kW. Each entry is carried out once; `user_version` counts.
# A new table is a new entry at the end.
MIGRATIONS = (
    """
    CREATE TABLE series (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL,
        UNIQUE (kind, account, name));
    CREATE TABLE samples (
        series INTEGER NOT NULL, step INTEGER NOT NULL, start REAL NOT NULL, until REAL NOT NULL,
        load REAL, peak REAL, allowed REAL, capacity REAL, headroom REAL,
        unknown INTEGER NOT NULL, PRIMARY KEY (series, step, start)) WITHOUT ROWID;
    CREATE TABLE rolled (step INTEGER PRIMARY KEY, until REAL NOT NULL);
    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, cpid TEXT NOT NULL,
        connector INTEGER, what TEXT NOT NULL, since TEXT, first_seen REAL NOT NULL,
        last_seen REAL NOT NULL, ended REAL, acknowledged REAL, acknowledged_by TEXT, note TEXT);
    CREATE INDEX incidents_open ON incidents (account, cpid) WHERE ended IS NULL;
    CREATE INDEX incidents_last ON incidents (last_seen);
    """,
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY, time REAL NOT NULL, name TEXT, role TEXT, address TEXT NOT NULL,
        command TEXT NOT NULL, account TEXT, cpid TEXT, connector INTEGER, station_group TEXT,
        arguments TEXT, ended REAL, status INTEGER, result TEXT, message TEXT);
    CREATE INDEX audit_time ON audit (time);
    """,
)


class Database:
    """One connection that threads take in turn."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, or keep all in memory where `path` is None. Raises ConfigurationError."""
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite.connect(
                ":memory:" if path is None else path,
                timeout=_BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare()
        except StoreError as error:
            raise ConfigurationError(
                f"config: web.database: {path} cannot be used ({error}); name a file that this "
                "process may write, or another one"
            ) from None

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        sqlite.migrate(self._db, MIGRATIONS)

    @contextmanager
    def transaction(self) -> Iterator[sqlite.Connection]:
        """Yield the connection in a transaction: all of it is kept, or nothing after an error."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite.Connection]:
        """Yield the connection for questions."""
        with self._lock:
            yield self._db

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        with self._lock:
            self._db.close()
