"""Tables of chargers and limits.

Writes belong to the commit to come (`storage/database.py`). Readers open connections of their own
(`storage/queries.py`).
"""

# ruff: noqa: S608 - names of tables and columns are put in, all of them from here
from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.model.authorization import IdTag
from chargepoint_driver.backends.ocpp.storage.id_tag_table import IdTagTable
from chargepoint_driver.backends.ocpp.storage.json_rows import damaged_row, object_in
from chargepoint_driver.backends.ocpp.storage.reservation_table import Reservations
from chargepoint_driver.backends.ocpp.storage.retention import Retention
from chargepoint_driver.backends.ocpp.storage.transaction_table import Transactions
from chargepoint_driver.errors import StoreError
from chargepoint_driver.text import get_logger

__all__ = ["Store"]

_log = get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class Store(Transactions, Reservations, IdTagTable, Retention):
    """The file, as the handlers of messages see it."""

    on_lost: Callable[[list[str], str], None] = staticmethod(lambda _names, _reason: None)
    """Called with chargers that another process has now, and why their sockets are closed."""
    has_limited_tags: Callable[[], bool] = staticmethod(lambda: False)
    """Returns True if an idTag is known that may run a limited number of sessions."""
    on_drain: Callable[[], None] = staticmethod(lambda: None)
    """Called when this process shall give up its chargers."""
    on_tags: Callable[[list[IdTag]], None] = staticmethod(lambda _tags: None)
    """Called with the idTags that are stored when another process has changed them."""

    # ---- ownership: this process alone has the file ---------------------------------------

    async def claim(self, station_id: str) -> bool:
        """See `interfaces.TransactionStore`."""
        del station_id
        return False

    def fault_of(self, station_id: str) -> StoreError | None:
        """See `interfaces.TransactionStore`."""
        del station_id
        return None

    def refusal_to_send(self, station_id: str) -> str | None:
        """See `interfaces.TransactionStore`."""
        del station_id
        return None

    def is_prepared(self, station_id: str, text: bytes) -> bool:
        """See `interfaces.TransactionStore`."""
        del station_id, text
        return self.try_begin()

    async def prepare(self, station_id: str, text: bytes) -> None:
        """See `interfaces.TransactionStore`."""
        del station_id, text
        await self.writable()

    def needs_preparation(self, station_id: str, text: bytes) -> bool:
        """See `interfaces.TransactionStore`."""
        del station_id, text
        return False

    def disconnected(self) -> None:
        """See `interfaces.TransactionStore`."""

    def stored(self) -> asyncio.Future[None]:
        """See `interfaces.TransactionStore`."""
        return self.durable()

    def kept(self) -> asyncio.Future[None]:
        """See `interfaces.TransactionStore`."""
        return self.committed()

    async def release(self) -> None:
        """See `interfaces.TransactionStore`."""

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
        self._write_later(
            ("charge_points", station_id, names),
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
            self._write_later(
                (table, station_id, connector),
                f"DELETE FROM {table} WHERE charge_point = ? AND connector = ?",
                (station_id, connector),
            )
            return
        self._write_later(
            (table, station_id, connector),
            f"INSERT OR REPLACE INTO {table} (charge_point, connector, data) VALUES (?, ?, ?)",
            (station_id, connector, _encode(data).decode()),
        )

    def points(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """Every charge point that was ever there, or the one of an id."""
        rows = self._db.execute(
            "SELECT id, last_seen, version, boot, configuration, worked FROM charge_points"
            + ("" if station_id is None else " WHERE id = ?"),
            () if station_id is None else (station_id,),
        )
        names = ("boot", "configuration", "worked")
        return [
            {
                "id": row[0],
                "last_seen": row[1],
                "version": row[2],
                **{
                    name: self._object(text, f"charge_points, {name} of {row[0]!r}") or {}
                    for name, text in zip(names, row[3:], strict=True)
                },
            }
            for row in rows
        ]

    def saved(
        self, table: str, station_id: str | None = None
    ) -> list[tuple[str, int, dict[str, Any]]]:
        """(charge point, connector, state) of what `save` kept, of all or of one."""
        assert table in {"connectors", "limits"}
        where = "" if station_id is None else " WHERE charge_point = ?"
        rows = self._db.execute(
            f"SELECT charge_point, connector, data FROM {table}{where}",
            () if station_id is None else (station_id,),
        )
        found = [
            (row[0], row[1], self._object(row[2], f"{table}, {row[0]!r} {row[1]!r}"))
            for row in rows
        ]
        return [
            (station_id, number, data) for station_id, number, data in found if data is not None
        ]

    def damaged(self, row: str, error: Exception) -> None:
        """Say that a row cannot be used. It costs that row only."""
        _log.error("database: %s: %s", self._path, damaged_row(row, error))

    def _object(self, text: str | None, row: str) -> dict[str, Any] | None:
        try:
            return object_in(text)
        except ValueError as error:
            self.damaged(row, error)
            return None

    def forget(self, station_id: str, now_s: float) -> None:
        """Remove what is known of a charge point. Transactions and events stay; what runs is
        closed as lost."""
        for _, transaction in self.active(station_id):
            self.lose(transaction.transaction_id, now_s)
        self._write("DELETE FROM charge_points WHERE id = ?", (station_id,))
        for table in ("connectors", "limits", "remote_starts", "reservations"):
            self._write(f"DELETE FROM {table} WHERE charge_point = ?", (station_id,))

    # ---- retention -----------------------------------------------------------------------

    def used_bytes(self) -> int:
        """Return what the pages in use take: the file itself keeps the room of what was deleted."""
        counts = [
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        ]
        return int((counts[0] - counts[1]) * counts[2])

    def prune_oldest(self, most: int = 500) -> int:
        """Delete the oldest events, `most` of them or fewer. Returns the number."""
        self._write("INSERT OR REPLACE INTO last_event VALUES (1, ?)", (self._last_event,))
        return self._write(
            "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)", (most,)
        ).rowcount
