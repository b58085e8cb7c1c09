"""Membership of a node: what it may send, by its lease and by what other nodes claimed."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio

from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.backends.ocpp.postgres.membership import Membership
from chargepoint_driver.config.fleet import PostgresConfig


def test_a_renewed_lease_permits_nothing_for_chargers_that_others_claimed(records) -> None:
    """A node that was frozen: its lease comes back before it gives up what others claimed."""
    now_s = 100.0

    def freeze() -> None:
        nonlocal now_s
        now_s += 10.0

    async def run() -> None:
        connections = await connect(PostgresConfig(dsn=records))
        try:
            first, second = (
                Membership(connections, name, 5.0, lambda: now_s) for name in ("node-1", "node-2")
            )
            for each in (first, second):
                await each.register("127.0.0.1:0")
            await _claim(first, "CP1", "CP2")
            assert first.refusal_to_send("CP1") is None
            freeze()
            await _claim(second, "CP1")
            assert "lease of this node has ended" in (first.refusal_to_send("CP2") or "")
            elsewhere = await first.renew()
            assert first.refusal_to_send("CP1") == "another node has this charger"
            assert first.refusal_to_send("CP2") is None
            assert first.lost(elsewhere) == ["CP1"]
            # The charger comes back.
            await _claim(first, "CP1")
            assert first.refusal_to_send("CP1") is None
            assert first.lost(elsewhere) == []
        finally:
            await connections.close()

    asyncio.run(run())


async def _claim(node: Membership, *names: str) -> None:
    for name, claim in (await node.claim(names)).items():
        node.epochs[name] = claim.epoch
