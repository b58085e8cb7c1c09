"""Writes of a batch of rows into PostgreSQL, fenced by the epochs of their chargers.

One transaction: the owners of all chargers in the batch are locked, then the rows of those that
this run still owns are written. The rows of the others are not, and their names are returned.
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import asyncpg

from chargepoint_driver.backends.ocpp.postgres.changes import Batch
from chargepoint_driver.backends.ocpp.postgres.connections import Connections, said
from chargepoint_driver.backends.ocpp.postgres.schema import TABLES

__all__ = ["Outcome", "Writer"]

_FENCE = (
    "SELECT o.charge_point FROM owners AS o"
    " JOIN unnest($1::text[], $2::bigint[]) AS mine (id, epoch) ON o.charge_point = mine.id"
    # Of a restored database an epoch may come again, and a run does not.
    " AND o.epoch = mine.epoch AND o.run = $3 ORDER BY 1 FOR NO KEY UPDATE OF o"
)
# Another node may have written the rest of the quarter hour.
_MERGE = (
    "first_wh = CASE WHEN excluded.first_time < t.first_time THEN excluded.first_wh"
    " ELSE t.first_wh END, first_time = least(t.first_time, excluded.first_time),"
    " last_wh = CASE WHEN excluded.last_time >= t.last_time THEN excluded.last_wh"
    " ELSE t.last_wh END, last_time = greatest(t.last_time, excluded.last_time)"
)
# What PostgreSQL, or the client for it, answers to a value or a row that it does not take.
_REFUSALS = (asyncpg.PostgresError, ValueError, TypeError, OverflowError)
_TYPES = {"TEXT": "text", "REAL": "float8", "INTEGER": "bigint"}


class Outcome:
    """Outcome of a batch: chargers that another run owns, and chargers whose rows PostgreSQL
    refuses, with the reason."""

    def __init__(self) -> None:
        self.fenced: set[str] = set()
        self.refused: dict[str, str] = {}


class Writer:
    """See the module."""

    def __init__(self, connections: Connections, columns: Mapping[str, Mapping[str, str]]) -> None:
        """`columns`: table to column to its type in SQLite."""
        self._connections = connections
        self._types = {
            name: [_TYPES[kind.split()[0]] for kind in of_table.values()]
            for name, of_table in columns.items()
        }
        # Chargers with rows that were refused: those of the others are written without them.
        self._refused: set[str] = set()
        self._upserts = {name: self._upsert(name, list(of)) for name, of in columns.items()}
        self._deletes = {name: self._delete(name, columns[name]) for name in columns}

    def _upsert(self, name: str, columns: list[str]) -> str:
        arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(self._types[name], 1))
        key = TABLES[name].key
        changes = (
            _MERGE
            if name == "session_registers"
            else ", ".join(f"{each} = excluded.{each}" for each in columns if each not in key)
        )
        return (
            f"INSERT INTO {name} AS t ({', '.join(columns)}) SELECT * FROM unnest({arrays})"
            f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"
        )

    def _delete(self, name: str, columns: Mapping[str, str]) -> str:
        key = TABLES[name].key
        arrays = ", ".join(
            f"${place}::{_TYPES[columns[each].split()[0]]}[]" for place, each in enumerate(key, 1)
        )
        on = " AND ".join(f"t.{each} = gone.{each}" for each in key)
        return (
            f"DELETE FROM {name} AS t USING unnest({arrays}) AS gone ({', '.join(key)}) WHERE {on}"
        )

    async def write(self, batch: Batch, run: int, epochs: Mapping[str, int]) -> Outcome:
        """Write the rows of chargers that a run owns under these epochs, all or none of them.

        Where PostgreSQL refuses a value, charger by charger: the others are written. Raises
        StoreError where it cannot be reached; what then was written is not known, and may be
        written again."""
        outcome = Outcome()
        alone = self._refused & batch.stations
        try:
            await self._write_together(batch.of(batch.stations - alone), run, epochs, outcome)
        except _REFUSALS:
            outcome, alone = Outcome(), batch.stations
        for station in sorted(alone):
            try:
                await self._write_together(batch.of([station]), run, epochs, outcome)
            except _REFUSALS as error:
                outcome.refused[station] = said(error)
        self._refused = set(outcome.refused)
        return outcome

    async def _write_together(
        self, batch: Batch, run: int, epochs: Mapping[str, int], outcome: Outcome
    ) -> None:
        stations = sorted(batch.stations - {""})
        async with self._connections.get() as db, db.transaction():
            owned: set[str] = {""}
            if stations:
                of = [epochs.get(each, 0) for each in stations]
                owned |= {row[0] for row in await db.fetch(_FENCE, stations, of, run)}
            outcome.fenced.update(each for each in stations if each not in owned)
            for name in TABLES:
                await self._send(db.execute, self._deletes, name, batch.deleted, owned, None)
                await self._send(
                    db.execute, self._upserts, name, batch.rows, owned, self._types[name]
                )
            if "id_tags" in batch.rows or "id_tags" in batch.deleted:
                await db.execute("UPDATE copies SET version = version + 1 WHERE name = 'id_tags'")

    async def _send(
        self,
        execute: Callable[..., Any],
        statements: Mapping[str, str],
        name: str,
        rows_of: Mapping[str, list[tuple[str, tuple[Any, ...]]]],
        owned: set[str],
        types: list[str] | None,
    ) -> None:
        rows = [row for station, row in rows_of.get(name, ()) if station in owned]
        if rows:
            if types is not None:
                rows = [tuple(map(_fit, row, types)) for row in rows]
            await execute(statements[name], *(list(column) for column in zip(*rows, strict=True)))


def _fit(value: Any, kind: str) -> Any:
    """Return a value of SQLite as PostgreSQL's type takes it. Raises ValueError, TypeError."""
    if value is None:
        return None
    if kind == "text":
        if not isinstance(value, str):
            value = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        return value.replace("\0", "\ufffd") if "\0" in value else value
    return float(value) if kind == "float8" else int(value)
