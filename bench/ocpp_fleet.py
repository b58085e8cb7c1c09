"""A central system with 2,000 twins in another process: how long a command takes, and the
time until all are back after they lost their connection at once.

What a user gains: a command takes effect at once, and no session is lost when a line is cut.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bench.figure import Figure
from bench.ocpp_servers import Child, child

TWINS = 2_000
EVERY_S = 10
COMMANDS = 500
PATIENCE_S = 180


def figures() -> Iterator[Figure]:
    """All twins charge, and send meter values every ten seconds."""
    with tempfile.TemporaryDirectory() as folder:
        server = Child("ours", folder, 0, EVERY_S)
        port = server.ready
        try:
            with child("twins", f"ws://127.0.0.1:{port}/ocpp", TWINS, EVERY_S) as twins:
                twins.ask("connected", limit_s=PATIENCE_S)
                twins.ask("each", action="start", id_tag="A")
                _until(lambda: _running(folder) == TWINS)
                time.sleep(EVERY_S)
                yield from _commands(server, twins)
                server.close()
                begun = time.monotonic()
                server = Child("ours", folder, port, EVERY_S)
                accepted = twins.ask("connected", limit_s=PATIENCE_S)["accepted"]
                took_s = time.monotonic() - begun
                lost = TWINS - _running(folder)
                twins.ask("each", action="stop", connector=1)
                _until(lambda: _count(folder, "state = 'completed' AND id_tag = 'A'") == TWINS)
                unknown = _count(folder, "state IN ('orphan', 'lost')")
        finally:
            server.close()
    what = f"{TWINS:,} twins that reconnect at once"
    yield Figure(f"{what}, accepted", accepted, "twins", at_least=TWINS)
    yield Figure(f"{what}, until the last is accepted", took_s, "s")
    yield Figure(f"{what}, transactions lost", lost + unknown, "transactions", at_most=0)


def _commands(server: Child, twins: Child) -> Iterator[Figure]:
    server.ask("steps", begin=True)
    before, begun = server.ask("events"), time.monotonic()
    took = sorted(server.ask("remote_starts", ids=twins.ready, times=COMMANDS, every_s=0.02))
    rate = (server.ask("events") - before) / (time.monotonic() - begun)
    what = f"RemoteStartTransaction, {TWINS:,} charging twins"
    yield Figure(f"{what}, messages recorded meanwhile", rate, "/s")
    yield Figure(f"{what}, round trip, median", 1000 * took[COMMANDS // 2], "ms")
    yield Figure(
        f"{what}, round trip, p99", 1000 * took[COMMANDS * 99 // 100 - 1], "ms", at_most=100
    )
    steps = server.ask("steps", begin=False)
    what = "the central system's loop meanwhile: work without a pause, processor time"
    yield Figure(f"{what}, p99", 1000 * steps[len(steps) * 99 // 100], "ms")
    yield Figure(f"{what}, longest", 1000 * steps[-1], "ms", at_most=25)


def _running(folder: str) -> int:
    return _count(folder, "state = 'active' AND id_tag = 'A'")


def _count(folder: str, where: str) -> int:
    path = Path(folder) / "bench.sqlite"
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute(f"SELECT count(*) FROM transactions WHERE {where}").fetchone()[0])  # noqa: S608


def _until(true) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "not within the limit"
        time.sleep(0.2)
