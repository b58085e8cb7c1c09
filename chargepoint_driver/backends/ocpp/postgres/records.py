"""Reads of records from PostgreSQL for the local copy of a node."""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chargepoint_driver.backends.ocpp.model.authorization import key_of
from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.restores import skip_given_ids
from chargepoint_driver.backends.ocpp.storage.reservation_table import reservation_of

__all__ = ["Records", "Reloaded"]

NEWEST = 3
"""The transactions of a charger that are read when it connects, besides those that run. Another one
is read when a message names it."""
_WHOLE = ("charge_points", "connectors", "limits", "remote_starts", "reservations")
_MAX_NAMED = 20


@dataclass
class Reloaded:
    """Rows by table; chargers that have more transactions; the highest id of a transaction."""

    rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    partial: set[str] = field(default_factory=set)
    last_id: int = 0


class Records:
    """See the module. Each method raises StoreError."""

    def __init__(self, connections: Connections, columns: Mapping[str, Mapping[str, str]]) -> None:
        """`columns`: table to its columns in the order of the local copy."""
        self._connections = connections
        self._columns = {name: ", ".join(of_table) for name, of_table in columns.items()}

    async def of_chargers(self, station_ids: list[str]) -> Reloaded:
        """Return what is kept of chargers: of transactions those that run and the newest."""
        found = Reloaded()
        columns = self._columns["transactions"]
        async with self._connections.get() as db:
            for name in _WHOLE:
                of = "id" if name == "charge_points" else "charge_point"
                rows = await db.fetch(
                    f"SELECT {self._columns[name]} FROM {name} WHERE {of} = ANY($1::text[])",
                    station_ids,
                )
                found.rows[name] = [tuple(row) for row in rows]
            rows = await db.fetch(
                f"SELECT {columns} FROM transactions WHERE charge_point = ANY($1::text[])"
                " AND state = 'active' UNION"
                f" SELECT {columns} FROM unnest($1::text[]) AS s (station) CROSS JOIN LATERAL"
                f" (SELECT {columns} FROM transactions WHERE charge_point = s.station"
                " ORDER BY id DESC LIMIT $2) AS newest",
                station_ids, NEWEST,
            )  # fmt: skip
        found.rows["transactions"] = [tuple(row) for row in rows]
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["charge_point"]] = counts.get(row["charge_point"], 0) + 1
            found.last_id = max(found.last_id, row["id"])
        found.partial = {name for name, count in counts.items() if count >= NEWEST}
        return found

    async def transactions_named(
        self, station_id: str, names: Iterable[str]
    ) -> list[tuple[Any, ...]]:
        """Return the newest transactions of a charger that have one of these names."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                f"SELECT {self._columns['transactions']} FROM transactions WHERE charge_point = $1"
                " AND (wire_id = ANY($2::text[]) OR alias = ANY($2::text[]))"
                " ORDER BY id DESC LIMIT $3",
                station_id, list(names), _MAX_NAMED,
            )  # fmt: skip
        return [tuple(row) for row in rows]

    async def next_ids(self, count: int) -> list[int]:
        """Return ids of transactions that nobody else gets, the lowest first."""
        async with self._connections.get() as db:
            await skip_given_ids(db)
            rows = await db.fetch(
                "SELECT nextval('transaction_ids') AS id FROM generate_series(1, $1)", count
            )
        return sorted(row["id"] for row in rows)

    async def id_tags(self) -> tuple[int, list[tuple[Any, ...]]]:
        """Return the version of the idTags, and their rows."""
        async with self._connections.get() as db, db.transaction():
            version = await db.fetchval("SELECT version FROM copies WHERE name = 'id_tags'")
            rows = await db.fetch(f"SELECT {self._columns['id_tags']} FROM id_tags")
        return int(version), [tuple(row) for row in rows]

    async def running_elsewhere(self, run: int) -> dict[str, int]:
        """Return the number of sessions that run at chargers of other runs, by `key_of` of their
        idTags."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                "SELECT t.id_tag, count(*) FROM transactions AS t"
                " LEFT JOIN owners AS o ON o.charge_point = t.charge_point"
                " WHERE t.state = 'active' AND o.run IS DISTINCT FROM $1 GROUP BY t.id_tag",
                run,
            )
        found: dict[str, int] = {}
        for id_tag, count in rows:
            found[key_of(id_tag)] = found.get(key_of(id_tag), 0) + count
        return found

    async def reservations(self, now_s: float, station_id: str | None) -> list[dict[str, Any]]:
        """Return the reservations of all chargers, or of one, in the order of their ids; an open
        one whose time has passed is `expired`."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                "SELECT id, charge_point, connector, id_tag, made, expires,"
                " CASE WHEN state IN ('active', 'unconfirmed') AND expires <= $1 THEN 'expired'"
                " ELSE state END, transaction_id FROM reservations"
                " WHERE $2::text IS NULL OR charge_point = $2 ORDER BY id, charge_point",
                now_s, station_id,
            )  # fmt: skip
        return [reservation_of(row) for row in rows]

    async def version_of(self, name: str) -> int:
        """Return the version of what every node keeps a copy of."""
        async with self._connections.get() as db:
            return int(await db.fetchval("SELECT version FROM copies WHERE name = $1", name))
