"""A sink that is away for ten minutes under load, in full: `make away`. MINUTES makes it shorter.

What a user gains: a broker may be away for long, and no charger and no event pays for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.events import answer_times, lost
from bench.figure import Figure
from bench.ocpp_servers import child
from tests.unit.events import engines

MAX_MINUTES = 10.0


def figures() -> Iterator[Figure]:
    """Two servers take turns, of which one has a sink that is away all the time."""
    if not engines.nats_binaries():
        yield Figure("a sink away for long", None, "", skipped="nats-server is not installed")
        return
    minutes = min(MAX_MINUTES, float(os.environ.get("MINUTES") or MAX_MINUTES))
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        port = engines.free_port()
        sinks = {
            "nats": {
                "type": "nats",
                "servers": [f"nats://127.0.0.1:{port}"],
                "stream_bytes": 10_000_000_000,
            }
        }
        servers = []
        for name, sink in (("away", sinks), ("none", {})):
            (folder / name).mkdir()
            made = child("ours", folder / name, 0, 3600, json.dumps(sink))
            servers.append(running.enter_context(made))
        ratio, count = asyncio.run(answer_times(*servers, minutes=minutes))
        yield Figure(f"answers to chargers in {minutes:g} minutes", count, "")
        yield Figure(
            f"answers to chargers, p99, a sink away for {minutes:g} minutes to no sink",
            ratio,
            "times",
            at_most=1.1,
        )
        yield from lost(servers[0], folder, port)
