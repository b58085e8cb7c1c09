"""Nodes that hold an account are killed or frozen: no command is sent twice, and no call is made
after the lease."""

from __future__ import annotations

import itertools
import json
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.simulator import Simulator

ACCOUNT = "main"
LIMIT_S = 30.0
KILLS = 3
TAKEN_OVER_S = 4.0


class AccountNode:
    """A process of `account_node`."""

    def __init__(self, folder: Path, dsn: str, name: str, account: dict[str, Any]) -> None:
        self.name = name
        self._config = folder / f"{name}.json"
        self._log = folder / f"{name}.log"
        central = {
            "listen": "127.0.0.1:0",
            "database": str(folder / f"{name}.db"),
            "configuration_delay_s": None,
        }
        config = {
            "node": name,
            "postgres": {"dsn": dsn},
            "lease_s": 2,
            "accounts": {ACCOUNT: account},
            "central_system": central,
        }
        self._config.write_text(json.dumps(config))
        self._numbers = itertools.count()
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> AccountNode:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.system.fleet.account_node", str(self._config)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                cwd=Path(__file__).parents[3],
            )  # fmt: skip
        self._answers: dict[Any, queue.Queue[dict[str, Any]]] = {"ready": queue.Queue()}
        self._thread = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._thread.start()
        return self

    def wait(self) -> AccountNode:
        """Wait until it has started."""
        try:
            self._answers["ready"].get(timeout=LIMIT_S)
        except queue.Empty:
            raise AssertionError(self._log.read_text()[-3000:]) from None
        return self

    def _read(self, child: subprocess.Popen[str]) -> None:
        for line in child.stdout:
            answer = json.loads(line)
            self._answers[answer["id"]].put(answer)

    def begin(self, method: str, **arguments: Any) -> queue.Queue[dict[str, Any]]:
        """Ask, and return where the answer comes."""
        number = next(self._numbers)
        self._answers[number] = queue.Queue()
        request = {"id": number, "account": ACCOUNT, "method": method, "arguments": arguments}
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        return self._answers[number]

    def ask(self, method: str, **arguments: Any) -> Any:
        """Return the answer; None for `not the holder`."""
        answer = self.begin(method, **arguments).get(timeout=LIMIT_S)
        if answer.get("error") == "not the holder":
            return None
        assert "error" not in answer, answer
        return answer["answer"]

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait(LIMIT_S)
            self._thread.join(LIMIT_S)
            child.stdin.close()
            child.stdout.close()


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(stations=12, speed=1) as simulator:
        yield simulator


@pytest.fixture
def start_nodes(records, sim, tmp_path) -> Iterator[Callable[..., list[AccountNode]]]:
    made: list[AccountNode] = []

    def start(count: int, **settings: Any) -> list[AccountNode]:
        account = {
            "username": sim.username, "password": sim.password, "endpoint": sim.soap_url,
            "timeout": 5, **settings,
        }  # fmt: skip
        made.extend(
            AccountNode(tmp_path, records, f"node-{number}", account) for number in range(count)
        )
        for each in made:
            each.start()
        return [each.wait() for each in made]

    yield start
    for each in made:
        each.end()


def holder_of(nodes: list[AccountNode]) -> AccountNode:
    """Return the node that answers for the account."""
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        for node in nodes:
            if node.ask("stats") is not None:
                return node
        time.sleep(0.02)
    raise AssertionError("no node holds the account")


def point(station: str, attribute: str) -> dict[str, Any]:
    return {"attribute": attribute, "station": station, "port": 1}


def test_a_killed_holder_leaves_no_shed_behind_and_sends_none_twice(start_nodes, sim) -> None:
    """A shed is written, and its node is killed at some moment of it."""
    chance = random.Random(7)
    alive = start_nodes(KILLS + 1)
    stations = [each.station_id for each in sim.world.stations[:KILLS]]
    assert len(stations) == KILLS
    acknowledged, took_s = set(), []
    for number, station in enumerate(stations):
        holder = holder_of(alive)
        written = holder.begin(
            "write", point=point(station, "allowedLoad"), value=2.5, shed_on_write=True
        )
        if number:
            time.sleep(chance.uniform(0.0, 0.2))
        else:
            acknowledged.add(station)
            assert written.get(timeout=LIMIT_S)["answer"] == 2.5
        holder.send(signal.SIGKILL)
        if number and not written.empty():
            acknowledged.add(station)
        killed_s = time.monotonic()
        alive.remove(holder)
        holder_of(alive)
        took_s.append(time.monotonic() - killed_s)
    print("taken over within", took_s)
    assert max(took_s) < TAKEN_OVER_S
    holder = holder_of(alive)
    answer = holder.ask("read", points={each: point(each, "shedStatus") for each in stations})
    assert not answer["errors"]
    per_station = {
        station: [c for c in sim.world.commands if c.operation == "shedLoad" and station in str(c)]
        for station in stations
    }
    for station, sent in per_station.items():
        status = answer["values"][station]
        assert len(sent) <= 1, (station, sent)
        if station in acknowledged:
            assert status in ("adopted", "in force")
        if not sent:
            assert status in ("none", "pending", "failed"), station


def test_a_frozen_holder_calls_nothing_after_its_lease(start_nodes, sim) -> None:
    """It reads as fast as it can when it is frozen, and goes on when it is continued."""
    nodes = start_nodes(2)
    holder = holder_of(nodes)
    (other,) = (each for each in nodes if each is not holder)
    points = {"it": {**point("1:34001", "portLoad"), "currency": 0}}
    for _ in range(4):
        holder.begin("keep reading", points=points)
    end_s = time.monotonic() + LIMIT_S
    while sim.calls.count("getLoad") < 20:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    holder.send(signal.SIGSTOP)
    assert holder_of([other]) is other
    calls = sim.calls.total
    holder.send(signal.SIGCONT)
    # It answers again, and so has found that its lease has ended.
    assert holder.ask("stats") is None
    assert holder.ask("holder") == other.name
    assert sim.calls.total == calls
    assert other.ask("read", points=points)["values"]["it"] is not None
