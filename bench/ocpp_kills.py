"""kill -9 of the central system, again and again, while charge points begin and end transactions.

A charge point here keeps what real ones must: a request that was not answered is sent again, the
same, after it has reconnected. What it was answered is held against the database at the end.

What a user gains: no energy that a charger was acknowledged is lost or counted twice.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from bench.figure import Figure
from bench.ocpp_servers import Child

KILLS = 50
CHARGE_POINTS = 8
TRAFFIC_S = 0.4


class Charger(threading.Thread):
    """Begins and ends transactions until `finish`."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(name=name)
        self._url = f"ws://127.0.0.1:{port}/ocpp/{name}"
        self._numbers = iter(range(1, 1 << 30))
        self.started: dict[int, int] = {}  # acknowledged id -> meterStart, which is its own
        self.stopped: dict[int, int] = {}
        self.is_finishing = False
        self.resent = 0

    def run(self) -> None:
        """Every request until it is answered."""
        work = self._work()
        frame = next(work)
        while True:
            try:
                with connect(
                    self._url,
                    subprotocols=["ocpp1.6"],  # type: ignore[list-item]
                    compression=None,
                    proxy=None,
                    open_timeout=5,
                ) as socket:
                    while True:
                        socket.send(json.dumps(frame))
                        answer = json.loads(socket.recv(10))
                        assert answer[:2] == [3, frame[1]], answer
                        frame = work.send(answer[2])
            except StopIteration:
                return
            except (WebSocketException, OSError, EOFError):
                self.resent += 1
                time.sleep(0.02)

    def _work(self) -> Iterator[Any]:
        while not self.is_finishing:
            meter = next(self._numbers)
            body = {"connectorId": 1, "idTag": "K", "meterStart": meter, "timestamp": _now()}
            found = yield [2, f"s{meter}", "StartTransaction", body]
            transaction = found["transactionId"]
            self.started[transaction] = meter
            body = {"transactionId": transaction, "meterStop": meter + 7, "timestamp": _now()}
            yield [2, f"e{meter}", "StopTransaction", body]
            self.stopped[transaction] = meter + 7


def figures() -> Iterator[Figure]:
    """Return what the database holds against what was acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        server = Child("ours", folder)
        chargers = [Charger(f"K{number}", server.ready) for number in range(CHARGE_POINTS)]
        for charger in chargers:
            charger.start()
        for _ in range(KILLS):
            time.sleep(TRAFFIC_S)
            server.kill()
            server = Child("ours", folder, server.ready)
        for charger in chargers:
            charger.is_finishing = True
        for charger in chargers:
            charger.join(60)
            assert not charger.is_alive()
        server.close()
        with closing(sqlite3.connect(Path(folder) / "bench.sqlite")) as db:
            rows = db.execute(
                "SELECT charge_point, id, meter_start, meter_stop, state FROM transactions"
            ).fetchall()
    lost = doubled = 0
    for charger in chargers:
        own = {row[1]: row for row in rows if row[0] == charger.name}
        lost += sum(own.get(it, (0,) * 5)[2] != wh for it, wh in charger.started.items())
        lost += sum(
            own.get(it, (0,) * 5)[3:] != (wh, "completed") for it, wh in charger.stopped.items()
        )
        doubled += len(own) - len({row[2] for row in own.values()})
    acknowledged = sum(len(charger.started) for charger in chargers)
    what = f"kill -9 {KILLS} times during transactions"
    yield Figure(f"{what}, transactions acknowledged", acknowledged, "transactions")
    yield Figure(f"{what}, connections broken", sum(c.resent for c in chargers), "times")
    yield Figure(f"{what}, acknowledged and lost", lost, "transactions", at_most=0)
    yield Figure(f"{what}, doubled", doubled, "transactions", at_most=0)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
