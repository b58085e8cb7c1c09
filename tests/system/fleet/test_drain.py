"""A node that is drained: its chargers go to the other one, and it ends."""

from __future__ import annotations

import asyncio
import time

import requests
from click.testing import CliRunner

from chargepoint_driver.cli import main

from .chargers import Chargers

LIMIT_S = 60.0


def test_a_drained_node_ends_and_its_chargers_go_on_elsewhere(nodes, records, postgres) -> None:
    first, second = nodes
    assert _health(first) == (200, "ok\n")

    async def play() -> Chargers:
        async with Chargers(6, lambda: [each.url for each in nodes]) as chargers:
            await chargers.charge(1)
            words = ["fleet", "drain", "node-1", "--config", str(first.config)]
            result = await asyncio.to_thread(CliRunner().invoke, main, words)
            assert result.exit_code == 0, result.output
            end_s = time.monotonic() + LIMIT_S
            while (code := first.exit_code) is None:
                assert time.monotonic() < end_s, first.log
                await asyncio.sleep(0.05)
            assert code == 0, first.log
            await chargers.charge(2)
        return chargers

    chargers = asyncio.run(play())
    assert _health(second) == (200, "ok\n")
    rows = postgres.rows("SELECT id, state FROM transactions", database=records)
    assert dict(rows) == {
        transaction: "completed" for each in chargers.each for transaction in each.ended
    }
    assert len(rows) == sum(each.asked for each in chargers.each)
    # The name is free at once, and the node accepts chargers again.
    assert _health(first.start()) == (200, "ok\n")


def _health(node) -> tuple[int, str]:
    answer = requests.get(node.health_url, timeout=LIMIT_S)
    return answer.status_code, answer.text
