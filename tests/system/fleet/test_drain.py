"""A node that is drained: its chargers go to the other one, and it ends."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import time

import requests

from tests.postgres_server import EXAMPLES

from .chargers import Chargers
from .nodes import PROGRAM, NodeProcess

LIMIT_S = 60.0


def test_a_drained_node_ends_and_its_chargers_go_on_elsewhere(nodes, records, postgres) -> None:
    first, second = nodes
    assert _health(first) == (200, "ok\n")

    async def play() -> Chargers:
        async with Chargers(6, lambda: [each.url for each in nodes]) as chargers:
            await chargers.charge(1)
            stop = subprocess.Popen(stop_of(first), stdout=subprocess.PIPE, text=True)
            end_s = time.monotonic() + LIMIT_S
            while (code := first.exit_code) is None:
                # systemd ends the node by force when this command has ended.
                assert stop.poll() is None
                assert time.monotonic() < end_s, first.log
                await asyncio.sleep(0.05)
            assert code == 0, first.log
            said, _ = await asyncio.to_thread(stop.communicate, timeout=LIMIT_S)
            assert (stop.returncode, said.startswith("node-1 is drained")) == (0, True)
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


def stop_of(node: NodeProcess) -> list[str]:
    """Return what the shipped unit does to stop a node, with the paths of this one."""
    unit = (EXAMPLES / "chargepoint-node@.service").read_text()
    (line,) = re.findall("^ExecStop=(.*)$", unit, re.MULTILINE)
    for meant, ours in {
        "/opt/volttron/bin/chargepoint-driver": PROGRAM[0],
        "/etc/chargepoint/%i.json": str(node.config),
        "%i": node.name,
        "${MAINPID}": str(node.pid),
    }.items():
        assert meant in line
        line = line.replace(meant, ours)
    return shlex.split(line)


def _health(node) -> tuple[int, str]:
    answer = requests.get(node.health_url, timeout=LIMIT_S)
    return answer.status_code, answer.text
