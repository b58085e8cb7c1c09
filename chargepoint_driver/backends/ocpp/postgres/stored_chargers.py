"""Chargers as PostgreSQL has them: those that no running node has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chargepoint_driver.backends.ocpp.csms.charger_registry import ChargerRegistry
from chargepoint_driver.backends.ocpp.model.charger import Charger, Transaction
from chargepoint_driver.backends.ocpp.model.limit import LimitState
from chargepoint_driver.backends.ocpp.postgres.records import Records, Reloaded
from chargepoint_driver.backends.ocpp.storage.json_rows import damaged_row, object_in
from chargepoint_driver.backends.ocpp.storage.restore import restore
from chargepoint_driver.backends.ocpp.storage.transaction_table import (
    TRANSACTION_COLUMNS,
    transaction_of,
)
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.process.loop_thread import off_loop
from chargepoint_driver.text import get_logger

__all__ = ["StoredChargers"]

_log = get_logger(__name__)
# Chargers in one query, and those whose chargers are not made on a thread.
_AT_ONCE = 500
_FEW = 20
_OF_TRANSACTIONS = TRANSACTION_COLUMNS.split(", ")


class StoredChargers:
    """Reads without a claim: the node that owns the charger keeps it."""

    def __init__(
        self,
        records: Records,
        columns: Mapping[str, Mapping[str, str]],
        config: OcppConfig,
        limit_of: Callable[[dict[str, Any]], LimitState | None],
    ) -> None:
        """`columns`: table to its columns in the order of the rows that `records` returns."""
        self._records = records
        self._columns = columns
        self._config = config
        self._limit_of = limit_of

    async def read(self, station_ids: list[str], now_s: float) -> dict[str, Charger]:
        """Return chargers by id, none of them connected; those without a row are missing. Raises
        StoreError."""
        found: dict[str, Charger] = {}
        for begin in range(0, len(station_ids), _AT_ONCE):
            part = station_ids[begin : begin + _AT_ONCE]
            reloaded = await self._records.of_chargers(part)
            restored = self._restored(reloaded, now_s)
            found.update(await off_loop(restored) if len(part) > _FEW else restored())
        return found

    def _restored(self, reloaded: Reloaded, now_s: float) -> Callable[[], dict[str, Charger]]:
        """Return what makes the chargers of these rows, on any thread."""
        return lambda: self._restore(reloaded, now_s)

    def _restore(self, reloaded: Reloaded, now_s: float) -> dict[str, Charger]:
        registry = ChargerRegistry(self._config)
        named = {
            table: [dict(zip(self._columns[table], row, strict=True)) for row in rows]
            for table, rows in reloaded.rows.items()
        }
        restore(_Rows(named), registry.add, self._limit_of, now_s)
        return registry.chargers


class _Rows:
    """Rows by table, as `restore` reads them."""

    def __init__(self, rows: Mapping[str, list[dict[str, Any]]]) -> None:
        self._rows = rows

    def points(self, station_id: str | None) -> list[dict[str, Any]]:
        """See `restore.SavedChargers`."""
        del station_id
        return [
            {
                **row,
                **{
                    name: self._object(row[name], f"charge_points, {name} of {row['id']!r}") or {}
                    for name in ("boot", "configuration", "worked")
                },
            }
            for row in self._rows["charge_points"]
        ]

    def saved(self, table: str, station_id: str | None) -> list[tuple[str, int, dict[str, Any]]]:
        """See `restore.SavedChargers`."""
        del station_id
        found = []
        for row in self._rows[table]:
            name, number = row["charge_point"], row["connector"]
            data = self._object(row["data"], f"{table}, {name!r} {number!r}")
            if data is not None:
                found.append((name, number, data))
        return found

    def active(self, station_id: str | None) -> list[tuple[str, Transaction]]:
        """See `restore.SavedChargers`."""
        del station_id
        return [
            (row["charge_point"], transaction_of(tuple(row[name] for name in _OF_TRANSACTIONS)))
            for row in self._rows["transactions"]
            if row["state"] == "active"
        ]

    def damaged(self, row: str, error: Exception) -> None:
        """See `restore.SavedChargers`."""
        _log.error("postgres: %s", damaged_row(row, error))

    def _object(self, text: str | None, row: str) -> dict[str, Any] | None:
        try:
            return object_in(text)
        except ValueError as error:
            self.damaged(row, error)
            return None
