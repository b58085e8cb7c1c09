"""Nodes that are killed or frozen: what was acknowledged stays, once, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from chargepoint_driver.simulator.ocpp import Twins
from tests.postgres_server import Postgres
from tests.unit.events.engines import until

from . import node_freeze, node_kills
from .nodes import TOKEN, NodeProcess
from .site import Site, site

LIMIT_S = 60.0
LEASE_S = 2.0


@pytest.fixture(scope="module")
def running(postgres) -> Iterator[Site]:
    with site(postgres=postgres, lease_s=LEASE_S) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Site) -> Site:
    """Two nodes, also after a test that has ended them."""
    for each in running.nodes:
        if not each.is_started:
            each.start()
    running.alive = list(running.nodes)
    return running


def test_nothing_is_lost_doubled_or_sent_twice_when_nodes_are_killed(fleet: Site) -> None:
    figures = asyncio.run(node_kills.play(fleet, 2, 12, prefix="K"))
    assert [each.what for each in figures if not each.good] == []


def test_a_frozen_node_sends_nothing_without_a_lease(fleet: Site) -> None:
    found = asyncio.run(node_freeze.play(fleet, 2 * LEASE_S, 4))
    assert found.is_good, found
    assert found.moved == 4


def test_a_shed_ends_by_itself_when_no_node_is_left(fleet: Site) -> None:
    with Twins(fleet.nodes[0].url, 1, speed=1, longest_backoff_s=1) as twins:
        twins.wait_connected(LIMIT_S)
        (name,) = twins.ids
        twins.start_charging(name)
        twins.wait(name, lambda state: state["connectors"][0]["status"] == "Charging", LIMIT_S)
        body = {"connector": 1, "allowed_load_kw": 3, "minutes": 0.1}
        answer = _post(fleet.nodes[1], f"/charge-points/{name}/limit", body)
        assert answer.status_code == 200, answer.text

        def limit_kw() -> float:
            return float(twins.state(name)["connectors"][0]["limit_kw"])

        assert limit_kw() == 3
        for each in fleet.nodes:
            each.end(signal.SIGKILL)
        until(lambda: limit_kw() == 22, LIMIT_S)


def test_what_an_older_socket_sends_is_not_written(nodes, records, postgres) -> None:
    """A half-open socket: the charger has connected to another node."""
    first, second = nodes
    options = {"subprotocols": ["ocpp1.6"], "proxy": None, "ping_interval": None}
    begin = {
        "connectorId": 1, "idTag": "tag", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"
    }  # fmt: skip
    with connect(f"{first.url}/CP1", **options) as old:
        transaction = _ask(old, "StartTransaction", begin)["transactionId"]
        with connect(f"{second.url}/CP1", **options) as new:
            _ask(new, "Heartbeat", {})
            end = {
                "transactionId": transaction, "meterStop": 99, "timestamp": "2026-01-01T01:00:00Z"
            }  # fmt: skip
            # Before the first node hears of the claim.
            old.send(json.dumps([2, "late", "StopTransaction", end]))
            received, code = _rest(old)
            assert code == 1012
            assert [frame for frame in received if frame[0] == 3] == []
            assert _states(postgres, records) == {transaction: "active"}
            end["meterStop"] = 50
            _ask(new, "StopTransaction", end)
    rows = postgres.rows("SELECT id, state, meter_stop FROM transactions", database=records)
    assert rows == [(transaction, "completed", 50)]


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


def _post(node: NodeProcess, path: str, body: dict) -> requests.Response:
    return requests.post(
        f"{node.control_url}{path}",
        json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=LIMIT_S,
    )  # fmt: skip


def _states(postgres: Postgres, records: str) -> dict[int, str]:
    return dict(postgres.rows("SELECT id, state FROM transactions", database=records))
