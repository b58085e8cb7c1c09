"""Transactions, events, limits and what is known of charge points, in one SQLite file.

Writes of many messages share one commit: `committed()` is awaited before a message is
acknowledged, so that what a charge point believes stored is stored. One connection writes, on
the loop's thread; readers open their own (`questions.py`).
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.state import Transaction
from chargepoint_driver.errors import BadConfiguration

__all__ = ["Store"]

# Ids of a new file begin at the seconds since then: a charge point that still holds one of a
# lost file cannot be taken for another. 31 bits last until 2088.
_IDS_SINCE_S = 1_577_836_800
_encode = msgspec.json.Encoder().encode
_COLUMNS = "id, wire_id, connector, id_tag, start_time, meter_start, last_wh, last_time, alias"


class Store:
    """The file. Every method but `committed` and `close` is part of the commit to come."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        """Raises BadConfiguration when the file cannot be used."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=5, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._synchronous = ""
            self._safely("FULL")
            self._db.execute("PRAGMA wal_autocheckpoint = 4000")
            self._db.executescript(
                files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
            )
            first = max(1, int(wall()) - _IDS_SINCE_S)
            self._db.execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT 'transactions', ? WHERE NOT"
                " EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'transactions')",
                (first,),
            )
            self._last_event: int = self._db.execute(
                "SELECT max(coalesce((SELECT max(id) FROM events), 0),"
                " coalesce((SELECT id FROM last_event), 0))"
            ).fetchone()[0]
        except (sqlite3.Error, OSError) as error:
            raise BadConfiguration(
                f"database: {path} cannot be used ({error}); correct the path or its rights"
            ) from None
        path.chmod(0o600)
        self._open = False
        self._waiting: asyncio.Future[None] | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._registers: dict[int, tuple[float, float]] = {}

    # ---- commits -------------------------------------------------------------------------

    def committed(self) -> asyncio.Future[None]:
        """Done when everything written so far is on disk; fails when it could not be."""
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            loop.call_soon(self._commit)
        return self._waiting

    def flush(self) -> None:
        """Commit now. Raises sqlite3.Error."""
        if (self._rows or self._registers) and not self._open:
            # Survives the end of the process, however sudden; a loss of power may cost the
            # last events, which is not worth a flush of the disk for each meter value.
            self._safely("NORMAL")
            self._db.execute("BEGIN IMMEDIATE")
            self._open = True
        if self._registers:
            registers, self._registers = self._registers, {}
            self._db.executemany(
                "UPDATE transactions SET last_wh = ?, last_time = ? WHERE id = ?"
                " AND (last_time IS NULL OR last_time <= ?)",
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
            self._give_up()
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

    def _give_up(self) -> None:
        self._open = False
        with suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")

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

    # ---- transactions --------------------------------------------------------------------

    def start(
        self,
        station_id: str,
        connector: int,
        id_tag: str,
        start_s: float | None,
        start_wh: float | None,
        received_s: float,
        *,
        request: str | None,
        wire_id: str | None = None,
        origin: str = "start",
    ) -> tuple[Transaction, bool]:
        """A new transaction, or the one that this very request made before: (it, is new)."""
        if request is not None:
            known = self._one("charge_point = ? AND request = ?", (station_id, request))
            if known is not None:
                return known, False
        cursor = self._write(
            "INSERT INTO transactions (charge_point, connector, wire_id, id_tag, start_time,"
            " meter_start, state, origin, received, request, last_wh, last_time)"
            " VALUES (?, ?, ?, ?, ?, ?, 'active', ?, ?, ?, ?, ?)",
            (
                station_id,
                connector,
                wire_id,
                id_tag,
                start_s,
                start_wh,
                origin,
                received_s,
                request,
                start_wh,
                start_s,
            ),
        )
        own_id = int(cursor.lastrowid or 0)
        if wire_id is None:
            wire_id = str(own_id)
            self._write("UPDATE transactions SET wire_id = ? WHERE id = ?", (wire_id, own_id))
        started = Transaction(
            own_id, wire_id, connector, id_tag, start_s or received_s, start_wh, start_wh, start_s
        )
        return started, True

    def supersede(self, station_id: str, connector: int, but: int) -> None:
        """Another transaction began on the connector: those before it have ended unseen."""
        self._write(
            "UPDATE transactions SET state = 'lost' WHERE charge_point = ? AND connector = ?"
            " AND state = 'active' AND id <> ? AND id < ?",
            (station_id, connector, but, but),
        )

    def find(self, station_id: str, wire_id: str) -> Transaction | None:
        """The transaction that the charge point calls so, or one that runs under that name."""
        values = (station_id, wire_id)
        found = self._one("charge_point = ? AND wire_id = ?", values)
        return found or self._one(
            "charge_point = ? AND alias = ? AND state = 'active' ORDER BY id DESC", values
        )

    def call_it(self, transaction_id: int, alias: str) -> None:
        """The charge point has a name of its own for a transaction that runs."""
        self._write("UPDATE transactions SET alias = ? WHERE id = ?", (alias, transaction_id))

    def is_active(self, transaction_id: int) -> bool:
        row = self._db.execute(
            "SELECT state FROM transactions WHERE id = ?", (transaction_id,)
        ).fetchone()
        return row is not None and row[0] == "active"

    def active(self) -> list[tuple[str, Transaction]]:
        """(charge point, transaction) of all that have not ended."""
        rows = self._db.execute(
            f"SELECT charge_point, {_COLUMNS} FROM transactions WHERE state = 'active' ORDER BY id"
        )
        return [(row[0], _transaction(row[1:])) for row in rows]

    def register(self, transaction_id: int, energy_wh: float, time_s: float) -> None:
        """Remember the newest register of a transaction."""
        known = self._registers.get(transaction_id)
        if known is None or known[1] <= time_s:
            self._registers[transaction_id] = energy_wh, time_s

    def sequence(self, transaction_id: int, seq: int, offline: bool) -> bool:
        """Note the number of an event (2.x). False when one so numbered, or later, was there."""
        row = self._db.execute(
            "SELECT seq FROM transactions WHERE id = ?", (transaction_id,)
        ).fetchone()
        last = row[0] if row else None
        newer = last is None or seq > last
        missing = max(0, seq - last - 1) if last is not None and newer else 0
        self._write(
            "UPDATE transactions SET seq = ?, gaps = gaps + ?, offline = max(offline, ?)"
            " WHERE id = ?",
            (seq if newer else last, missing, int(offline), transaction_id),
        )
        return newer

    def amend(
        self,
        transaction_id: int,
        *,
        id_tag: str | None = None,
        start_s: float | None = None,
        start_wh: float | None = None,
        connector: int | None = None,
    ) -> None:
        """Fill in what was not known of the begin of a transaction."""
        self._write(
            "UPDATE transactions SET id_tag = coalesce(nullif(id_tag, ''), ?, ''),"
            " start_time = coalesce(?, start_time), meter_start = coalesce(meter_start, ?),"
            " connector = CASE WHEN connector = 0 THEN coalesce(?, 0) ELSE connector END"
            " WHERE id = ?",
            (id_tag, start_s, start_wh, connector, transaction_id),
        )

    def stop(
        self, transaction_id: int, stop_s: float, stop_wh: float | None, reason: str | None
    ) -> None:
        """The end of a transaction. A second end changes nothing."""
        self._write(
            "UPDATE transactions SET stop_time = ?, meter_stop = coalesce(?, meter_stop),"
            " reason = coalesce(?, reason), state = 'completed'"
            " WHERE id = ? AND state IN ('active', 'lost')",
            (stop_s, stop_wh, reason, transaction_id),
        )

    def orphan(
        self,
        station_id: str,
        wire_id: str,
        id_tag: str,
        stop_s: float,
        stop_wh: float | None,
        reason: str | None,
        received_s: float,
    ) -> None:
        """The end of a transaction whose begin never came. Kept, not guessed at."""
        self._write(
            "INSERT OR IGNORE INTO transactions (charge_point, connector, wire_id, id_tag,"
            " stop_time, meter_stop, reason, state, origin, received)"
            " VALUES (?, 0, ?, ?, ?, ?, ?, 'orphan', 'stop', ?)",
            (station_id, wire_id, id_tag, stop_s, stop_wh, reason, received_s),
        )

    def _one(self, where: str, values: tuple[Any, ...]) -> Transaction | None:
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE {where}", values
        ).fetchone()
        return None if row is None else _transaction(row)

    # ---- what is known of charge points --------------------------------------------------

    def save_point(self, station_id: str, **columns: Any) -> None:
        """Keep columns of a charge point: last_seen, version, boot, configuration, worked."""
        values = [
            _encode(value).decode() if isinstance(value, dict) else value
            for value in columns.values()
        ]
        names = ", ".join(columns)
        marks = ", ".join("?" for _ in columns)
        changes = ", ".join(f"{name} = excluded.{name}" for name in columns)
        self._write(
            f"INSERT INTO charge_points (id, {names}) VALUES (?, {marks})"
            f" ON CONFLICT (id) DO UPDATE SET {changes}",
            (station_id, *values),
        )

    def save(
        self, table: str, station_id: str, connector: int, data: dict[str, Any] | None
    ) -> None:
        """Keep the state of a connector ("connectors", "limits"); None forgets it."""
        assert table in {"connectors", "limits"}
        if data is None:
            self._write(
                f"DELETE FROM {table} WHERE charge_point = ? AND connector = ?",
                (station_id, connector),
            )
            return
        self._write(
            f"INSERT OR REPLACE INTO {table} (charge_point, connector, data) VALUES (?, ?, ?)",
            (station_id, connector, _encode(data).decode()),
        )

    def points(self) -> list[dict[str, Any]]:
        """Every charge point that was ever there."""
        rows = self._db.execute(
            "SELECT id, last_seen, version, boot, configuration, worked FROM charge_points"
        )
        names = ("boot", "configuration", "worked")
        return [
            {
                "id": row[0],
                "last_seen": row[1],
                "version": row[2],
                **{name: _object(text) for name, text in zip(names, row[3:], strict=True)},
            }
            for row in rows
        ]

    def saved(self, table: str) -> list[tuple[str, int, dict[str, Any]]]:
        """(charge point, connector, state) of what `save` kept."""
        assert table in {"connectors", "limits"}
        rows = self._db.execute(f"SELECT charge_point, connector, data FROM {table}")
        return [(row[0], row[1], _object(row[2])) for row in rows]

    # ---- retention -----------------------------------------------------------------------

    def prune(self, table: str, where: str, before_s: float, most: int = 5_000) -> int:
        """Delete what is older; at most so many rows at once. Returns how many."""
        assert table in {"events", "transactions"}
        self._write("INSERT OR REPLACE INTO last_event VALUES (1, ?)", (self._last_event,))
        return self._write(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE {where} LIMIT ?)",
            (before_s, most),
        ).rowcount


def _transaction(row: tuple[Any, ...]) -> Transaction:
    own_id, wire_id, connector, id_tag, start_s, start_wh, last_wh, last_s, alias = row
    return Transaction(
        own_id,
        wire_id or str(own_id),
        connector,
        id_tag,
        start_s or 0.0,
        start_wh,
        last_wh,
        last_s,
        alias,
    )


def _object(text: str | None) -> dict[str, Any]:
    found = msgspec.json.decode(text) if text else {}
    return found if isinstance(found, dict) else {}
