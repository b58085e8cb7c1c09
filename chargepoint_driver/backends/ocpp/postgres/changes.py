"""Changes of the local copy that PostgreSQL does not have yet.

Triggers note the key of each row that is changed. What a rollback undoes is not noted. Rows are
taken by key as they stand, so that many changes of one row are one write, and the same write may
be done again.
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.process import sqlite

__all__ = ["Batch", "Changes"]

# The charger of a row of a table that does not name it.
_OF_TRANSACTION = "(SELECT charge_point FROM transactions WHERE id = {row}.transaction_id)"
_EAGER, _LAZY, _DELETED = range(3)

# Tables whose key has two columns.
_PAIRS = {name for name, table in TABLES.items() if len(table.key) > 1}

_Rows = dict[str, list[tuple[str, tuple[Any, ...]]]]
_Key = tuple[Any, ...]


@dataclass
class Batch:
    """Rows to write and keys to delete, by table, each with its charger ('' where it has none).
    Never changed."""

    rows: _Rows = field(default_factory=dict)
    deleted: _Rows = field(default_factory=dict)

    @cached_property
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

        def part(tables: _Rows) -> _Rows:
            kept = {
                name: [each for each in rows if each[0] in stations]
                for name, rows in tables.items()
            }
            return {name: rows for name, rows in kept.items() if rows}

        return Batch(part(self.rows), part(self.deleted))


class Changes:
    """See the module. Over the connection that changes the rows."""

    def __init__(self, db: sqlite.Connection) -> None:
        """`begin` follows."""
        self._db = db
        self._is_paused = False
        # Of the commit to come: table, key (two parts), charger, kind.
        self._fresh: list[tuple[str, Any, Any, str, int]] = []
        # Table to key to charger. Those in `_lazy` may wait.
        self._eager: dict[str, dict[_Key, str]] = {name: {} for name in TABLES}
        self._lazy: dict[str, dict[_Key, str]] = {name: {} for name in TABLES}
        self._deleted: set[tuple[str, _Key]] = set()
        self._selects: dict[str, str] = {}
        self.columns: dict[str, tuple[str, ...]] = {}

    def begin(self) -> None:
        """Begin to note changes. The tables must exist."""
        self._db.create_function("note_change", 5, self._note)
        for name, table in TABLES.items():
            described = self._db.execute(f"PRAGMA table_info({name})").fetchall()
            self.columns[name] = tuple(str(row[1]) for row in described)
            where = " AND ".join(f"{column} = ?" for column in table.key)
            self._selects[name] = f"SELECT * FROM {name} WHERE {where}"
            self._watch(name)

    def _note(self, name: str, k1: Any, k2: Any, station: str, kind: int) -> None:
        if not self._is_paused:
            self._fresh.append((name, k1, k2, station, kind))

    def _watch(self, name: str) -> None:
        table = TABLES[name]
        eager = [each for each in self.columns[name] if each not in table.lazy]
        kind = _LAZY if name == "session_registers" else _EAGER
        events = [
            ("INSERT", "NEW", kind),
            ("DELETE", "OLD", _DELETED),
            (f"UPDATE OF {', '.join(eager)}", "NEW", kind),
        ]
        if table.lazy:
            events.append((f"UPDATE OF {', '.join(sorted(table.lazy))}", "NEW", _LAZY))
        for number, (event, row, kind) in enumerate(events):
            self._db.execute(
                f"CREATE TEMP TRIGGER changed_{name}_{number} AFTER {event} ON temp.{name} BEGIN"
                f" SELECT note_change('{name}', {_key(name, row)}, {_station(name, row)}, {kind});"
                " END"
            )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Note nothing: what is changed is what PostgreSQL has, or is only forgotten here."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def committed(self) -> None:
        """Keep what was noted: the transaction that changed it is committed."""
        for name, k1, k2, station, kind in self._fresh:
            key = (k1, k2) if name in _PAIRS else (k1,)
            if kind == _LAZY:
                self._lazy[name][key] = station
                continue
            self._eager[name][key] = station
            if kind == _DELETED:
                self._deleted.add((name, key))
        self._fresh.clear()

    def rolled_back(self) -> None:
        """Forget what was noted since the last commit."""
        self._fresh.clear()

    def is_pending(self, *, with_lazy: bool) -> bool:
        """Return True if PostgreSQL lacks anything; of what may wait only if that is asked."""
        return (
            any(self._eager.values())
            or (with_lazy and any(self._lazy.values()))
            or any(with_lazy or each[4] != _LAZY for each in self._fresh)
        )

    def take(self, *, with_lazy: bool) -> Batch:
        """Return what PostgreSQL lacks of what is committed, and forget that it does. Raises
        StoreError, and then it forgets nothing."""
        batch = Batch()
        taken: list[tuple[str, dict[_Key, str]]] = []
        row_of = self._db.cursor(sqlite.Cursor).execute
        for name in TABLES:
            keys = self._eager[name]
            if with_lazy and self._lazy[name]:
                keys = {**self._lazy[name], **keys}
            if not keys:
                continue
            select, rows, gone = self._selects[name], [], []
            for key, station in keys.items():
                row = row_of(select, key).fetchone()
                if row is not None:
                    rows.append((station, row))
                elif (name, key) in self._deleted:
                    gone.append((station, key))
            if rows:
                batch.rows[name] = rows
            if gone:
                batch.deleted[name] = gone
            taken.append((name, keys))
        for name, keys in taken:
            # Of a row that is written whole, no change has to wait any more.
            lazy = self._lazy[name]
            for key in keys if lazy else ():
                lazy.pop(key, None)
            self._eager[name] = {}
        self._deleted.clear()
        return batch

    def put_back(self, batch: Batch) -> None:
        """Note again what was taken and could not be written."""
        for name in TABLES.keys() & batch.rows.keys():
            rows = batch.rows[name]
            places = [self.columns[name].index(each) for each in TABLES[name].key]
            for station, row in rows:
                self._eager[name][tuple(row[place] for place in places)] = station
        for name, keys in batch.deleted.items():
            for station, key in keys:
                self._eager[name][key] = station
                self._deleted.add((name, key))

    def forget(self, station_ids: Iterable[str]) -> None:
        """Forget what PostgreSQL lacks of some chargers."""
        gone = set(station_ids)
        self._fresh[:] = [each for each in self._fresh if each[3] not in gone]
        for marks in (self._eager, self._lazy):
            for name, keys in marks.items():
                if keys:
                    marks[name] = {key: of for key, of in keys.items() if of not in gone}

    def keys(self, name: str) -> set[_Key]:
        """Return the keys of rows of a table that PostgreSQL lacks."""
        fresh = {
            (k1, k2) if name in _PAIRS else (k1,) for of, k1, k2, _, _ in self._fresh if of == name
        }
        return {*self._eager[name], *self._lazy[name], *fresh}

    def has_table(self, name: str) -> bool:
        """Return True if PostgreSQL lacks a row of a table."""
        return bool(self.keys(name))


def _key(name: str, row: str) -> str:
    """Return the two parts of a key in SQL; the second is NULL where the key has one column."""
    first, *more = (f"{row}.{each}" for each in TABLES[name].key)
    return f"{first}, {more[0] if more else 'NULL'}"


def _station(name: str, row: str) -> str:
    station = TABLES[name].station
    if station is not None:
        return f"{row}.{station}"
    if name == "session_registers":
        return f"coalesce({_OF_TRANSACTION.format(row=row)}, '')"
    return "''"
