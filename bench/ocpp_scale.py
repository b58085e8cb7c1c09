"""Cost of a charger in the central system, from 100 to 20,000 of them at once.

What a user gains: ten times the chargers take ten times the processor time and memory, no more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import uvloop

from bench.figure import Figure
from bench.ocpp_load import Load
from bench.ocpp_servers import Child, child
from chargepoint_driver.process import descriptors

SIZES = (100, 1_000, 10_000, 20_000)
SECONDS = 3.0
# Of each process: what it needs besides sockets.
RESERVED = descriptors.RESERVED + 100


def figures() -> Iterator[Figure]:
    """All sockets send MeterValues, each the next one when the one before was answered."""
    room = descriptors.raise_soft_limit() - RESERVED
    costs: dict[int, tuple[float, float]] = {}
    for wanted in SIZES:
        # Of 20,000 as many as this machine's limit of open files allows (ulimit -n).
        number = min(wanted, room // 100 * 100)
        if number in costs:
            reason = f"this process may open {room + RESERVED:,} files (ulimit -n)"
            yield Figure(f"{wanted:,} sockets that send MeterValues", None, "", skipped=reason)
            continue
        what = f"{number:,} sockets that send MeterValues"
        with tempfile.TemporaryDirectory() as folder, child("ours", folder) as server:
            costs[number] = uvloop.run(_costs(server, number))
        message_us, kib = costs[number]
        yield Figure(f"{what}, processor time of a message", message_us, "µs")
        yield Figure(f"{what}, memory of each", kib, "KiB", at_most=60)
    most = max(costs)
    yield Figure(
        f"processor time of a message at {most:,} sockets against that at {SIZES[0]}",
        costs[most][0] / costs[SIZES[0]][0],
        "times",
        at_most=4,
    )


async def _costs(server: Child, number: int) -> tuple[float, float]:
    """(µs of the server's processor for a message, KiB for a socket)."""
    before_kib = server.memory_kib
    load = Load(server.ready, number)
    await load.open()
    await load.messages_per_s(1.0)  # each has its state
    await load.drained()
    kib = (server.memory_kib - before_kib) / number
    answers, processor_s = load.answers, server.processor_s
    await load.messages_per_s(SECONDS)
    await load.drained()
    message_s = (server.processor_s - processor_s) / (load.answers - answers)
    load.close()
    return 1e6 * message_s, kib
