"""Nodes killed in the middle of sheds of an account of ChargePoint's web services.

A reader polls through the other nodes all the while. The calls are counted at the simulator.
"""

from __future__ import annotations

import random
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import requests

from bench.figure import Figure
from chargepoint_driver.simulator import Simulator

from .nodes import TOKEN, NodeProcess
from .site import LIMIT_S, Site, site

__all__ = ["play"]

ACCOUNT = "main"
CALLS_PER_MINUTE = 120
_POLL_S = 1.0
_LIMIT_KW = 2.5
_MAX_WAIT_S = 0.2


def ask(node: NodeProcess, path: str = "", arguments: Any = None) -> Any:
    """Return the answer of a node about the account. Raises AssertionError for an error, OSError
    where there is no answer."""
    answer = requests.request(
        "GET" if arguments is None else "POST",
        f"{node.control_url}/accounts/{ACCOUNT}{path}",
        json=arguments,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=LIMIT_S,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def holder_of(nodes: list[NodeProcess]) -> NodeProcess:
    """Return the node of these that holds the account and answers for it."""
    end_s = time.monotonic() + LIMIT_S
    names = {each.name: each for each in nodes}
    while time.monotonic() < end_s:
        found = ask(nodes[0])["holder"]
        if found is not None and found["node"] in names:
            holder = names[found["node"]]
            try:
                ask(holder, "/stats", {})
            except AssertionError:
                continue  # it has lost it meanwhile
            return holder
        time.sleep(0.02)
    raise AssertionError("no node holds the account")


def point(station: str, attribute: str) -> dict[str, Any]:
    """Return the description of a point of port 1."""
    return {"attribute": attribute, "station": station, "port": 1}


def play(kills: int, seed: int = 7) -> list[Figure]:
    """Kill the holder `kills` times, a moment after a shed was asked for."""
    with Simulator(stations=kills + 1, speed=1) as sim:
        account = {
            "username": sim.username, "password": sim.password, "endpoint": sim.soap_url,
            "calls_per_minute": CALLS_PER_MINUTE,
        }  # fmt: skip
        with site(3, accounts={ACCOUNT: account}) as fleet, ThreadPoolExecutor(8) as pool:
            return _kill(sim, fleet, pool, kills, random.Random(seed))


def _kill(
    sim: Simulator, fleet: Site, pool: ThreadPoolExecutor, kills: int, chance: random.Random
) -> list[Figure]:
    stations = [each.station_id for each in sim.world.stations]
    waits_s: list[float] = []
    written: dict[str, Future[Any]] = {}
    with _reader(fleet, stations):
        for station in stations[:kills]:
            holder = holder_of(fleet.alive)
            limit = {"point": point(station, "allowedLoad"), "value": _LIMIT_KW}
            written[station] = pool.submit(
                ask, holder, "/write", {**limit, "shed_on_write": True, "shed_duration": 1_440}
            )
            time.sleep(chance.uniform(0.0, _MAX_WAIT_S))
            holder.end(signal.SIGKILL)
            killed_s = time.monotonic()
            fleet.alive.remove(holder)
            holder_of(fleet.alive)
            waits_s.append(time.monotonic() - killed_s)
            fleet.alive.append(holder.start())
        points = {each: point(each, "shedStatus") for each in written}
        answer = ask(holder_of(fleet.alive), "/read", {"points": points})
    sent = {
        station: sum(
            each.operation == "shedLoad" and station in str(each.arguments)
            for each in sim.world.commands
        )
        for station in written
    }
    acknowledged = [station for station, each in written.items() if each.exception() is None]
    good = {"adopted", "in force"}
    lost = [each for each in acknowledged if answer["values"].get(each) not in good]
    what = f"{kills} kills in sheds of an account of ChargePoint"
    return [
        Figure(f"{what}: acknowledged", len(acknowledged), ""),
        Figure(f"{what}: not acknowledged, and sent", sum(sent.values()) - len(acknowledged), ""),
        Figure(f"{what}: sent twice", sum(n > 1 for n in sent.values()), "", at_most=0),
        Figure(f"{what}: acknowledged and not in force", len(lost), "", at_most=0),
        Figure(f"{what}: held again within (median)", statistics.median(waits_s), "s"),
        Figure(f"{what}: held again within (longest)", max(waits_s), "s", at_most=4),
        Figure(f"{what}: calls in any 60 s", _most_in_a_minute(sim), "", at_most=CALLS_PER_MINUTE),
    ]


@contextmanager
def _reader(fleet: Site, stations: list[str]) -> Iterator[None]:
    """Read a point of each station again and again through a node that runs."""
    is_over = threading.Event()
    now = {"points": {each: {**point(each, "portLoad"), "currency": 0} for each in stations}}

    def read() -> None:
        while not is_over.wait(_POLL_S):
            with suppress(AssertionError, OSError):
                ask(fleet.alive[0], "/read", now)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(LIMIT_S)


def _most_in_a_minute(sim: Simulator) -> int:
    times = [each.time_s for each in sim.calls.records]
    return max(sum(first <= each < first + 60.0 for each in times) for first in times)
