"""Log of a scheduler in an SQLite file: what it wrote, and what it does at present."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.files import make_private
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["LogEntry", "ScheduleLog", "log_path"]

_log = get_logger(__name__)
_BUSY_S = 5.0
_MAX_ENTRIES = 20_000
_PRUNE_EVERY = 200
# A change is a new entry at the end.
_MIGRATIONS = (
    """
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, name TEXT NOT NULL,
        entry TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_name ON entries (name, id);
    CREATE TABLE IF NOT EXISTS state (
        id INTEGER PRIMARY KEY CHECK (id = 1), time TEXT NOT NULL, state TEXT NOT NULL);
    """,
)


def log_path(schedule: Path) -> Path:
    """Return where the log of a schedule file is: next to it, `<name>.log.sqlite`."""
    path = schedule.expanduser()
    return path.with_name(f"{path.stem}.log.sqlite")


@dataclass(frozen=True)
class LogEntry:
    """Record of the scheduler, or of a change of its file; `facts` as in `Scheduler.run_due`."""

    id: int
    time: str
    facts: dict[str, Any]


class ScheduleLog:
    """Entries and the present state of one scheduler. Several processes may open it.

    Raises StoreError if the file cannot be opened or read. Writing goes on without the file after
    an error, which is logged: limits matter more than their log.
    """

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self.path = path
        self._now = now
        self._failures = RateLimitedLog(_log)
        self._lock = threading.RLock()
        self._added = 0
        try:
            found = make_private(path)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}") from None
        self._db = sqlite.connect(
            found, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            sqlite.migrate(self._db, _MIGRATIONS)
        except StoreError as error:
            self._db.close()
            raise StoreError(f"{path}: {error}") from None

    def add(self, facts: Mapping[str, Any]) -> None:
        """Add an entry: `time` of its facts, else the present one. Keeps the newest 20,000."""
        time = str(facts.get("time") or self._now().isoformat())
        name = str(facts.get("group") or facts.get("port") or facts.get("device") or "")
        with self._lock:
            try:
                self._db.execute(
                    "INSERT INTO entries (time, name, entry) VALUES (?, ?, ?)",
                    (time, name, json.dumps({**facts, "time": time})),
                )
                self._added += 1
                if self._added % _PRUNE_EVERY == 0:
                    self._db.execute(
                        "DELETE FROM entries WHERE id <= (SELECT MAX(id) FROM entries) - ?",
                        (_MAX_ENTRIES,),
                    )
            except StoreError as error:
                self._failed(error)

    def put_state(self, state: Mapping[str, Any]) -> None:
        """Replace the present state."""
        with self._lock:
            try:
                self._db.execute(
                    "INSERT OR REPLACE INTO state (id, time, state) VALUES (1, ?, ?)",
                    (self._now().isoformat(), json.dumps(state)),
                )
            except StoreError as error:
                self._failed(error)

    def state(self) -> tuple[datetime, dict[str, Any]] | None:
        """Return when the state was written, and the state; None if there is none."""
        with self._lock:
            row = self._db.execute("SELECT time, state FROM state").fetchone()
        return None if row is None else (datetime.fromisoformat(row[0]), json.loads(row[1]))

    def entries(
        self, name: str | None = None, before: int | None = None, limit: int = 100
    ) -> tuple[list[LogEntry], int | None]:
        """Return entries, newest first, and the id to go on with; None at the end.

        `name`: only of that group, port or device.
        """
        query = "SELECT id, time, entry FROM entries WHERE id < ?"
        values: list[Any] = [before if before is not None else 1 << 62]
        if name is not None:
            query += " AND name = ?"
            values.append(name)
        with self._lock:
            rows = self._db.execute(
                f"{query} ORDER BY id DESC LIMIT ?",  # no value is in the text
                (*values, limit + 1),
            ).fetchall()
        found = [LogEntry(number, time, json.loads(text)) for number, time, text in rows[:limit]]
        return found, found[-1].id if len(rows) > limit else None

    def close(self) -> None:
        """Close the file. Safe to call more than once."""
        with self._lock:
            self._db.close()

    def _failed(self, error: StoreError) -> None:
        self._failures.error("schedule_log", name=str(self.path), reason=str(error))
