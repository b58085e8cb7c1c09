"""The outbox: an SQLite file of events for an account that has no database of its own."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.events.stored_events import begin_run
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.files import make_private
from chargepoint_driver.process.loop_thread import native_lock, native_queue, start_native_thread
from chargepoint_driver.process.ownership_lock import OwnershipLock
from chargepoint_driver.text import get_logger

__all__ = ["Outbox"]

_log = get_logger(__name__)
# Files from before versions have these tables. A change is a new entry at the end.
_MIGRATIONS = (
    """
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY, received REAL NOT NULL, time REAL NOT NULL,
        charge_point TEXT NOT NULL, connector INTEGER, action TEXT NOT NULL, data TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS runs (first_id INTEGER PRIMARY KEY, run INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS last_event (only INTEGER PRIMARY KEY CHECK (only = 1), id INTEGER);
    """,
)
_MAX_UNWRITTEN = 100_000
_PRUNE_EVERY_S = 60.0
_PRUNE_ROWS = 1_000
_PRUNE_STEPS = 50
_CLOSE_S = 10.0
_WAIT_S = 5.0


class Outbox:
    """Takes events from any thread or greenlet, and writes them on a thread of its own."""

    def __init__(
        self,
        path: Path,
        *,
        max_age_s: float = 30 * 86_400.0,
        max_events: int = 1_000_000,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`max_age_s` and `max_events`: what is kept; older events are deleted.

        Raises ConfigurationError when the file cannot be used.
        """
        self.path = path
        self._max_age_s = max_age_s
        self._max_events = max_events
        self._now = now
        self._lock = native_lock()
        self._unwritten: deque[tuple[Any, ...]] = deque()
        self._dropped = 0
        self._is_full = False
        self._is_closed = False
        self._work = native_queue()
        self._ended = native_queue()
        self._owner = OwnershipLock(path.with_name(f"{path.name}.lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._owner.acquire():
                raise ConfigurationError(
                    f"events_file: {path} is used by another process (pid "
                    f"{self._owner.owner() or 'unknown'}); give each its own"
                )
            make_private(path)
            self._db = sqlite.connect(
                path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._last = self._prepare()
            except BaseException:
                self._db.close()
                raise
        except (StoreError, OSError) as error:
            self._owner.release()
            raise ConfigurationError(
                f"events_file: {path} cannot be used ({error}); correct the path or its rights"
            ) from None
        start_native_thread(self._run)

    def _prepare(self) -> int:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        sqlite.migrate(self._db, _MIGRATIONS)
        last: int = self._db.execute(
            "SELECT max(coalesce((SELECT max(id) FROM events), 0),"
            " coalesce((SELECT id FROM last_event), 0))"
        ).fetchone()[0]
        begin_run(self._db, max(1, int(self._now() * 1_000)), last)
        return last

    def add(
        self,
        action: str,
        station: str,
        connector: int | None,
        data: dict[str, Any],
        *,
        time_s: float | None = None,
    ) -> None:
        """Take an event; it is on the disk within milliseconds. `time_s`: when it happened, in
        seconds since 1970; now where it is not known."""
        now_s = self._now()
        text = json.dumps(data, separators=(",", ":"), default=str, allow_nan=False)
        with self._lock:
            if len(self._unwritten) >= _MAX_UNWRITTEN:
                self._dropped += 1
                return
            self._last += 1
            self._unwritten.append(
                (
                    self._last,
                    now_s,
                    now_s if time_s is None else time_s,
                    station,
                    connector,
                    action,
                    text,
                )
            )
        self._work.put(True)

    @property
    def last(self) -> int:
        """The id of the newest event; 0 for none."""
        with self._lock:
            return self._last

    def flush(self, timeout_s: float = _CLOSE_S) -> None:
        """Wait until what was added is on the disk, or the time is over."""
        done = native_queue()
        self._work.put(done)
        try:
            done.get(timeout=timeout_s)
        except Exception:  # noqa: BLE001 - queue.Empty of the original module under gevent
            _log.warning("%s: events are still to be written", self.path)

    def close(self) -> None:
        """Write what is left, and close the file. Safe to call more than once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._work.put(None)
        try:
            self._ended.get(timeout=_CLOSE_S)
        except Exception:  # noqa: BLE001 - as above: the disk does not come back
            _log.error("%s: events could not be written before the end", self.path)
        self._db.close()
        self._owner.release()

    # ---- the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        pruned_s = 0.0
        while True:
            work = self._work.get()
            self._write()
            if time.monotonic() - pruned_s >= _PRUNE_EVERY_S:
                pruned_s = time.monotonic()
                self._prune()
            if work is None:
                self._ended.put(None)
                return
            if work is not True:
                work.put(None)

    def _write(self) -> None:
        with self._lock:
            rows = list(self._unwritten)
            dropped, self._dropped = self._dropped, 0
        if dropped:
            _log.error("%s: %d events were lost: the file cannot be written", self.path, dropped)
        if not rows:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                self._db.execute("COMMIT")
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
        except StoreError as error:
            if not self._is_full:
                self._is_full = True
                _log.error(
                    "%s cannot be written (%s); events wait in memory. Make room, or correct its "
                    "rights",
                    self.path,
                    error,
                )
            return
        if self._is_full:
            self._is_full = False
            _log.warning("%s can be written again", self.path)
        with self._lock:
            for _ in rows:
                self._unwritten.popleft()

    def _prune(self) -> None:
        """Delete what is older than it may be, some rows at a time."""
        try:
            self._db.execute("INSERT OR REPLACE INTO last_event VALUES (1, ?)", (self._last,))
            for _ in range(_PRUNE_STEPS):
                # Only the oldest rows are looked at: ids grow with the time of receipt.
                deleted = self._db.execute(
                    "DELETE FROM events WHERE id IN (SELECT id FROM (SELECT id, received FROM"
                    " events ORDER BY id LIMIT ?) WHERE received < ? OR id <= ?)",
                    (
                        _PRUNE_ROWS,
                        self._now() - self._max_age_s,
                        self._last - self._max_events,
                    ),
                ).rowcount
                if deleted < _PRUNE_ROWS:
                    break
        except StoreError as error:
            _log.debug("%s: old events stay (%s)", self.path, error)
