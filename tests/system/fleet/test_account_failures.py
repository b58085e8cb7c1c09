"""Nodes that hold an account are killed or frozen: no command is sent twice, and no call is made
after the lease."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from chargepoint_driver.simulator import Simulator

from .nodes import NodeProcess
from .service_kills import ACCOUNT, ask, holder_of, point
from .site import LIMIT_S

KILLS = 3
TAKEN_OVER_S = 4.0


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(stations=12, speed=1) as simulator:
        yield simulator


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


@pytest.fixture
def start_nodes(records, sim, tmp_path, pool) -> Iterator[Callable[[int], list[NodeProcess]]]:
    made: list[NodeProcess] = []

    def start(count: int) -> list[NodeProcess]:
        account = {"username": sim.username, "password": sim.password, "endpoint": sim.soap_url}
        made.extend(
            NodeProcess(tmp_path, records, f"node-{number}", accounts={ACCOUNT: account})
            for number in range(count)
        )
        return list(pool.map(NodeProcess.start, made))

    yield start
    for each in made:
        each.end(signal.SIGKILL)


def test_a_killed_holder_leaves_no_shed_behind_and_sends_none_twice(start_nodes, sim, pool) -> None:
    """A shed is written, and its node is killed at some moment of it."""
    chance = random.Random(7)
    alive = start_nodes(KILLS + 1)
    stations = [each.station_id for each in sim.world.stations[:KILLS]]
    took_s: list[float] = []
    written: dict[str, Future[Any]] = {}
    for number, station in enumerate(stations):
        holder = holder_of(alive)
        limit = {"point": point(station, "allowedLoad"), "value": 2.5, "shed_on_write": True}
        written[station] = pool.submit(ask, holder, "/write", limit)
        if number:
            time.sleep(chance.uniform(0.0, 0.2))
        else:
            assert written[station].result() == 2.5
        holder.send(signal.SIGKILL)
        killed_s = time.monotonic()
        alive.remove(holder)
        holder_of(alive)
        took_s.append(time.monotonic() - killed_s)
    print("taken over within", [round(each, 1) for each in took_s])
    assert max(took_s) < TAKEN_OVER_S
    points = {each: point(each, "shedStatus") for each in stations}
    answer = ask(holder_of(alive), "/read", {"points": points})
    assert not answer["errors"]
    for station in stations:
        status = answer["values"][station]
        sent = [c for c in sim.world.commands if station in str(c.arguments)]
        assert {c.operation for c in sent} <= {"shedLoad"}
        assert len(sent) <= 1
        if written[station].exception() is None:
            assert (status, len(sent)) in {("adopted", 1), ("in force", 1)}
        if not sent:
            assert status in ("none", "pending", "failed")


def test_a_frozen_holder_calls_nothing_after_its_lease(start_nodes, sim, pool) -> None:
    """It reads as fast as it can when it is frozen, and goes on when it is continued."""
    nodes = start_nodes(2)
    holder = holder_of(nodes)
    (other,) = (each for each in nodes if each is not holder)
    now = {"points": {"it": {**point("1:34001", "portLoad"), "currency": 0}}}
    is_over = threading.Event()

    def keep_reading() -> None:
        while not is_over.is_set():
            try:
                ask(holder, "/read", now)
            except AssertionError:
                time.sleep(0.01)  # it refuses

    readers = [pool.submit(keep_reading) for _ in range(4)]
    try:
        end_s = time.monotonic() + LIMIT_S
        while sim.calls.count("getLoad") < 20:
            assert time.monotonic() < end_s
            time.sleep(0.01)
        holder.send(signal.SIGSTOP)
        assert holder_of([other]) is other
        calls = sim.calls.total
        holder.send(signal.SIGCONT)
        # It answers again, and so has found that its lease has ended.
        assert ask(holder)["holder"]["node"] == other.name
        assert sim.calls.total == calls
    finally:
        is_over.set()
        holder.send(signal.SIGCONT)
    for each in readers:
        each.result(LIMIT_S)
    assert sim.calls.total == calls
    assert ask(other, "/read", now)["values"]["it"] is not None
