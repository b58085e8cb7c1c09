"""Connections to PostgreSQL."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio

from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.config.fleet import PostgresConfig


def test_commits_are_durable_whatever_the_default_is_and_stay_so(postgres, records) -> None:
    name = records.rpartition("/")[2]
    postgres.script(f"ALTER DATABASE {name} SET synchronous_commit = off", database=records)

    async def run() -> list[str]:
        connections = await connect(PostgresConfig(dsn=records))
        found = []
        try:
            for _ in range(2):
                async with connections.get() as db:
                    found.append(await db.fetchval("SHOW synchronous_commit"))
                found.append((await connections.fetch("SHOW synchronous_commit"))[0][0])
        finally:
            await connections.close()
        return found

    assert asyncio.run(run()) == ["on"] * 4
