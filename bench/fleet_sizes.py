"""Costs of chargers in a node and in PostgreSQL: memory, bytes on the disk and in the log, and time
of PostgreSQL's processes.

What a user gains: the machines of a fleet can be planned.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trustme
from websockets.asyncio.client import ClientConnection, connect

from bench.figure import Figure
from tests.postgres_server import Postgres, postgres_server
from tests.system.fleet.nodes import NodeProcess
from tests.unit.backends.ocpp.nodes import make_tables

CHARGERS = 1_000
SESSIONS = 12
ROUNDS = 3
# Longer than a node keeps registers back: each value is a write of its own.
ROUND_S = 6.0
PATIENCE_S = 120
BOOT = {"chargePointVendor": "Bench", "chargePointModel": "One"}
_SIZE = (
    "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relname = ANY("
    "ARRAY['transactions', 'session_registers'])"
)


def figures() -> Iterator[Figure]:
    """Chargers on one node: first sessions alone, then one session each with meter values."""
    with postgres_server() as postgres, tempfile.TemporaryDirectory() as folder:
        dsn = postgres.database()
        make_tables(dsn)
        node = NodeProcess(Path(folder), dsn, "node-1").start()
        try:
            yield from asyncio.run(_measure(postgres, dsn, node))
        finally:
            node.end()
        context, central_system = _tls(Path(folder))
        node = NodeProcess(Path(folder), dsn, "node-2", central_system=central_system).start()
        try:
            yield asyncio.run(_measure_tls(node, context))
        finally:
            node.end()


def _tls(folder: Path) -> tuple[ssl.SSLContext, dict[str, Any]]:
    """Return what chargers trust, and the keys of a central system with TLS."""
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    certificate = {"certificate": str(folder / "server.pem"), "key": str(folder / "server.pem")}
    return context, {
        "listen": "127.0.0.1:0", "database": str(folder / "node-2.db"), "tls": certificate,
        "boot_grace_s": 60, "configuration_delay_s": None,
    }  # fmt: skip


async def _measure_tls(node: NodeProcess, context: ssl.SSLContext) -> Figure:
    memory = _memory(node.pid)
    sockets = [await _connect(f"{node.url}/CP{number}", context) for number in range(CHARGERS)]
    await asyncio.gather(*(_ask(each, "BootNotification", BOOT) for each in sockets))
    each_kib = (_memory(node.pid) - memory) / CHARGERS
    for each in sockets:
        await each.close()
    return Figure("a charger connected with TLS in a node, memory", each_kib, "KiB")


async def _measure(postgres: Postgres, dsn: str, node: NodeProcess) -> list[Figure]:
    memory = _memory(node.pid)
    sockets = [await _connect(f"{node.url}/CP{number}") for number in range(CHARGERS)]
    await asyncio.gather(*(_ask(each, "BootNotification", BOOT) for each in sockets))
    connected = _memory(node.pid)
    before = await asyncio.to_thread(Costs, postgres, dsn)
    await asyncio.gather(*(_charge(each, SESSIONS) for each in sockets))
    middle = await asyncio.to_thread(Costs, postgres, dsn)
    charged = _memory(node.pid)
    running = await asyncio.gather(*(_begin(each, SESSIONS) for each in sockets))
    # The first write of a page after a checkpoint has the whole page in the log.
    await _meter_all(sockets, running, 0)
    begun = await asyncio.to_thread(Costs, postgres, dsn)
    for value in range(ROUNDS):
        await _meter_all(sockets, running, value + 1)
    after = await asyncio.to_thread(Costs, postgres, dsn)
    for each in sockets:
        await each.close()
    sessions, values = CHARGERS * SESSIONS, CHARGERS * ROUNDS
    return [
        Figure("a connected charger in a node, memory", (connected - memory) / CHARGERS, "KiB"),
        Figure(
            f"a charger with {SESSIONS} sessions in a node, memory",
            (charged - memory) / CHARGERS, "KiB",
        ),
        Figure("a session in PostgreSQL, disk", (middle.disk - before.disk) / sessions, "bytes"),
        Figure("a session in PostgreSQL, log (WAL)", (middle.log - before.log) / sessions, "bytes"),
        Figure(
            "a session in PostgreSQL, its processor time",
            1e6 * (middle.cpu_s - before.cpu_s) / sessions, "µs",
        ),
        Figure("a meter value in PostgreSQL, log (WAL)", (after.log - begun.log) / values, "bytes"),
        Figure(
            "a meter value in PostgreSQL, its processor time",
            1e6 * (after.cpu_s - begun.cpu_s) / values, "µs",
        ),
    ]  # fmt: skip


async def _connect(url: str, context: ssl.SSLContext | None = None) -> ClientConnection:
    return await connect(
        url, subprotocols=["ocpp1.6"], compression=None, proxy=None, ping_interval=None, ssl=context
    )


async def _meter_all(sockets: list[ClientConnection], running: list[int], value: int) -> None:
    """Send one value of each charger, and wait until the node has written it."""
    both = zip(sockets, running, strict=True)
    await asyncio.gather(*(_meter(each, own, value) for each, own in both))
    await asyncio.sleep(ROUND_S)


def _memory(pid: int) -> float:
    """Return the memory of a process in KiB."""
    (line,) = (
        each
        for each in Path(f"/proc/{pid}/status").read_text().splitlines()
        if each.startswith("VmRSS:")
    )
    return float(line.split()[1])


class Costs:
    """Use of PostgreSQL until now: bytes of tables and of the log, seconds of processors."""

    def __init__(self, postgres: Postgres, dsn: str) -> None:
        self.disk = postgres.rows(_SIZE, database=dsn)[0][0]
        self.log = int(
            postgres.rows("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn", database=dsn)[0][0]
        )
        own = _ticks(postgres.pid)
        children = Path(f"/proc/{postgres.pid}/task/{postgres.pid}/children").read_text().split()
        # Connections that have ended are in the server's own account.
        ticks = sum(own) + sum(sum(_ticks(int(each))[:2]) for each in children)
        self.cpu_s = ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> list[int]:
    """Return the time of a process in its own code and the system's, and the same of its children
    that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return [0]  # it has just ended, and is in the server's own account
    return [int(each) for each in fields[11:15]]


_numbers = itertools.count()


async def _ask(socket: ClientConnection, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps([2, f"m{next(_numbers)}", action, payload]))
    answer = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))
    assert answer[0] == 3, answer
    return answer[2]


async def _begin(socket: ClientConnection, session: int) -> int:
    begin = {"connectorId": 1, "idTag": "04A2B3C4D5E6F7", "meterStart": 1_000 * session}
    answer = await _ask(socket, "StartTransaction", {**begin, "timestamp": _iso(10 * session)})
    return int(answer["transactionId"])


async def _meter(socket: ClientConnection, own: int, value: int) -> None:
    sampled = {"value": str(1_000_000 + value), "measurand": "Energy.Active.Import.Register"}
    meter = {"timestamp": _iso(1_000 + value), "sampledValue": [sampled]}
    await _ask(
        socket, "MeterValues", {"connectorId": 1, "transactionId": own, "meterValue": [meter]}
    )


async def _charge(socket: ClientConnection, sessions: int) -> None:
    for session in range(sessions):
        end = {"transactionId": await _begin(socket, session), "meterStop": 1_000 * session + 900}
        await _ask(socket, "StopTransaction", {**end, "timestamp": _iso(10 * session + 9)})


def _iso(after_s: float) -> str:
    """Return a time of the last hour."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3_600 + after_s))
