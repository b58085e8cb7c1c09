"""Events of two runs in PostgreSQL, and a sink."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from chargepoint_driver.backends.ocpp.postgres.connections import Connections, connect
from chargepoint_driver.backends.ocpp.postgres.event_outbox import EventOutbox, Lease
from chargepoint_driver.backends.ocpp.postgres.leases import Leases
from chargepoint_driver.config.fleet import PostgresConfig

__all__ = ["ADD", "NOW_S", "Play", "run"]

NOW_S = 1_000_000.0
ADD = (
    "INSERT INTO events (run, seq, received, time, charge_point, connector, action, data)"
    " VALUES ($1, $2, $3, $3, $4, 1, 'StatusNotification', '{}')"
)


class Play:
    """Two runs, and a sink that one holds."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.outbox = EventOutbox(connections)

    async def begin(self) -> None:
        for run in (1, 2):
            await self.outbox.begin_run(run, f"node-{run}", run, "a")
        await self.outbox.add_sinks(["one"])
        epoch = await Leases(self.connections, "me", 60.0).hold("relay:one")
        assert epoch is not None
        self.lease = Lease("relay:one", "me", epoch)

    async def add(self, run: int, *seqs: int, station: str = "CP1", at_s: float = NOW_S) -> None:
        async with self.connections.get() as db, db.transaction():
            for seq in seqs:
                await db.execute(ADD, run, seq, at_s, station)

    async def waiting(self, limit: int = 100) -> list[tuple[int, int]]:
        """Return (run, seq) of what the sink has not got."""
        return [(each.run, each.seq) for _, each in await self.outbox.read("one", limit)]

    async def take(self, limit: int = 100) -> list[tuple[int, int]]:
        """Return the same, and let the sink have it."""
        found = await self.outbox.read("one", limit)
        last = {event.run: own_id for own_id, event in found}
        assert await self.outbox.moved("one", self.lease, last, None)
        return [(event.run, event.seq) for _, event in found]


def run(dsn: str, what: Callable[[Play], Awaitable[None]]) -> None:
    """Play something on the tables of a fleet."""

    async def inside() -> None:
        connections = await connect(PostgresConfig(dsn=dsn))
        try:
            made = Play(connections)
            await made.begin()
            await what(made)
        finally:
            await connections.close()

    asyncio.run(inside())
