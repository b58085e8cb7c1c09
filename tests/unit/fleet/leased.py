"""Leases of one PostgreSQL, and the records under them, on a loop of their own."""

from __future__ import annotations

import asyncio
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.backends.ocpp.postgres.leases import Leases
from chargepoint_driver.config.fleet import PostgresConfig
from chargepoint_driver.fleet.leased_records import LeasedRecords
from chargepoint_driver.process.loop_thread import NativeLoop

LEASE = "account:main"


class Holders:
    """Nodes that take the lease of one account, one after the other."""

    def __init__(self, dsn: str) -> None:
        self.loop = NativeLoop("leases")
        self.loop.start()
        self._dsn = dsn
        self._connections = self.run(lambda: connect(PostgresConfig(dsn=dsn)))
        self._made = 0
        self.leases: Leases

    def run(self, make: Any) -> Any:
        """Run a coroutine on the loop."""
        return self.loop.run(make, 20)

    def next(self) -> LeasedRecords:
        """Let the lease end, take it as another node, and return its records."""
        self._made += 1
        self.leases = leases = Leases(self._connections, f"node/{self._made}", 60.0)

        async def take() -> LeasedRecords:
            async with self._connections.get() as db:
                await db.execute("UPDATE leases SET until = now() - interval '1 second'")
            assert await leases.hold(LEASE)
            return LeasedRecords(asyncio.get_running_loop(), self._connections, leases, LEASE)

        return self.run(take)

    def stop(self) -> None:
        self.run(self._connections.close)
        self.loop.stop()
