"""Read-only queries of the records of a fleet, from any process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.connections import Connections, connect
from chargepoint_driver.backends.ocpp.postgres.queries import PostgresQueries
from chargepoint_driver.backends.ocpp.postgres.schema import check_version
from chargepoint_driver.backends.ocpp.storage.offline import event_of
from chargepoint_driver.config.fleet import NodeConfig
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.process.loop_thread import NativeLoop
from chargepoint_driver.records import EnergyReading, Event, SessionQuery, SessionRecord

__all__ = ["FleetRecord", "fleet_record"]

_LIMIT_S = 30.0
_MAX_CONNECTIONS = 2


class FleetRecord:
    """See the module, and `storage.offline.Record`. `fleet_record` opens one."""

    def __init__(self, queries: PostgresQueries) -> None:
        self._queries = queries

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[Event]:
        """The sessions that touch a time, oldest first."""
        return [event_of(row) for row in self.transactions(station_id, since, until)]

    def transactions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[dict[str, Any]]:
        """The same, with the fields of `queries.transactions`."""
        until_s = None if until is None else until.timestamp()
        return self._queries.sessions(station_id, since.timestamp(), until_s)

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """A page of sessions, newest first; see `backend.SessionBackend`."""
        return self._queries.session_page(query)

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Meter values within sessions; see `backend.SessionBackend`."""
        return self._queries.energy_readings(session_ids)

    def limits(self) -> list[dict[str, Any]]:
        """The limit that was given last; see `queries.limits`."""
        return self._queries.limits()


@contextmanager
def fleet_record(config: NodeConfig) -> Iterator[FleetRecord]:
    """Open the records of the fleet of a node, which need not run. Raises ConfigurationError,
    TransientError."""
    loop = NativeLoop("PostgreSQL")
    loop.start()
    connections: list[Connections] = []

    async def begin() -> PostgresQueries:
        made = await connect(config.postgres, _MAX_CONNECTIONS)
        connections.append(made)
        async with made.get() as db:
            await check_version(db)
        return PostgresQueries(made, asyncio.get_running_loop(), config.central_system.database)

    async def end() -> None:
        for each in connections:
            await each.close()

    try:
        try:
            queries: PostgresQueries = loop.run(begin, _LIMIT_S)
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        yield FleetRecord(queries)
    finally:
        try:
            loop.run(end, _LIMIT_S)
        finally:
            loop.stop()
