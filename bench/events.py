"""The event stream of a central system: what it costs, how late it is, what is lost.

What a user gains: other systems follow every charger within a second, and no charger waits.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats

from bench.figure import Figure
from bench.ocpp_load import Load
from bench.ocpp_servers import Child, child
from chargepoint_driver.config.sinks import NatsSinkConfig
from chargepoint_driver.events.envelope import seconds
from chargepoint_driver.events.sinks.jetstream import JetStreamSink
from tests.unit.events import engines

SOCKETS = 50
TURNS = 7
SECONDS = 2.0
# Answers are timed at a rate well below what the machine can do, in short blocks that alternate.
PACED_SOCKETS = 300
PACED_PER_S = 1_000
PACED_BLOCK_S = 0.5
PACED_MINUTES = 2.0
LATE_S = 4.0
LATE_PER_S = 50
STATUSES = 20_000
READINGS = 3
_SERVERS = ("none", "file", "away")


def figures() -> Iterator[Figure]:
    """Servers with and without a sink take turns, so that a busy machine meets all of them."""
    if not engines.nats_binaries():
        for what in ("the event stream", "the latest status"):
            yield Figure(what, None, "", skipped="nats-server is not installed")
        return
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        port = engines.free_port()
        sinks = {
            "none": {},
            "file": {"file": {"type": "file", "path": str(folder / "out.jsonl")}},
            "away": {"nats": {"type": "nats", "servers": [f"nats://127.0.0.1:{port}"]}},
        }
        servers = {}
        for name in _SERVERS:
            place = folder / name
            place.mkdir()
            made = child("ours", place, 0, 3600, json.dumps(sinks[name]))
            servers[name] = running.enter_context(made)
        yield from asyncio.run(_costs(servers))
        yield from lost(servers["away"], folder, port)
    yield from _latency()
    with tempfile.TemporaryDirectory() as place, engines.nats_server(Path(place)) as server:
        took_s = asyncio.run(_statuses(f"nats://127.0.0.1:{server.port}"))
    yield Figure(
        f"latest status of {STATUSES:,} chargers, read by a new consumer (JetStream bucket)",
        took_s,
        "s",
        at_most=3,
    )


async def _costs(servers: dict[str, Child]) -> list[Figure]:
    loads = {name: Load(server.ready, SOCKETS) for name, server in servers.items()}
    for load in loads.values():
        await load.open()
    costs: dict[str, list[float]] = {name: [] for name in servers}
    whole: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(TURNS):
        for name, server in servers.items():
            load = loads[name]
            loop_s, all_s, answers = server.busiest_thread_s, server.processor_s, load.answers
            await load.messages_per_s(SECONDS)
            count = load.answers - answers
            costs[name].append(1e6 * (server.busiest_thread_s - loop_s) / count)
            await _relayed(server)
            whole[name].append(1e6 * (server.processor_s - all_s) / count)
    for load in loads.values():
        load.close()
    ratio, _ = await answer_times(servers["away"], servers["none"], minutes=PACED_MINUTES)
    ratios = [file / none for file, none in zip(costs["file"], costs["none"], strict=True)]
    return [
        Figure(
            "outbox: processor time of the chargers' loop for MeterValues, with a sink to without",
            statistics.median(ratios),
            "times",
            at_most=1.1,
        ),
        Figure(
            "MeterValues, without a sink, whole process", statistics.median(whole["none"]), "µs"
        ),
        Figure(
            "MeterValues, with a file sink, whole process", statistics.median(whole["file"]), "µs"
        ),
        Figure(
            "answers to chargers, p99, a sink away to no sink",
            ratio,
            "times",
            at_most=1.1,
        ),
    ]


async def _relayed(server: Child) -> None:
    """Wait until a file sink has everything, so that its work is in nobody else's turn."""
    while server.ask("sinks_waiting").get("file"):
        await asyncio.sleep(0.05)


