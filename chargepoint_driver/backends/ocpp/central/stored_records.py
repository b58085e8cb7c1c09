"""Queries of a central system's records, from any thread."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from chargepoint_driver.backends.ocpp.storage.interfaces import Queries
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord

__all__ = ["StoredRecords"]


class StoredRecords:
    """Questions to the database, over connections of their own."""

    @property
    @abstractmethod
    def _queries(self) -> Queries:
        """The records."""

    @abstractmethod
    def _wait_until_stored(self) -> None:
        """Wait until all messages until now are in the file. Raises TransientError."""

    def last_energy(self, transaction_id: int) -> dict[str, Any]:
        """The last known energy of a transaction, Wh. Raises NotFoundError."""
        return self._queries.last_energy(transaction_id)

    def transactions(self, month: str) -> list[dict[str, Any]]:
        """Final duration and energy of every transaction completed in YYYY-MM (UTC)."""
        return self._queries.transactions(month)

    def running_transactions(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """The transactions that run, of a charge point or of all, oldest first."""
        self._wait_until_stored()
        return self._queries.running(station_id)

    def usage(self, month: str) -> list[dict[str, Any]]:
        """Sessions and energy of each idTag in YYYY-MM (UTC); see `queries.usage`."""
        self._wait_until_stored()
        return self._queries.usage(month)

    def events(self, after: int = 0, most: int = 1_000) -> list[dict[str, Any]]:
        """Stored events with ids above `after`, oldest first."""
        return self._queries.events(after, most)

    def stored_messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Stored messages of a charge point, newest first, and the id to go on with."""
        return self._queries.messages(station_id, before, limit, action)

    def newest_sessions(self, station_ids: list[str]) -> dict[str, dict[int, dict[str, Any]]]:
        """Charge point to the newest transaction of each connector, all messages counted."""
        self._wait_until_stored()
        return self._queries.newest_sessions(station_ids)

    def sessions(
        self, station_id: str | None, since_s: float, until_s: float | None
    ) -> list[dict[str, Any]]:
        """The transactions that touch a time, oldest first."""
        self._wait_until_stored()
        return self._queries.sessions(station_id, since_s, until_s)

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """A page of sessions, newest first, all messages counted."""
        self._wait_until_stored()
        return self._queries.session_page(query)

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Meter values within sessions, by `sessionID`."""
        return self._queries.energy_readings(session_ids)

    def transaction(self, transaction_id: int) -> dict[str, Any]:
        """One transaction, running or not, however old. Raises NotFoundError."""
        self._wait_until_stored()
        return self._queries.transaction(transaction_id)
