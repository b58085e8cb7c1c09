"""The shipped config of haproxy: chargers behind it go on when a node is killed or drained."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.events.engines import Engine, until

from .balancer import CONFIG, haproxy, haproxy_binary
from .chargers import Chargers
from .nodes import NodeProcess

LIMIT_S = 60.0


@pytest.fixture
def balancer(nodes: list[NodeProcess], tmp_path: Path) -> Iterator[Engine]:
    with haproxy(nodes, tmp_path) as engine:
        yield engine


def test_the_shipped_config_is_valid() -> None:
    done = subprocess.run(
        [haproxy_binary(), "-c", "-f", str(CONFIG)],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr


def test_chargers_go_on_when_a_node_is_killed(balancer, nodes, records, postgres) -> None:
    first, second = nodes
    url = f"ws://127.0.0.1:{balancer.port}{urlsplit(first.url).path}"

    async def play() -> tuple[Chargers, NodeProcess]:
        async with Chargers(6, lambda: [url]) as chargers:
            await chargers.charge(1)
            sql = "SELECT node FROM owners GROUP BY node ORDER BY count(*) DESC LIMIT 1"
            ((busiest,),) = await asyncio.to_thread(postgres.rows, sql, database=records)
            killed = first if busiest == first.name else second
            killed.end(signal.SIGKILL)
            await chargers.charge(2)
        return chargers, killed

    chargers, killed = asyncio.run(play())
    rows = postgres.rows("SELECT id, state FROM transactions", database=records)
    assert dict(rows) == {own: "completed" for each in chargers.each for own in each.ended}
    assert len(rows) == sum(each.asked for each in chargers.each)
    owners = postgres.rows("SELECT DISTINCT node FROM owners", database=records)
    assert owners == [(second.name if killed is first else first.name,)]


def test_a_drained_node_gets_no_new_chargers(balancer, nodes, records, postgres) -> None:
    first, second = nodes
    url = f"ws://127.0.0.1:{balancer.port}{urlsplit(first.url).path}"

    async def play() -> None:
        async with Chargers(6, lambda: [url]) as chargers:
            await chargers.charge(1)
            await asyncio.to_thread(
                postgres.rows,
                "UPDATE nodes SET draining = true WHERE id = $1", first.name, database=records,
            )  # fmt: skip
            await asyncio.to_thread(until, lambda: first.exit_code is not None, LIMIT_S)
            assert first.exit_code == 0, first.log
            await chargers.charge(2)

    asyncio.run(play())
    owners = postgres.rows("SELECT DISTINCT node FROM owners", database=records)
    assert owners == [(second.name,)]
