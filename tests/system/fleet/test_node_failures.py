"""A node that is killed, and one that is frozen: what was acknowledged stays, once."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections import Counter

import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.postgres_server import Postgres

from .chargers import Chargers
from .nodes import TOKEN, NodeProcess

LIMIT_S = 30.0
LEASE_S = 2.0


def test_nothing_acknowledged_is_lost_or_doubled_when_nodes_are_killed(
    nodes, records, postgres
) -> None:
    first, second = nodes
    alive = [first, second]

    async def play() -> Chargers:
        async with Chargers(12, lambda: [each.url for each in alive]) as chargers:
            await chargers.charge(2)
            for killed in (first, second):
                killed.end(signal.SIGKILL)
                alive.remove(killed)
                await chargers.charge(2)
                # Under its name again, after the lease that it had.
                await asyncio.to_thread(killed.start)
                alive.append(killed)
            await chargers.charge(1)
        return chargers

    chargers = asyncio.run(play())
    rows = postgres.rows(
        "SELECT charge_point, id, state, meter_start, meter_stop FROM transactions",
        database=records,
    )
    found = {(name, own_id): (state, begin, end) for name, own_id, state, begin, end in rows}
    for each in chargers.each:
        assert len(each.begun) == each.asked
        for transaction in each.begun:
            begin = each.ended[transaction] - 7
            wanted = ("completed", begin, each.ended[transaction])
            assert found.pop((each.name, transaction)) == wanted
    # Nothing is left over: no begin was stored under two ids, no end became an orphan.
    assert found == {}
    ids = Counter(own_id for _, own_id, *_ in rows)
    assert max(ids.values()) == 1


def test_a_frozen_node_writes_and_sends_nothing_of_what_others_have(
    nodes, records, postgres
) -> None:
    frozen, other = nodes
    options = {"subprotocols": ["ocpp1.6"], "proxy": None, "ping_interval": None}
    with connect(f"{frozen.url}/CP1", **options) as old:
        begin = {
            "connectorId": 1, "idTag": "tag", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"
        }  # fmt: skip
        transaction = _ask(old, "StartTransaction", begin)["transactionId"]
        frozen.send(signal.SIGSTOP)
        stopped_s = time.monotonic()
        # Both wait in the kernel until the node goes on.
        end = {"transactionId": transaction, "meterStop": 99, "timestamp": "2026-01-01T01:00:00Z"}
        old.send(json.dumps([2, "late", "StopTransaction", end]))
        answers: list[requests.Response | Exception] = []
        command = threading.Thread(target=lambda: answers.append(_command(frozen, "CP1")))
        command.start()
        with connect(f"{other.url}/CP1", **options) as new:
            _ask(new, "Heartbeat", {})
            time.sleep(max(0.0, stopped_s + 2 * LEASE_S - time.monotonic()))
            frozen.send(signal.SIGCONT)
            received, code = _rest(old)
            command.join(LIMIT_S)
            assert code == 1012, frozen.log
            assert [frame for frame in received if frame[0] != 4] == []
            assert answers[0].status_code in (404, 503), answers[0].text
            assert _states(postgres, records) == {transaction: "active"}
            end["meterStop"] = 50
            _ask(new, "StopTransaction", end)
        assert _states(postgres, records) == {transaction: "completed"}
        # It serves again, under its renewed lease.
        with connect(f"{frozen.url}/CP2", **options) as again:
            assert _ask(again, "StartTransaction", begin)["transactionId"] > transaction


def _ask(socket, action: str, payload: dict) -> dict:
    socket.send(json.dumps([2, "m", action, payload]))
    while True:
        frame = json.loads(socket.recv(LIMIT_S))
        if frame[0] != 2:
            assert frame[0] == 3, frame
            return frame[2]


def _rest(socket) -> tuple[list, int]:
    """Return what still comes, and the code with which the socket is closed."""
    received = []
    while True:
        try:
            received.append(json.loads(socket.recv(LIMIT_S)))
        except ConnectionClosed as error:
            return received, 0 if error.rcvd is None else error.rcvd.code


def _command(node: NodeProcess, station: str) -> requests.Response:
    return requests.post(
        f"{node.control_url}/charge-points/{station}/ClearCache",
        data="{}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=LIMIT_S,
    )  # fmt: skip


def _states(postgres: Postgres, records: str) -> dict[int, str]:
    return dict(postgres.rows("SELECT id, state FROM transactions", database=records))
