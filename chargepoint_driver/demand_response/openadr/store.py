"""SQLite file of a VEN: events, decisions about them, load of past days. One process writes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from chargepoint_driver.demand_response.openadr.events import Event, Key
from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.process import sqlite

__all__ = ["SLOT_S", "Store"]

SLOT_S = 900
_KEPT_S = 90 * 86_400
# A change is a new entry at the end.
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS event (
    vtn TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (vtn, id));
CREATE TABLE IF NOT EXISTS opt (
    vtn TEXT, id TEXT, opts_in INTEGER NOT NULL, PRIMARY KEY (vtn, id));
CREATE TABLE IF NOT EXISTS slot (
    start INTEGER PRIMARY KEY, kw REAL NOT NULL, seconds REAL NOT NULL, is_event INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
""",
)


class Store:
    """The file. Raises ConfigurationError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._base = sqlite.connect(path, timeout=10, check_same_thread=False)
            try:
                sqlite.migrate(self._base, _MIGRATIONS)
            except BaseException:
                self._base.close()
                raise
        except StoreError as error:
            raise ConfigurationError(f"state_file: {path} cannot be used: {error}") from None

    def close(self) -> None:
        self._base.close()

    # ---- events --------------------------------------------------------------------------

    def events(self) -> list[Event]:
        rows = self._base.execute("SELECT body FROM event").fetchall()
        return [Event.from_dict(json.loads(body)) for (body,) in rows]

    def keep(self, event: Event) -> None:
        with self._base:
            self._base.execute(
                "INSERT OR REPLACE INTO event VALUES (?, ?, ?)",
                (event.vtn, event.id, json.dumps(event.to_dict())),
            )

    def drop(self, keys: list[Key]) -> None:
        with self._base:
            self._base.executemany("DELETE FROM event WHERE vtn = ? AND id = ?", keys)
            self._base.executemany("DELETE FROM opt WHERE vtn = ? AND id = ?", keys)

    def opts(self) -> dict[Key, bool]:
        rows = self._base.execute("SELECT vtn, id, opts_in FROM opt").fetchall()
        return {(vtn, name): bool(opts_in) for vtn, name, opts_in in rows}

    def opt(self, key: Key, opts_in: bool) -> None:
        with self._base:
            self._base.execute("INSERT OR REPLACE INTO opt VALUES (?, ?, ?)", (*key, int(opts_in)))

    # ---- facts ---------------------------------------------------------------------------

    def fact(self, name: str, default: Any = None) -> Any:
        row = self._base.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def set_fact(self, name: str, value: Any) -> None:
        with self._base:
            self._base.execute(
                "INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, json.dumps(value))
            )

    # ---- load of past days ---------------------------------------------------------------

    def add_load(self, at: datetime, kw: float, seconds: float, is_event: bool) -> None:
        """Count a load that lasted for some seconds into its quarter of an hour."""
        start = int(at.timestamp()) // SLOT_S * SLOT_S
        with self._base:
            self._base.execute(
                "INSERT INTO slot VALUES (?, ?, ?, ?) ON CONFLICT(start) DO UPDATE SET "
                "kw = (kw * seconds + excluded.kw * excluded.seconds) "
                "/ (seconds + excluded.seconds), seconds = seconds + excluded.seconds, "
                "is_event = max(is_event, excluded.is_event)",
                (start, kw, seconds, int(is_event)),
            )
            self._base.execute("DELETE FROM slot WHERE start < ?", (start - _KEPT_S,))

    def slots(self, since: datetime, until: datetime) -> dict[int, tuple[float, bool]]:
        """Start of each quarter (epoch seconds) to (mean load in kW, whether an event lasted).
        A quarter that was measured for less than half of it is left out."""
        rows = self._base.execute(
            "SELECT start, kw, is_event FROM slot WHERE start >= ? AND start < ? AND seconds >= ?",
            (int(since.timestamp()), int(until.timestamp()), SLOT_S / 2),
        )
        return {start: (kw, bool(is_event)) for start, kw, is_event in rows}
