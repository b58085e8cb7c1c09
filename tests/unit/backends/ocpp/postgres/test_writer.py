"""Rows on their way to PostgreSQL."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio
import math

from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.changes import Batch
from chargepoint_driver.backends.ocpp.postgres.connections import Connections, connect
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.backends.ocpp.postgres.writer import Outcome, Writer
from chargepoint_driver.config.fleet import PostgresConfig

COLUMNS = {
    "remote_starts": {
        "charge_point": "TEXT", "start_id": "INTEGER", "id_tag": "TEXT", "requested": "REAL",
    },
}  # fmt: skip


def write(dsn: str, *rows: tuple) -> Outcome:
    """Write remote starts as the node that owns their chargers."""

    async def run() -> Outcome:
        connections = await connect(PostgresConfig(dsn=dsn))
        try:
            return await _write(connections, rows)
        finally:
            await connections.close()

    return asyncio.run(run())


async def _write(connections: Connections, rows: tuple) -> Outcome:
    membership = Membership(connections, "node-1", 5.0)
    await membership.register("127.0.0.1:1")
    claims = await membership.claim({row[0] for row in rows})
    epochs = {name: claim.epoch for name, claim in claims.items()}
    batch = Batch({"remote_starts": [(row[0], row) for row in rows]})
    return await Writer(connections, COLUMNS).write(batch, membership.run, epochs)


def test_values_arrive_as_they_are(postgres, records) -> None:
    rows = [
        ("CP\U0001f50c", 2**53 + 1, 'say "\\null": null', 1_700_000_000.123456),
        ("CP", -(2**63), "", 0.1 + 0.2),
        ("CP", 2, "", -0.0),
        ("CP", 3, "", math.inf),
    ]
    write(records, *rows)
    found = postgres.rows("SELECT * FROM remote_starts", database=records)
    assert sorted(map(repr, found)) == sorted(map(repr, rows))


def test_what_postgres_cannot_hold_is_replaced_or_refused(postgres, records) -> None:
    outcome = write(
        records,
        ("NUL", 1, "a\0b", 1.0),
        ("BYTES", 1, b"\xff", 1.0),
        ("TEXT", 1, "tag", "not a number"),
        ("HALF", 1, "\ud800", 1.0),
        ("GOOD", 1, "tag", 1.0),
    )
    assert set(outcome.refused) == {"TEXT", "HALF"}
    found = postgres.rows("SELECT charge_point, id_tag FROM remote_starts", database=records)
    assert sorted(found) == [("BYTES", "\ufffd"), ("GOOD", "tag"), ("NUL", "a\ufffdb")]
