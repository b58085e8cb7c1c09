"""Queries of the records in one SQLite file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.storage import queries, session_queries
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord

__all__ = ["FileQueries"]


class FileQueries:
    """See `interfaces.Queries`. Each question opens a connection of its own."""

    def __init__(self, path: Path) -> None:
        """`path` is the central system's database; it need not exist yet."""
        self._path = path

    def transactions(self, month: str) -> list[dict[str, Any]]:
        """See `queries.transactions`."""
        return queries.transactions(self._path, month)

    def sessions(
        self, station_id: str | None, since_s: float, until_s: float | None
    ) -> list[dict[str, Any]]:
        """See `queries.sessions`."""
        return queries.sessions(self._path, station_id, since_s, until_s)

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """See `session_queries.session_page`."""
        return session_queries.session_page(self._path, query)

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """See `session_queries.energy_readings`."""
        return session_queries.energy_readings(self._path, session_ids)

    def running(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """See `queries.running`."""
        return queries.running(self._path, station_id)

    def usage(self, month: str) -> list[dict[str, Any]]:
        """See `queries.usage`."""
        return queries.usage(self._path, month)

    def newest_sessions(self, station_ids: list[str]) -> dict[str, dict[int, dict[str, Any]]]:
        """See `queries.newest_sessions`."""
        return queries.newest_sessions(self._path, station_ids)

    def transaction(self, transaction_id: int) -> dict[str, Any]:
        """See `queries.transaction`."""
        return queries.transaction(self._path, transaction_id)

    def last_energy(self, transaction_id: int) -> dict[str, Any]:
        """See `queries.last_energy`."""
        return queries.last_energy(self._path, transaction_id)

    def events(self, after: int = 0, most: int = 1_000) -> list[dict[str, Any]]:
        """See `queries.events`."""
        return queries.events(self._path, after, most)

    def messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """See `queries.messages`."""
        return queries.messages(self._path, station_id, before, limit, action)
