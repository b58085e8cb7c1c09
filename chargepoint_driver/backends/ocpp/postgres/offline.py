"""Read-only queries of the records of a fleet, from any process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.connections import Connections, connect
from chargepoint_driver.backends.ocpp.postgres.event_outbox import EventOutbox
from chargepoint_driver.backends.ocpp.postgres.queries import PostgresQueries
from chargepoint_driver.backends.ocpp.postgres.schema import check_version
from chargepoint_driver.backends.ocpp.storage.offline import event_of
from chargepoint_driver.config.fleet import NodeConfig
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.events import Event
from chargepoint_driver.process.loop_thread import NativeLoop
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord
from chargepoint_driver.records import Event as SessionEvent

__all__ = ["FleetRecord", "fleet_record"]

_LIMIT_S = 60.0
_EVENTS_AT_ONCE = 1_000
_MAX_CONNECTIONS = 2


class FleetRecord:
    """See the module, and `storage.offline.Record`. `fleet_record` opens one."""

    def __init__(
        self, queries: PostgresQueries, connections: Connections, loop: NativeLoop
    ) -> None:
        """`connections` belong to the loop."""
        self._queries = queries
        self._outbox = EventOutbox(connections)
        self._loop = loop

    def sessions(
        self, station_id: str | None, since: datetime, until: datetime | None
    ) -> list[SessionEvent]:
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

    def events(self, since: datetime) -> Iterator[tuple[int, Event]]:
        """Yield the events of all nodes that were received since a time, each with its id, oldest
        first. Meter values are not among them."""
        last = self._ask(self._outbox.newest)
        after, since_s = 0, since.timestamp()
        while after < last:
            begin = after
            rows = self._ask(lambda: self._outbox.stored(begin, _EVENTS_AT_ONCE, since_s))  # noqa: B023 - called at once
            if not rows:
                return
            yield from rows
            after = rows[-1][0]

    def _ask(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return _run(self._loop, ask)


def _run(loop: NativeLoop, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    try:
        return loop.run(ask, _LIMIT_S)
    except StoreError as error:
        raise TransientError(f"postgres: {error}") from None


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
        queries: PostgresQueries = _run(loop, begin)
        yield FleetRecord(queries, connections[0], loop)
    finally:
        try:
            loop.run(end, _LIMIT_S)
        finally:
            loop.stop()