async def answer_times(*servers: Child, minutes: float) -> tuple[float, int]:
    """p99 of the time until an answer, of the first server to the second; how many were timed.

    Blocks of both alternate. The medians of their p99 are compared: what disturbs the machine for
    a moment is in few blocks.
    """
    loads = [Load(server.ready, PACED_SOCKETS, first=10_000) for server in servers]
    for load in loads:
        await load.open()
        await load.paced(PACED_PER_S, PACED_BLOCK_S)
    worst: list[list[float]] = [[] for _ in loads]
    count = 0
    turns = list(zip(loads, worst, strict=True))
    end_s = time.monotonic() + 60 * minutes
    while time.monotonic() < end_s:
        for load, found in turns:
            took = await load.paced(PACED_PER_S, PACED_BLOCK_S)
            found.append(statistics.quantiles(took, n=100)[98])
            count += len(took)
        turns.reverse()
    for load in loads:
        load.close()
    ours, others = (statistics.median(found) for found in worst)
    return ours / others, count


def lost(server: Child, folder: Path, port: int) -> Iterator[Figure]:
    """The sink that was away comes back: what is not in the stream then?"""

    def start(_: int) -> list[str]:
        binary = engines.nats_binaries()[0]
        return [binary, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "late")]

    late = engines.Engine.__new__(engines.Engine)
    late._command, late._log, late._child, late.port = start, folder / "late.log", None, port
    late.start_again()
    try:
        begun = time.perf_counter()
        _until(lambda: server.ask("sinks_waiting")["nats"] == 0)
        took_s = time.perf_counter() - begun
        stored = server.ask("events")
        count = asyncio.run(_count(f"nats://127.0.0.1:{port}"))
    finally:
        late.kill()
    yield Figure(
        f"events lost by a sink that was away while {stored:,} came", stored - count, "", at_most=0
    )
    yield Figure("events a second when it is there again", stored / took_s, "/s")


async def _count(url: str) -> int:
    nc = await nats.connect(url)
    try:
        return int((await nc.jetstream().stream_info("CHARGEPOINT")).state.messages)
    finally:
        await nc.close()


def _latency() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place, engines.nats_server(Path(place)) as server:
        url = f"nats://127.0.0.1:{server.port}"
        sinks = json.dumps({"nats": {"type": "nats", "servers": [url]}})
        with child("ours", place, 0, 3600, sinks) as ours:
            took = asyncio.run(_late(ours, url))
    yield Figure(
        "event received to its consumer (JetStream), p99, 50 messages a second",
        statistics.quantiles(took, n=100)[98],
        "s",
        at_most=1,
    )


async def _late(ours: Child, url: str) -> list[float]:
    load = Load(ours.ready, SOCKETS)
    await load.open()
    nc = await nats.connect(url)
    took: list[float] = []
    for _ in range(200):
        try:
            await nc.jetstream().stream_info("CHARGEPOINT")
            break
        except Exception:  # noqa: BLE001 - the stream is not made yet
            await asyncio.sleep(0.05)

    async def take(message: Any) -> None:
        took.append(time.time() - seconds(json.loads(message.data)["received"]))

    await nc.jetstream().subscribe("cp.ev.>", cb=take, ordered_consumer=True)
    await asyncio.sleep(1)
    took.clear()
    await load.paced(LATE_PER_S, LATE_S)
    await asyncio.sleep(1)
    load.close()
    await nc.close()
    return took


async def _statuses(url: str) -> float:
    """Seconds until a new consumer has every status."""
    sink = JetStreamSink("bench", NatsSinkConfig(type="nats", servers=(url,)))
    await sink.open()
    connectors = [{"connector_id": number, "status": "Available"} for number in (1, 2)]
    documents = [
        {
            "charge_point_id": f"CP{number}",
            "account": "garage",
            "composite_status": "up",
            "connectors": connectors,
        }
        for number in range(STATUSES)
    ]
    for begin in range(0, STATUSES, 500):
        await sink.put_status(documents[begin : begin + 500])
    await sink.close()
    return min([await _read_all(url) for _ in range(READINGS)])


async def _read_all(url: str) -> float:
    begun = time.perf_counter()
    nc = await nats.connect(url)
    bucket = await nc.jetstream().key_value("cp_status")
    watcher = await bucket.watchall()
    found = {}
    while (entry := await watcher.updates(timeout=30)) is not None:
        found[entry.key] = json.loads(entry.value)
    took_s = time.perf_counter() - begun
    await nc.close()
    assert len(found) == STATUSES
    return took_s


def _until(is_so: Callable[[], bool], limit_s: float = 300.0) -> None:
    end_s = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.1)
