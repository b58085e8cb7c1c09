"""Nodes of a fleet with thousands of chargers, `make fleet-bench`: commands through another node,
the chargers of a lost node at the two others, memory of idle chargers.

What a user gains: each node can command every charger, and a lost node is made up for in seconds.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from bench.crowd import PREFIX, crowd
from bench.figure import Figure
from bench.fleet_engines import missing, open_tables
from bench.ocpp_load import Load
from bench.ocpp_servers import Child, child
from bench.ocpp_sessions import Charging
from tests.postgres_server import Postgres, postgres_server
from tests.unit.events import engines

CHARGERS = 2_000
EVERY_S = 10
BLOCKS = 20
COMMANDS = 25  # of a block
SOCKETS = 10_000
CROWDS = 4
IDLE = (5_000, 10_000)
WARM = 500
SESSIONS = 10
PATIENCE_S = 180


def figures() -> Iterator[Figure]:
    """Children on one machine: by the clock the figures are those of a busy one."""
    reason = missing()
    if reason is None and not engines.nats_binaries():
        reason = "nats-server is not installed"
    if reason is not None:
        yield Figure("nodes of a fleet with thousands of chargers", None, "", skipped=reason)
        return
    with postgres_server() as postgres:
        yield from _commands(postgres)
        yield from _storm(postgres)
        yield from _memory(postgres)


# ---- commands ----------------------------------------------------------------------------


def _commands(postgres: Postgres) -> Iterator[Figure]:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        nats = running.enter_context(engines.nats_server(folder))
        dsn, url = open_tables(postgres), f"nats://127.0.0.1:{nats.port}"
        own, other = (
            running.enter_context(child("node", folder, dsn, name, 0, url))
            for name in ("node-1", "node-2")
        )
        near, far = (sorted(took) for took in uvloop.run(_alternately(own, other)))
    what = f"RemoteStartTransaction, {CHARGERS:,} chargers that charge"
    last = len(near) * 99 // 100 - 1
    yield Figure(f"{what}, through its own node, median", 1e3 * statistics.median(near), "ms")
    yield Figure(f"{what}, through the other node, median", 1e3 * statistics.median(far), "ms")
    yield Figure(f"{what}, through its own node, p99", 1e3 * near[last], "ms")
    yield Figure(f"{what}, through the other node, p99", 1e3 * far[last], "ms", at_most=100)
    added_ms = 1e3 * (far[last] - near[last])
    yield Figure(f"{what}, what the other node adds to p99", added_ms, "ms", at_most=20)


async def _alternately(own: Child, other: Child) -> tuple[list[float], list[float]]:
    """Seconds that commands take through the node of the chargers, and through another one."""
    load = Load(own.ready, CHARGERS, kind=Charging)
    await load.open()
    rate = CHARGERS / EVERY_S
    await load.paced(2 * rate, 1.2 * CHARGERS / (2 * rate))  # each begins its session
    meters = asyncio.create_task(load.paced(rate, 1e6))
    ids = [f"LOAD{number}" for number in range(CHARGERS)]
    took: dict[Child, list[float]] = {own: [], other: []}
    for block in range(BLOCKS + 1):
        for node, found in took.items():
            times = await asyncio.to_thread(
                node.ask, "remote_starts", ids=ids, times=COMMANDS, every_s=0.02
            )
            found.extend(times if block else ())  # the first opens connections
    meters.cancel()
    load.close()
    return took[own], took[other]


# ---- a lost node -------------------------------------------------------------------------


def _storm(postgres: Postgres) -> Iterator[Figure]:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        dsn = open_tables(postgres)
        nodes = [
            running.enter_context(child("node", folder, dsn, f"node-{number}"))
            for number in range(3)
        ]
        each = SOCKETS // CROWDS
        crowds = [running.enter_context(crowd(each * n, each)) for n in range(CROWDS)]
        ports = [node.ready for node in nodes]
        assert sum(answer["failed"] for answer in _together(crowds, ports)) == 0
        nodes[2].kill()
        for part in crowds:
            part.ask("close")
        _until(lambda: all(node.ask("connected") == 0 for node in nodes[:2]))
        (since,) = postgres.rows("SELECT now()", database=dsn)[0]
        begun_s = time.monotonic()
        failed = sum(answer["failed"] for answer in _together(crowds, ports[:2]))
        took_s = time.monotonic() - begun_s
        held = sum(node.ask("connected") for node in nodes[:2])
        claimed, statements = postgres.rows(
            "SELECT count(*), count(DISTINCT xmin::text) FROM owners WHERE claimed > $1",
            since, database=dsn,
        )[0]  # fmt: skip
    what = f"{SOCKETS:,} sockets at once onto 2 of 3 nodes, the third was killed"
    yield Figure(f"{what}: until all have booted", took_s, "s", at_most=60)
    yield Figure(f"{what}: connections that failed", failed, "", at_most=0)
    yield Figure(f"{what}: chargers without a node", SOCKETS - held, "", at_most=0)
    yield Figure(
        f"{what}: chargers of one statement that claims",
        claimed / statements,
        "chargers",
        at_least=50,
    )


def _together(crowds: Sequence[Child], ports: list[int]) -> list[dict[str, float]]:
    for part in crowds:
        part.send("connect", ports=ports)
    return [part.answer() for part in crowds]


# ---- memory ------------------------------------------------------------------------------


def _memory(postgres: Postgres) -> Iterator[Figure]:
    for number in IDLE:
        kib = _memory_of(postgres, number, sessions=0)
        what = f"memory of each of {number:,} idle chargers in a node, with its claim"
        yield Figure(what, kib, "KiB", at_most=25)
    number = IDLE[0]
    kib = _memory_of(postgres, number, sessions=SESSIONS)
    what = f"memory of each of {number:,} idle chargers in a node, with {SESSIONS} sessions each"
    yield Figure(what, kib, "KiB", at_most=25)


def _memory_of(postgres: Postgres, number: int, sessions: int) -> float:
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())
        dsn = open_tables(postgres)
        if sessions:
            postgres.rows(_SESSIONS, number + WARM, sessions, PREFIX, database=dsn)
        node = running.enter_context(child("node", folder, dsn, "node-1"))
        warm = running.enter_context(crowd(0, WARM))
        rest = running.enter_context(crowd(WARM, number))
        assert warm.ask("connect", ports=[node.ready])["failed"] == 0
        time.sleep(3)
        before_kib = node.memory_kib
        assert rest.ask("connect", ports=[node.ready])["failed"] == 0
        time.sleep(3)
        return (node.memory_kib - before_kib) / number


_SESSIONS = (
    "INSERT INTO transactions (id, charge_point, connector, wire_id, id_tag, start_time,"
    " meter_start, stop_time, meter_stop, last_time, last_wh, reason, state, origin, received,"
    " request, stop_request, closed, gaps, offline, register_resets, carried_wh, in_question)"
    " SELECT charger * $2 + session, $3 || lpad(charger::text, 5, '0'), 1,"
    " (charger * $2 + session)::text, '04A2B3C4D5', now_s - 7200 * session, 0,"
    " now_s - 7200 * session + 3600, 11000, now_s - 7200 * session + 3600, 11000, 'Local',"
    " 'completed', 'start', now_s - 7200 * session,"
    " '1|04A2B3C4D5|2026-11-29T12:00:00.000Z|' || session, 'end of ' || session,"
    " now_s - 7200 * session + 3600, 0, 0, 0, 0, 0"
    " FROM extract(epoch FROM now()) AS now_s, generate_series(0, $1::bigint) AS charger,"
    " generate_series(1, $2::bigint) AS session"
)


def _until(true) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "not within the limit"
        time.sleep(0.2)
