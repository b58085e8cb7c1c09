"""The thread that waits for the disk: flushes of the write-ahead log, and checkpoints.

The loop's own connection commits into the operating system's memory, which takes microseconds.
This thread then brings the log to the disk, once for all commits that came meanwhile, and copies
the log into the database when it has grown.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from chargepoint_driver.backends.ocpp.storage.migrations import VERSION
from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.loop_thread import native_queue, start_native_thread

__all__ = ["DiskWriter", "settle"]

MAX_WAL_BYTES = 16 << 20
"""The log is copied into the database beyond this size."""
_STOP_S = 30.0
# macOS has no fdatasync.
_to_disk: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def settle(waiting: asyncio.Future[None] | None, error: Exception | None) -> None:
    """End a wait, if there is one: well, or with an error."""
    if waiting is None or waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
        waiting.exception()  # no complaint where nobody waits


class DiskWriter:
    """The thread. Its methods are called on the loop's thread only."""

    def __init__(self, path: Path) -> None:
        """Raises OSError. The log of the database must exist."""
        self._path = path
        # To close this file ends no lock of SQLite's: those are on the database and its -shm.
        self._wal = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)
        self._work = native_queue()
        self._ended = native_queue()
        self._waiting: list[asyncio.Future[None]] = []
        self._is_flushing = False
        self._is_checkpointing = False
        start_native_thread(self._run)

    def flush(self, done: asyncio.Future[None]) -> None:
        """Set `done` when everything committed until now is on the disk; OSError when it cannot
        be brought there."""
        self._waiting.append(done)
        if not self._is_flushing:
            self._flush()

    def flush_now(self) -> None:
        """Bring everything committed to the disk. Blocks. Raises OSError."""
        _to_disk(self._wal)

    def checkpoint_if_large(self) -> None:
        """Have the log copied into the database where it is large."""
        if not self._is_checkpointing and os.fstat(self._wal).st_size > MAX_WAL_BYTES:
            loop = asyncio.get_running_loop()
            self._is_checkpointing = True
            self._work.put(lambda: self._checkpoint(loop))

    def run(self, work: Callable[[], None]) -> None:
        """Do something on the thread."""
        self._work.put(work)

    def close(self) -> None:
        """End the thread. What waits for the disk gets there first."""
        self._work.put(None)
        with suppress(Exception):  # the thread waits for a disk that does not come back
            self._ended.get(timeout=_STOP_S)
            os.close(self._wal)

    # ---- the loop's thread ---------------------------------------------------------------

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        self._is_flushing = True

        def flush() -> None:
            error: OSError | None = None
            try:
                _to_disk(self._wal)
            except OSError as failed:
                error = failed
            _call_on_loop(loop, lambda: self._flushed(waiting, error))

        self._work.put(flush)

    def _flushed(self, waiting: list[asyncio.Future[None]], error: OSError | None) -> None:
        self._is_flushing = False
        if self._waiting:
            self._flush()
        for done in waiting:
            settle(done, error)

    def _checkpointed(self) -> None:
        self._is_checkpointing = False

    # ---- the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
        self._ended.put(None)

    def _checkpoint(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with closing(sqlite.connect(self._path, timeout=0, isolation_level=None)) as db:
                # Long, and stops nobody; then short, and commits are tried again meanwhile.
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
                busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    # The first write of an empty log waits for the disk: better here.
                    db.execute(f"PRAGMA user_version = {VERSION}")
        except StoreError:
            pass  # another process has the file; the log grows, and the next try comes
        # Not at once: a reader may keep the log in use for a while.
        _call_on_loop(loop, lambda: loop.call_later(1.0, self._checkpointed))


def _call_on_loop(loop: asyncio.AbstractEventLoop, done: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(done)
