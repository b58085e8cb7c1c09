"""Transactions, limits and what is known of charge points: the tables of the file.

Writes belong to the commit to come (`database.py`). Readers open connections of their own
(`questions.py`).
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.model.charger import Transaction
from chargepoint_driver.backends.ocpp.storage.database import Database

__all__ = ["Store"]

_encode = msgspec.json.Encoder().encode
_COLUMNS = "id, wire_id, connector, id_tag, start_time, meter_start, last_wh, last_time, alias"


class Store(Database):
    """The file, as the handlers of messages see it."""

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

    def active(self, station_id: str | None = None) -> list[tuple[str, Transaction]]:
        """(charge point, transaction) of all that have not ended, or of those of one."""
        rows = self._db.execute(
            f"SELECT charge_point, {_COLUMNS} FROM transactions WHERE state = 'active'"
            " AND charge_point = coalesce(?, charge_point) ORDER BY id",
            (station_id,),
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
