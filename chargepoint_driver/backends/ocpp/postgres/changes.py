"""Changes of the local copy that PostgreSQL does not have yet.

Triggers note the key of each row that is changed, within the transaction that changes it: what is
rolled back was never noted. Rows are taken by key as they stand, so that many changes of one row
are one write, and the same write may be done again.
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.process import sqlite

__all__ = ["Batch", "Changes"]

# The charger of a row of a table that does not name it.
_OF_TRANSACTION = "(SELECT charge_point FROM transactions WHERE id = {row}.transaction_id)"


@dataclass
class Batch:
    """Rows to write and keys to delete, by table, each with its charger ('' where it has none)."""

    rows: dict[str, list[tuple[str, tuple[Any, ...]]]] = field(default_factory=dict)
    deleted: dict[str, list[tuple[str, tuple[Any, ...]]]] = field(default_factory=dict)

    @property
    def stations(self) -> set[str]:
        """Return the chargers whose rows are in it."""
        return {
            station
            for tables in (self.rows, self.deleted)
            for rows in tables.values()
            for station, _ in rows
        }

    def of(self, wanted: Iterable[str]) -> Batch:
        """Return the part of some chargers."""
        stations = set(wanted)

        def part(
            tables: dict[str, list[tuple[str, tuple[Any, ...]]]],
        ) -> dict[str, list[tuple[str, tuple[Any, ...]]]]:
            kept = {
                name: [each for each in rows if each[0] in stations]
                for name, rows in tables.items()
            }
            return {name: rows for name, rows in kept.items() if rows}

        return Batch(part(self.rows), part(self.deleted))


class Changes:
    """See the module. Over the connection that changes the rows."""

    def __init__(self, db: sqlite.Connection) -> None:
        """Begin to note changes. The tables must exist."""
        self._db = db
        self.columns: dict[str, tuple[str, ...]] = {}
        # Of a key there may be two marks: one of a change that may wait, one of another.
        db.execute(
            "CREATE TEMP TABLE changed (kind TEXT NOT NULL, k1, k2, station TEXT NOT NULL,"
            " lazy INTEGER NOT NULL, PRIMARY KEY (kind, k1, k2, lazy)) WITHOUT ROWID"
        )
        for name in TABLES:
            described = db.execute(f"PRAGMA table_info({name})").fetchall()
            self.columns[name] = tuple(str(row[1]) for row in described)
            self._watch(name)

    def _watch(self, name: str) -> None:
        table = TABLES[name]
        eager = [each for each in self.columns[name] if each not in table.lazy]
        all_lazy = name == "session_registers"
        events = [
            ("INSERT", "NEW", all_lazy),
            ("DELETE", "OLD", all_lazy),
            (f"UPDATE OF {', '.join(eager)}", "NEW", all_lazy),
        ]
        if table.lazy:
            events.append((f"UPDATE OF {', '.join(sorted(table.lazy))}", "NEW", True))
        for number, (event, row, lazy) in enumerate(events):
            self._db.execute(
                f"CREATE TEMP TRIGGER changed_{name}_{number} AFTER {event} ON main.{name} BEGIN"
                # No conflict clause: that of the statement that fires it would count instead.
                f" INSERT INTO changed SELECT '{name}', {_key(name, row)}, {_station(name, row)},"
                f" {int(lazy)} WHERE NOT EXISTS (SELECT 1 FROM changed WHERE kind = '{name}'"
                f" AND (k1, k2) = ({_key(name, row)}) AND lazy = {int(lazy)}); END"
            )

    def is_pending(self, *, with_lazy: bool) -> bool:
        """Return True if PostgreSQL lacks anything; of what may wait only if that is asked."""
        where = "" if with_lazy else " WHERE lazy = 0"
        found = self._db.execute(f"SELECT 1 FROM changed{where} LIMIT 1").fetchone()
        return found is not None

    def take(self, *, with_lazy: bool) -> Batch:
        """Return what PostgreSQL lacks, and forget that it does."""
        where = "" if with_lazy else " AND lazy = 0"
        batch = Batch()
        for name, table in TABLES.items():
            columns = self.columns[name]
            on = " AND ".join(
                f"t.{column} = c.k{place}" for place, column in enumerate(table.key, 1)
            )
            rows = self._db.execute(
                f"SELECT DISTINCT c.station, t.{table.key[0]} IS NULL, c.k1, c.k2,"
                f" {', '.join(f't.{each}' for each in columns)}"
                f" FROM changed AS c LEFT JOIN {name} AS t ON {on}"
                f" WHERE c.kind = '{name}'{where}"
            ).fetchall()
            for station, is_gone, *rest in rows:
                if is_gone:
                    key = tuple(rest[: len(table.key)])
                    batch.deleted.setdefault(name, []).append((station, key))
                else:
                    batch.rows.setdefault(name, []).append((station, tuple(rest[2:])))
            if rows:
                # Of a row that is written whole, no change has to wait any more.
                self._db.execute(
                    f"DELETE FROM changed AS c WHERE kind = '{name}'"
                    + (
                        ""
                        if with_lazy
                        else " AND (lazy = 0 OR EXISTS (SELECT 1 FROM changed AS o WHERE"
                        " o.kind = c.kind AND o.k1 = c.k1 AND o.k2 = c.k2 AND o.lazy = 0))"
                    )
                )
        return batch

    def put_back(self, batch: Batch) -> None:
        """Note again what was taken and could not be written."""
        marks = []
        for name, rows in batch.rows.items():
            places = [self.columns[name].index(each) for each in TABLES[name].key]
            for station, row in rows:
                marks.append((name, *_padded(tuple(row[place] for place in places)), station))
        for name, keys in batch.deleted.items():
            marks += [(name, *_padded(key), station) for station, key in keys]
        self._db.executemany("INSERT OR REPLACE INTO changed VALUES (?, ?, ?, ?, 0)", marks)

    def forget(self, station_ids: Iterable[str]) -> None:
        """Forget what PostgreSQL lacks of some chargers."""
        self._db.executemany(
            "DELETE FROM changed WHERE station = ?", [(each,) for each in station_ids]
        )

    def has_table(self, name: str) -> bool:
        """Return True if PostgreSQL lacks a row of a table."""
        found = self._db.execute("SELECT 1 FROM changed WHERE kind = ? LIMIT 1", (name,))
        return found.fetchone() is not None

    def forget_table(self, name: str) -> None:
        """Forget what PostgreSQL lacks of a table."""
        self._db.execute("DELETE FROM changed WHERE kind = ?", (name,))

    def forget_all(self) -> None:
        """Forget everything that PostgreSQL lacks."""
        self._db.execute("DELETE FROM changed")

    def forget_rows(self, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Forget marks of rows that came from PostgreSQL."""
        places = [self.columns[name].index(each) for each in TABLES[name].key]
        self._db.executemany(
            "DELETE FROM changed WHERE kind = ? AND k1 = ? AND k2 = ?",
            [(name, *_padded(tuple(row[place] for place in places))) for row in rows],
        )


def _padded(key: tuple[Any, ...]) -> tuple[Any, Any]:
    return (key[0], key[1] if len(key) > 1 else "")


def _key(name: str, row: str) -> str:
    """Return the two parts of a key in SQL; the second is empty where the key has one column."""
    first, *more = (f"{row}.{each}" for each in TABLES[name].key)
    return f"{first}, {more[0] if more else repr('')}"


def _station(name: str, row: str) -> str:
    station = TABLES[name].station
    if station is not None:
        return f"{row}.{station}"
    if name == "session_registers":
        return f"coalesce({_OF_TRANSACTION.format(row=row)}, '')"
    return "''"
