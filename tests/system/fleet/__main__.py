"""`make node-kills`: nodes killed one after the other while chargers charge.

KILLS, CHARGERS and SEED are other numbers. Prints what was acknowledged, and what of it was lost or
doubled. Exit code 1 where anything was.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.postgres_server import postgres_server
from tests.unit.backends.ocpp.nodes import make_tables

from .chargers import Chargers
from .nodes import NodeProcess

NODES = 3


def play(kills: int, count: int, seed: int) -> bool:
    """Kill `kills` nodes; return True where nothing was lost or doubled."""
    chance = random.Random(seed)
    with postgres_server() as postgres, tempfile.TemporaryDirectory() as folder:
        dsn = postgres.database()
        make_tables(dsn)
        nodes = [NodeProcess(Path(folder), dsn, f"node-{each}") for each in range(NODES)]
        alive = [each.start() for each in nodes]
        waits: list[float] = []

        async def run() -> Chargers:
            async with Chargers(count, lambda: [each.url for each in alive]) as chargers:
                await chargers.charge(1)
                for _ in range(kills):
                    killed = chance.choice(alive)
                    await asyncio.sleep(chance.uniform(0.0, 1.0))
                    killed.end(signal.SIGKILL)
                    alive.remove(killed)
                    began_s = time.monotonic()
                    await chargers.charge(1)
                    waits.append(time.monotonic() - began_s)
                    await asyncio.to_thread(killed.start)
                    alive.append(killed)
            return chargers

        try:
            chargers = asyncio.run(run())
        finally:
            for each in nodes:
                each.end(signal.SIGKILL)
        rows = postgres.rows(
            "SELECT charge_point, id, state, meter_stop FROM transactions", database=dsn
        )
    found = {(name, own_id): (state, end) for name, own_id, state, end in rows}
    lost = [
        (each.name, transaction)
        for each in chargers.each
        for transaction, end in each.ended.items()
        if found.get((each.name, transaction)) != ("completed", end)
    ]
    asked = sum(each.asked for each in chargers.each)
    per_charger = Counter(name for name, *_ in rows)
    doubled = sum(max(0, per_charger[each.name] - each.asked) for each in chargers.each)
    print(f"kills of {NODES} nodes: {kills}, chargers: {count}")
    print(f"sessions acknowledged: {asked}, lost: {len(lost)}, doubled: {doubled}")
    print(
        "every charger ended another session after a kill: within "
        f"{sorted(waits)[len(waits) // 2]:.1f} s (median), {max(waits):.1f} s (longest)"
    )
    return not lost and not doubled


if __name__ == "__main__":
    is_good = play(
        int(os.environ.get("KILLS") or 15),
        int(os.environ.get("CHARGERS") or 60),
        int(os.environ.get("SEED") or 7),
    )
    sys.exit(not is_good)
