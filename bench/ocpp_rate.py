"""What a central system takes in, and what a charge point that is silent costs it."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import uvloop

from bench.figure import Figure
from bench.ocpp_load import Load
from bench.ocpp_servers import Child, child

SOCKETS = 100
TURNS = 9
SECONDS = 2.0
IDLE = 1_000


def figures() -> Iterator[Figure]:
    """The median of the ratios of turns: one server, then the other; memory of connections.

    A server of one process is limited by its processor, so what counts is how many messages it
    takes in a second of processor time. By the clock the figure is the same on two cores that
    do nothing else; where they do, whoever sends for the faster server gets in its way.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        child("ours", folder) as ours,
        child("library") as library,
    ):
        turns = uvloop.run(_turns([library, ours]))
    what = "MeterValues with 8 values, one process"
    for number, name in enumerate(("the library's own server", "ours")):
        rates = [turn[number].clock for turn in turns]
        yield Figure(f"{what}, {name}", statistics.median(rates), "/s")
    yield Figure(
        f"{what}, ours against the library's own server, by the clock",
        statistics.median(ours.clock / library.clock for library, ours in turns),
        "times",
    )
    yield Figure(
        f"{what}, ours against the library's own server, by processor time",
        statistics.median(ours.processor / library.processor for library, ours in turns),
        "times",
        at_least=10,
    )
    with tempfile.TemporaryDirectory() as folder, child("ours", folder) as ours:
        kib = uvloop.run(_idle(ours))
    yield Figure(f"memory of each of {IDLE:,} idle connections", kib, "KiB", at_most=30)


class Rates(NamedTuple):
    """Messages per second, and per second of the server's processor time."""

    clock: float
    processor: float


async def _turns(servers: list[Child]) -> list[tuple[Rates, Rates]]:
    loads = [Load(server.ready, SOCKETS) for server in servers]
    for load in loads:
        await load.open()
    found = []
    for _ in range(TURNS):
        first, second = [
            await _rates(load, server) for load, server in zip(loads, servers, strict=True)
        ]
        found.append((first, second))
    for load in loads:
        load.close()
    return found


async def _rates(load: Load, server: Child) -> Rates:
    answers, processor_s = load.answers, server.processor_s
    clock = await load.messages_per_s(SECONDS)
    return Rates(clock, (load.answers - answers) / (server.processor_s - processor_s))


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
