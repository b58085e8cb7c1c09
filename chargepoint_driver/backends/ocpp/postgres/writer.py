"""Writes of a batch of rows into PostgreSQL, fenced by the epochs of their chargers.

One statement, which is one transaction: the owners of all chargers in the batch are locked, and the
rows and events of those that this run still owns are written. Those of the others are not, and
their names are returned.
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import asyncpg
import msgspec

from chargepoint_driver.backends.ocpp.postgres.changes import Batch
from chargepoint_driver.backends.ocpp.postgres.connections import Connections, said
from chargepoint_driver.backends.ocpp.postgres.event_queue import TABLE as EVENTS
from chargepoint_driver.backends.ocpp.postgres.schema import TABLES
from chargepoint_driver.errors import StoreError

__all__ = ["Outcome", "Writer"]

# $1: {charger: epoch}. $2: the run. '' stands for rows of no charger. Parameters are JSON, of which
# a thousand values cost the node less than ten arrays of asyncpg.
_FENCE = (
    "WITH locked AS MATERIALIZED (SELECT o.charge_point FROM owners AS o"
    " JOIN json_each_text($1::json) AS mine (id, epoch) ON o.charge_point = mine.id"
    # Of a restored database an epoch may come again, and a run does not.
    " AND o.epoch = mine.epoch::bigint AND o.run = $2 ORDER BY 1 FOR NO KEY UPDATE OF o),"
    " owned (id) AS (SELECT '' UNION ALL SELECT charge_point FROM locked)"
)
_FENCED = (
    "SELECT mine.id FROM json_object_keys($1::json) AS mine (id)"
    " WHERE mine.id NOT IN (SELECT id FROM owned)"
)
_NEWS_OF_TAGS = "UPDATE copies SET version = version + 1 WHERE name = 'id_tags'"
# Another node may have written the rest of the quarter hour.
_MERGE = (
    "first_wh = CASE WHEN excluded.first_time < t.first_time THEN excluded.first_wh"
    " ELSE t.first_wh END, first_time = least(t.first_time, excluded.first_time),"
    " last_wh = CASE WHEN excluded.last_time >= t.last_time THEN excluded.last_wh"
    " ELSE t.last_wh END, last_time = greatest(t.last_time, excluded.last_time)"
)
_EVENT_TYPES = {
    "seq": "bigint",
    "received": "float8",
    "time": "float8",
    "charge_point": "text",
    "connector": "bigint",
    "action": "text",
    "data": "text",
}
MAX_WRITE_S = 15.0
"""How long the rows of single chargers may take, where some are refused."""
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
        self.event_run = 0
        """The run of this node in the identities of its events."""
        self._types = {
            name: {each: _TYPES[kind.split()[0]] for each, kind in of_table.items()}
            for name, of_table in columns.items()
        }
        self._types[EVENTS] = _EVENT_TYPES
        self._columns = {name: list(of_table) for name, of_table in self._types.items()}
        # Chargers with rows that were refused: those of the others are written without them.
        self._refused: set[str] = set()
        # By the tables with rows, and those with deleted keys.
        self._statements: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}

    def _statement(self, written: tuple[str, ...], deleted: tuple[str, ...]) -> str:
        """Return the statement that deletes keys of some tables ($3, …) and writes rows of others
        (the parameters after them)."""
        parts = [_FENCE]
        for place, name in enumerate(deleted, 3):
            key = TABLES[name].key
            on = " AND ".join(f"t.{each} = r.{each}" for each in key)
            parts.append(
                f"gone_{name} AS (DELETE FROM {name} AS t USING {self._given(name, key, place)}"
                f" WHERE {on} AND r.of_ IN (SELECT id FROM owned))"
            )
        for place, name in enumerate(written, 3 + len(deleted)):
            columns = self._columns[name]
            if name == EVENTS:
                parts.append(self._new_events(columns, place))
                continue
            of_row = ", ".join(f"r.{each}" for each in columns)
            parts.append(
                f"new_{name} AS (INSERT INTO {name} AS t ({', '.join(columns)})"
                f" SELECT {of_row} FROM {self._given(name, columns, place)}"
                " WHERE r.of_ IN (SELECT id FROM owned)"
                f" ON CONFLICT ({', '.join(TABLES[name].key)}) DO UPDATE SET"
                f" {self._changes(name)})"
            )
        if "id_tags" in (*written, *deleted):
            parts.append(f"news AS ({_NEWS_OF_TAGS})")
        return f"{', '.join(parts)} {_FENCED}"

    def _new_events(self, columns: Sequence[str], place: int) -> str:
        """Return what adds events. A repeated write adds nothing."""
        of_row = ", ".join(f"r.{each}" for each in columns)
        return (
            f"new_events AS (INSERT INTO events (run, {', '.join(columns)})"
            f" SELECT {self.event_run}, {of_row} FROM {self._given(EVENTS, columns, place)}"
            # Ids are given in this order, while the owners are locked.
            " WHERE r.of_ IN (SELECT id FROM owned) ORDER BY r.seq"
            " ON CONFLICT (run, seq) DO NOTHING)"
        )

    def _given(self, name: str, columns: Sequence[str], place: int) -> str:
        """Return the rows that a parameter gives: their chargers, and some columns of a table."""
        types = ", ".join(f"{each} {self._types[name][each]}" for each in columns)
        return f"json_to_recordset(${place}::json) AS r (of_ text, {types})"

    def _changes(self, name: str) -> str:
        if name == "session_registers":
            return _MERGE
        key = TABLES[name].key
        return ", ".join(
            f"{each} = excluded.{each}" for each in self._columns[name] if each not in key
        )

    async def write(self, batch: Batch, run: int, epochs: Mapping[str, int]) -> Outcome:
        """Write the rows of chargers that a run owns under these epochs, all or none of them.

        Where PostgreSQL refuses a value, charger by charger: the others are written. Raises
        StoreError where it cannot be reached, or takes longer than `MAX_WRITE_S`; what then was
        written is not known, and may be written again."""
        outcome, stations = Outcome(), batch.stations
        alone = self._refused & stations
        try:
            others = batch.of(stations - alone) if alone else batch
            await self._write_together(others, run, epochs, outcome)
        except _REFUSALS:
            outcome, alone = Outcome(), stations
        end_s = time.monotonic() + MAX_WRITE_S
        for station in sorted(alone):
            if time.monotonic() > end_s:
                raise StoreError(f"PostgreSQL has not answered within {MAX_WRITE_S:g} s")
            try:
                await self._write_together(batch.of([station]), run, epochs, outcome)
            except _REFUSALS as error:
                outcome.refused[station] = said(error)
        self._refused = set(outcome.refused)
        return outcome

    async def _write_together(
        self, batch: Batch, run: int, epochs: Mapping[str, int], outcome: Outcome
    ) -> None:
        written = tuple(name for name in (*TABLES, EVENTS) if name in batch.rows)
        deleted = tuple(name for name in TABLES if name in batch.deleted)
        if not (written or deleted):
            return
        statement = self._statements.get((written, deleted))
        if statement is None:
            statement = self._statements[written, deleted] = self._statement(written, deleted)
        of_chargers = {each: epochs.get(each, 0) for each in batch.stations if each}
        values: list[Any] = [_encode(of_chargers).decode(), run]
        values += [_json(batch.deleted[name], TABLES[name].key) for name in deleted]
        values += [_json(batch.rows[name], self._columns[name]) for name in written]
        fenced = await self._connections.fetch(statement, *values)
        outcome.fenced.update(row[0] for row in fenced)


def _json(rows: list[tuple[str, tuple[Any, ...]]], columns: Sequence[str]) -> str:
    """Return rows and their chargers (`of_`) as a JSON list of objects. A column that is not there
    is NULL. Raises ValueError for text that is not Unicode."""
    names = ("of_", *columns)
    found = [
        {
            name: value
            for name, value in zip(names, (station, *row), strict=True)
            if value is not None
        }
        for station, row in rows
    ]
    text = _encode(found)
    if (
        bytes in map(type, chain.from_iterable(row for _, row in rows))
        or text.count(_NULL) != text.count(_NULL_IN_TEXT)
        or _NUL in text
    ):
        text = _encode([{name: _fit(value) for name, value in row.items()} for row in found])
    return text.decode()


_encode = msgspec.json.Encoder().encode
# Infinity as msgspec writes it, since no column is None; and the same within a text.
_NULL, _NULL_IN_TEXT = b'":null', b'\\":null'
# PostgreSQL does not take it.
_NUL = b"\\u0000"


def _fit(value: Any) -> Any:
    """Return a value of SQLite as JSON has it for PostgreSQL."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    return str(value) if value in (math.inf, -math.inf) else value
