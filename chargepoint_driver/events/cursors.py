"""Cursors: how far each sink has got, in a small SQLite file next to the events."""

from __future__ import annotations

import time
from pathlib import Path

from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.files import make_private

__all__ = ["Cursors"]


class Cursors:
    """The file. For the relay's thread; it has one writer."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigurationError when the file cannot be used."""
        self.path = path
        try:
            make_private(path)
            self._db = sqlite.connect(
                path, timeout=5, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            # A power loss may set a cursor back: then events come again, and none is missing.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS cursors (sink TEXT PRIMARY KEY, run INTEGER NOT NULL,"
                " seq INTEGER NOT NULL, lost INTEGER NOT NULL DEFAULT 0, saved REAL NOT NULL)"
            )
        except (StoreError, OSError) as error:
            raise ConfigurationError(
                f"sinks: {path} cannot be used ({error}); correct its rights, or delete it: then "
                "the sinks begin with the newest event"
            ) from None

    def load(self, sink: str) -> tuple[int, int] | None:
        """Return (run, seq) of the last event that a sink got; None for a new sink.

        Raises StoreError.
        """
        row = self._db.execute("SELECT run, seq FROM cursors WHERE sink = ?", (sink,)).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def lost(self, sink: str) -> int:
        """Return how many events a sink was not given, over all runs. Raises StoreError."""
        row = self._db.execute("SELECT lost FROM cursors WHERE sink = ?", (sink,)).fetchone()
        return 0 if row is None else int(row[0])

    def save(self, sink: str, run: int, seq: int, lost: int = 0) -> None:
        """Keep how far a sink has got, and add to what it lost. Raises StoreError."""
        self._db.execute(
            "INSERT INTO cursors (sink, run, seq, lost, saved) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (sink) DO UPDATE SET run = excluded.run, seq = excluded.seq,"
            " lost = lost + excluded.lost, saved = excluded.saved",
            (sink, run, seq, lost, time.time()),
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()
