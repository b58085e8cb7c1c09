"""Accounts of a fleet through any of its nodes, while nodes are killed and frozen."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.fleet_client import FleetAccount
from chargepoint_driver.simulator import ManualClock, Simulator
from tests.unit.backends.ocpp.conftest import Charger

from .nodes import TOKEN, NodeProcess

PASSWORD = "secret"
STATION = "1:34001"
LOAD = {"a": {"attribute": "portLoad", "station": STATION, "port": 1}}
NOW = {"a": {**LOAD["a"], "currency": 0}}
LIMIT = {"attribute": "allowedLoad", "station": STATION, "port": 1}
# A read may wait for the next holder: its lease ends 3 s after the last renewal.
LOST_S = 5.0
LIMIT_S = 30.0
CALM_S = 2.5


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(clock=ManualClock(), password=PASSWORD) as made:
        yield made


@pytest.fixture
def nodes(records, nats, sim, tmp_path: Path) -> Iterator[list[NodeProcess]]:
    garage = {"username": sim.username, "password": PASSWORD, "endpoint": sim.soap_url}
    settings = {"nats": {"servers": [f"nats://127.0.0.1:{nats.port}"]}, "lease_s": 4}
    made = [
        NodeProcess(tmp_path, records, f"node-{each}", accounts={"garage": garage}, **settings)
        for each in (1, 2)
    ]
    try:
        yield [each.start() for each in made]
    finally:
        for each in made:
            each.end(signal.SIGKILL)


@pytest.fixture
def connect(nodes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    made: list[FleetAccount] = []

    def one(*first: NodeProcess, **fields: Any) -> FleetAccount:
        order = [*first, *(each for each in nodes if each not in first)]
        given = {"nodes": [each.control_url for each in order], "account": "garage", **fields}
        config = FleetAccountConfig.model_validate({**given, "token_env": "FLEET_TOKEN"})
        made.append(FleetAccount(config))
        return made[-1]

    yield one
    for each in made:
        each.close()


def held_by(nodes: list[NodeProcess], account: FleetAccount) -> tuple[NodeProcess, NodeProcess]:
    """Return the node that holds the account, and the other one."""
    account.read(LOAD)  # waits for a holder
    shown = account._connections.get("", 10.0)
    (holder,) = [each for each in nodes if each.name == shown["holder"]["node"]]
    (other,) = [each for each in nodes if each is not holder]
    return holder, other


def freeze(node: NodeProcess) -> None:
    """Stop a node, and wait until each of its threads stands."""
    node.send(signal.SIGSTOP)
    assert node._child is not None
    os.waitid(os.P_PID, node._child.pid, os.WSTOPPED | os.WNOWAIT)


def test_200_reads_of_a_stale_value_on_5_clients_are_one_call(nodes, connect, sim) -> None:
    clients = [connect(nodes[each % 2]) for each in range(5)]
    held_by(nodes, connect(account="chargers", account_backend="ocpp"))
    start = threading.Barrier(40)

    def read(number: int) -> set[Any]:
        start.wait(LIMIT_S)
        return {clients[number % 5].read(LOAD)["values"]["a"] for _ in range(5)}

    with ThreadPoolExecutor(40) as pool:
        assert len(set().union(*pool.map(read, range(40)))) == 1
    assert sim.calls.count("getLoad") == 1


def test_polls_go_on_when_the_holder_is_killed_and_a_shed_is_kept(nodes, connect, sim) -> None:
    account = connect()
    holder, other = held_by(nodes, account)
    # Through the node that does not hold it.
    through_other = connect(other)
    assert through_other.write(LIMIT, 3.0, shed_on_write=True, shed_duration=60) == 3.0
    assert sim.calls.count("shedLoad") == 1
    account = connect(holder)
    account.read(LOAD)
    reads: list[tuple[float, dict[str, Any]]] = []
    killed = threading.Event()

    def poll() -> None:
        end_s = time.monotonic() + LIMIT_S
        after = 0
        while after < 3 and time.monotonic() < end_s:
            found = account.read(LOAD)
            reads.append((time.monotonic(), found))
            after += killed.is_set()
            killed.wait(0.2)

    thread = threading.Thread(target=poll)
    thread.start()
    holder.end(signal.SIGKILL)
    killed.set()
    thread.join(2 * LIMIT_S)
    assert all("a" in found["values"] for _, found in reads)
    times = [at_s for at_s, _ in reads]
    assert max(b - a for a, b in pairwise(times)) < LOST_S
    # The next holder knows what is in force, and clears it once.
    limit = {"limit": {"attribute": "allowedLoad", "station": STATION, "port": 1}}
    assert account.read(limit)["values"] == {"limit": 3.0}
    assert account.revert(LIMIT) is True
    assert sim.calls.count("shedLoad") == 1
    assert sim.calls.count("clearShedState") == 1


def test_a_frozen_node_costs_a_read_some_seconds_and_a_write_is_not_doubled(
    nodes, connect, sim
) -> None:
    account = connect()
    holder, _ = held_by(nodes, account)
    account = connect(holder)
    account.read(LOAD)
    freeze(holder)
    begun_s = time.monotonic()
    assert account.write(LIMIT, 3.0, shed_on_write=True) == 3.0
    assert time.monotonic() - begun_s < 3 * LOST_S
    holder.send(signal.SIGCONT)
    assert "a" in account.read(LOAD)["values"]
    assert sim.calls.count("shedLoad") == 1


def test_news_of_a_charger_come_from_any_node_within_about_a_second(nodes, connect) -> None:
    chargers = {"account": "chargers", "account_backend": "ocpp"}
    account = connect(**chargers)
    _, other = held_by(nodes, account)
    follower = connect(other, **chargers)
    after = follower.changes(None, 0)["after"]
    charger = Charger(other.url, "CP1")
    charger.boot()
    news = {"is_complete": False, "stations": []}
    while not news["is_complete"] or news["stations"]:
        # The holder is heard of, and nothing more comes.
        news = follower.changes(after, CALM_S)
        after = news["after"]
    status = {"a": {"attribute": "Status", "station": "CP1", "port": 1}}
    for said, wanted in (("Available", "AVAILABLE"), ("Charging", "INUSE")):
        charger.status(said)
        sent_s, value = time.monotonic(), None
        while value != wanted and time.monotonic() < sent_s + LIMIT_S:
            news = follower.changes(after, LIMIT_S)
            after = news["after"]
            assert (news["stations"], news["is_complete"]) == (["CP1"], True)
            value = account.read(status)["values"].get("a")
        assert value == wanted
        print(f"{said}: seen after {time.monotonic() - sent_s:.2f} s")
    charger.close()
