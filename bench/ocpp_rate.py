"""What a central system takes in, and what a charge point that is silent costs it."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator

import uvloop

from bench.figure import Figure
from bench.ocpp_load import Load
from bench.ocpp_servers import Child, child

SOCKETS = 100
TURNS = 9
SECONDS = 2.0
IDLE = 1_000


def figures() -> Iterator[Figure]:
    """The median of the ratios of turns: one server, then the other; memory of connections."""
    with (
        tempfile.TemporaryDirectory() as folder,
        child("ours", folder) as ours,
        child("library") as library,
    ):
        rates = uvloop.run(_turns(ours.ready, library.ready))
    what = "MeterValues with 8 values, one process"
    yield Figure(f"{what}, the library's own server", statistics.median(b for _, b in rates), "/s")
    yield Figure(f"{what}, ours", statistics.median(a for a, _ in rates), "/s")
    yield Figure(
        f"{what}, ours against the library's own server",
        statistics.median(a / b for a, b in rates),
        "times",
        at_least=10,
    )
    with tempfile.TemporaryDirectory() as folder, child("ours", folder) as ours:
        kib = uvloop.run(_idle(ours))
    yield Figure(f"memory of each of {IDLE:,} idle connections", kib, "KiB", at_most=30)


async def _turns(ours: int, library: int) -> list[tuple[float, float]]:
    loads = [Load(ours, SOCKETS), Load(library, SOCKETS)]
    for load in loads:
        await load.open()
    found = []
    for _ in range(TURNS):
        first = await loads[0].messages_per_s(SECONDS)
        found.append((first, await loads[1].messages_per_s(SECONDS)))
    for load in loads:
        load.close()
    return found


async def _idle(ours: Child) -> float:
    """KiB that the process grew by, for each connection after the first hundred."""
    first, rest = Load(ours.ready, SOCKETS), Load(ours.ready, IDLE, first=SOCKETS)
    await first.open()
    await asyncio.sleep(1)
    before = ours.memory_kib
    await rest.open()
    await asyncio.sleep(2)
    grown = ours.memory_kib - before
    first.close()
    rest.close()
    return grown / IDLE
