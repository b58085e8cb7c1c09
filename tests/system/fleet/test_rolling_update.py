"""An update of nodes one after the other, over two versions of the tables."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib import import_module

import pytest

from tests.unit.events.engines import until

from .chargers import Chargers
from .nodes import PROGRAM, ROOT, NodeProcess

LIMIT_S = 60.0
NEXT = (sys.executable, "-m", "tests.system.fleet.next_release")


def run(program: tuple[str, ...], *words: str) -> str:
    """Run a command of a release, which must succeed."""
    done = subprocess.run(
        [*program, *words], cwd=ROOT, check=False, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def versions(postgres) -> tuple[int, int]:
    """Return the version of the tables of this release, and of the next one."""
    known = import_module("chargepoint_driver.backends.ocpp.postgres.schema").VERSION
    return known, known + 1


def test_chargers_charge_on_through_an_update(nodes, records, postgres, versions) -> None:
    known, newer = versions
    settings = ("--config", str(nodes[0].config))

    def update(node: NodeProcess) -> None:
        assert "is drained" in run(PROGRAM, "fleet", "drain", node.name, *settings)
        until(lambda: node.exit_code is not None, LIMIT_S)
        assert node.exit_code == 0, node.log
        node.program = NEXT
        node.start()

    async def play() -> Chargers:
        async with Chargers(6, lambda: [each.url for each in nodes]) as chargers:
            await chargers.charge(1)
            said = await asyncio.to_thread(run, NEXT, "fleet", "migrate", *settings)
            assert f"now have version {newer} (before: {known})" in said
            await chargers.charge(1)
            for node in nodes:
                await asyncio.to_thread(update, node)
                await chargers.charge(1)
        return chargers

    chargers = asyncio.run(play())
    found = json.loads(run(NEXT, "fleet", "status", "--json", *settings))
    assert found["schema_version"] == newer
    assert [row["schema_version"] for row in found["nodes"]] == [newer, newer]
    rows = postgres.rows("SELECT id, state, note FROM transactions", database=records)
    ended = {own for each in chargers.each for own in each.ended}
    assert {row[0]: row[1:] for row in rows} == dict.fromkeys(ended, ("completed", "-"))
    assert len(rows) == sum(each.asked for each in chargers.each)
