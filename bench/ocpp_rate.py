"""Message rate of a central system, and the cost of a silent charger.

What a user gains: one core serves some thousands of chargers.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.figure import Figure
from bench.node_peer import NoNodeError, node_peer
from bench.ocpp_load import Load
from bench.ocpp_servers import Child, child

SOCKETS = 100
TURNS = 9
SECONDS = 2.0
IDLE = 1_000


def figures() -> Iterator[Figure]:
    """The median of turns that all servers take; memory of connections.

    A server of one process is limited by its processor, so what counts is how much of it a message
    takes. By the clock the figure is the same on two cores that do nothing else; where they do,
    the sender for the faster server gets in its way.
    """
    reason = ""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        servers = {
            "library": running.enter_context(child("library")),
            "ours": running.enter_context(child("ours", str(folder))),
        }
        try:
            servers["node"] = node_peer(folder)
        except NoNodeError as error:
            reason = str(error)
        else:
            running.callback(servers["node"].close)
        turns = uvloop.run(_turns(servers))
    what = "MeterValues with 8 values, one process"
    costs = {
        name: statistics.median(1e6 / turn[name].processor for turn in turns) for name in turns[0]
    }
    yield Figure(
        f"{what}, validated and stored: how many chargers a core serves",
        costs["ours"],
        "µs",
        at_most=45,
    )
    yield Figure(f"{what}, the library's own server, which stores nothing", costs["library"], "µs")
    yield Figure(
        f"{what}, npm's ocpp-rpc in strict mode, which stores nothing",
        costs.get("node"),
        "µs",
        skipped=reason,
    )
    yield Figure(
        f"{what}, ours against the library's own server, by the clock",
        statistics.median(turn["ours"].clock / turn["library"].clock for turn in turns),
        "times",
    )
    yield Figure(
        f"{what}, ours against the library's own server, by processor time",
        statistics.median(turn["ours"].processor / turn["library"].processor for turn in turns),
        "times",
        at_least=10,
    )
    with tempfile.TemporaryDirectory() as place, child("ours", place) as ours:
        kib = uvloop.run(_idle(ours))
    yield Figure(
        f"memory of each of {IDLE:,} idle connections",
        kib,
        "KiB",
        at_most=30,
        gain="a small machine keeps thousands of chargers connected.",
    )


class Rates(NamedTuple):
    """Messages per second, and per second of the server's processor time."""

    clock: float
    processor: float


async def _turns(servers: dict[str, Child]) -> list[dict[str, Rates]]:
    loads = {name: Load(server.ready, SOCKETS) for name, server in servers.items()}
    for load in loads.values():
        await load.open()
    found = [
        {name: await _rates(loads[name], server) for name, server in servers.items()}
        for _ in range(TURNS)
    ]
    for load in loads.values():
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
