"""Interfaces of the stores: what the central system needs of whichever engine keeps its records.

Two implementations exist. `store.Store` and `file_queries.FileQueries` are one SQLite file that one
process owns. `backends/ocpp/postgres` shares the records between processes. Names of rows and their
fields are those of `queries`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import StoreError
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord

__all__ = ["Queries", "Stores", "TransactionStore"]


class Stores(NamedTuple):
    """The records of a central system: what messages change, and questions about all of them."""

    store: Store
    queries: Queries


class TransactionStore(Protocol):
    """Commits of what messages change, and the right to change it.

    The rows themselves are read and written by the methods of `store.Store`, at once and from
    memory or a local file. This reports when they are safe.
    """

    async def claim(self, station_id: str) -> bool:
        """Become the owner of a charger that has connected here. Returns True where another
        process changed its records since: read them again. Raises StoreError."""

    def fault_of(self, station_id: str) -> StoreError | None:
        """Return why what a charger sent may not be acknowledged although the commit has ended;
        None where it may."""

    def refusal_to_send(self, station_id: str) -> str | None:
        """Return why no request may be sent to a charger now; None where one may."""

    def is_prepared(self, station_id: str, text: bytes) -> bool:
        """Return True if a message about transactions can be handled at once."""

    async def prepare(self, station_id: str, text: bytes) -> None:
        """Wait until it can. Raises StoreError."""

    def needs_preparation(self, station_id: str, text: bytes) -> bool:
        """Return True if another message than those about transactions has to be prepared too."""

    def committed(self) -> asyncio.Future[None]:
        """Return what is done when events until now survive the end of this process."""

    def durable(self) -> asyncio.Future[None]:
        """Return what is done when everything until now survives a loss of power. Fails with
        StoreError or OSError."""

    def disconnected(self) -> None:
        """Note that a charger has disconnected: another process may soon read its records."""

    def stored(self) -> asyncio.Future[None]:
        """Return the same of everything, what may be written some seconds later included."""

    def kept(self) -> asyncio.Future[None]:
        """Return what is done when everything until now survives the end of this process."""

    async def release(self) -> None:
        """Write what is left and give up every charger. `close` follows."""

    def mark(self) -> tuple[int, int]:
        """Return numbers that change with each event that is added, and with each other write."""

    def stored_since(self, mark: tuple[int, int]) -> asyncio.Future[None] | None:
        """Return what to await before a message is acknowledged, by `mark` before it was handled;
        None where it wrote nothing."""

    def close(self) -> None:
        """Write what is left, and release everything."""


class Queries(Protocol):
    """Questions about all records, from any thread but the loop's. Each raises TransientError
    where the records cannot be read now."""

    def transactions(self, month: str) -> list[dict[str, Any]]:
        """Return the transactions that ended in YYYY-MM (UTC). Raises InvalidValueError."""

    def sessions(
        self, station_id: str | None, since_s: float, until_s: float | None
    ) -> list[dict[str, Any]]:
        """Return the transactions that touch a time, oldest first."""

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """Return a page of sessions, newest first."""

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Return meter values within sessions, by `sessionID`."""

    def running(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """Return the transactions that run, oldest first."""

    def usage(self, month: str) -> list[dict[str, Any]]:
        """Return sessions and energy of each idTag in YYYY-MM (UTC). Raises InvalidValueError."""

    def newest_sessions(self, station_ids: list[str]) -> dict[str, dict[int, dict[str, Any]]]:
        """Return charger to the newest transaction of each of its connectors."""

    def transaction(self, transaction_id: int) -> dict[str, Any]:
        """Return one transaction, however old. Raises NotFoundError."""

    def last_energy(self, transaction_id: int) -> dict[str, Any]:
        """Return the last known energy of a transaction, Wh. Raises NotFoundError."""

    def events(self, after: int = 0, most: int = 1_000) -> list[dict[str, Any]]:
        """Return events with ids above `after`, oldest first."""

    def messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return messages of a charger, newest first, and the id to go on with."""
