"""A database that is older than what its nodes wrote: nothing is given twice, nobody is confused.

`tests/docs/test_fleet.py` restores real backups.
"""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio
import time

from tests.postgres_server import need_asyncpg

need_asyncpg()

import asyncpg

from chargepoint_driver.backends.ocpp.postgres.restores import skip_given_ids
from chargepoint_driver.backends.ocpp.postgres.store import PostgresStore

from ..conftest import eventually
from .test_store import START, closing_code, send, transactions

# Times of the sequence at its beginning: see `schema.MIGRATIONS`.
EPOCH_2020_S = 1_577_836_800


async def _nothing(store) -> None:
    """Stand for the renewal of the lease."""


def first_id(site, clock, station: str = "CP1") -> int:
    return site.charger(station).start(clock.iso(60))


def test_a_new_database_skips_no_ids(start_node, records, clock) -> None:
    assert first_id(start_node(), clock) <= time.time() - EPOCH_2020_S + 1_000


def test_ids_are_skipped_once_after_a_restore(start_node, postgres, records, clock) -> None:
    first = start_node("node-1")
    before = first_id(first, clock)
    first.stop()
    postgres.rows("UPDATE nodes SET seen = seen - interval '1 hour'", database=records)
    # What the docs say after the copy of a disk was restored.
    postgres.rows("DELETE FROM identity", database=records)
    after = first_id(start_node("node-1"), clock, "CP2")
    assert 1_000_000 + 20 * 3_600 <= after - before < 1_001_000 + 20 * 3_700
    assert first_id(start_node("node-2"), clock, "CP3") - after < 1_000
    runs = dict(postgres.rows("SELECT id, run FROM nodes", database=records))
    assert runs["node-1"] > 1_000_000
    assert runs["node-2"] == runs["node-1"] + 1


def test_nodes_that_notice_it_together_skip_once(start_node, postgres, records, clock) -> None:
    before = first_id(start_node(), clock)
    postgres.rows("UPDATE identity SET timeline = timeline + 1", database=records)

    async def both() -> None:
        connections = [await asyncpg.connect(records) for _ in range(4)]
        try:
            await asyncio.gather(*map(skip_given_ids, connections))
        finally:
            for each in connections:
                await each.close()

    asyncio.run(both())
    at = postgres.rows("SELECT last_value FROM transaction_ids", database=records)[0][0]
    assert 1_000_000 <= at - before < 1_100_000


def test_a_node_ends_when_the_database_has_lost_its_writes(start_node, postgres, records) -> None:
    reasons: list[str | None] = []
    site = start_node(on_end=reasons.append)
    charger = site.charger()
    charger.boot()
    renewals = "SELECT renewals FROM nodes"
    eventually(lambda: postgres.rows(renewals, database=records)[0][0] >= 1)
    postgres.rows("UPDATE nodes SET renewals = 0", database=records)
    assert closing_code(charger) == 1012
    assert "does not have any more what this node wrote" in eventually(lambda: reasons)[0]


def test_an_epoch_that_comes_again_permits_no_write(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    monkeypatch.setattr(PostgresStore, "_renew", _nothing)
    charger = start_node().charger()
    transaction = charger.start(clock.iso(60))
    postgres.rows("UPDATE owners SET node = 'node-2', run = run + 1", database=records)
    send(charger, "StartTransaction", {**START, "connectorId": 2, "timestamp": clock.iso()})
    assert closing_code(charger) == 1012
    assert [row[0] for row in transactions(postgres, records)] == [transaction]
