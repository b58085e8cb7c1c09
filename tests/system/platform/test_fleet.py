"""A real platform whose driver and caching agent reach accounts through nodes of a fleet."""

from __future__ import annotations

import importlib.util
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.simulator import ManualClock, Simulator
from examples.demo.chargers import REGISTRY as CHARGER_CSV
from examples.demo.garage import REGISTRY as PORT_CSV
from examples.demo.platform import Platform, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER
from tests.system.fleet.nodes import TOKEN, NodeProcess
from tests.system.fleet.site import site as nodes_site
from tests.unit.backends.ocpp.conftest import Charger

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)

PASSWORD = "secret"
STATION = "1:34001"
PORT, CHARGER = "campus/garage/port1", "campus/garage/charger"
POLL_S = 1
# Between two polls that have values, when a node is killed.
LOST_S = 5.0
LIMIT_S = 40.0
VARIABLE = "FLEET_TOKEN"


class Site:
    """Two nodes, and a platform with a driver and a caching agent that have no account."""

    def __init__(
        self,
        nodes: list[NodeProcess],
        home: Path,
        processes: Processes,
        currency_s: float = 0.5,
    ) -> None:
        self.nodes = nodes
        self._processes = processes
        platform = self.platform = Platform(home, processes)
        platform.launch()
        platform.connect()
        for identity in (DRIVER, CACHE):
            platform.add_credentials(identity)
        fleet = {
            "backend": "fleet",
            "nodes": [each.control_url for each in nodes],
            "token_env": VARIABLE,
        }
        chargers = {**fleet, "account": "chargers", "account_backend": "ocpp"}
        platform.store(CACHE, "config", {"accounts": {"chargers": chargers}})
        platform.store(DRIVER, "config", {})
        for csv in (PORT_CSV, CHARGER_CSV):
            platform.store(DRIVER, csv.name, csv.read_text())
        port = {**fleet, "account": "garage", "stationID": STATION, "portNumber": 1}
        self._add(
            PORT, {**port, "cacheExpiration": currency_s, "shed_on_write": True}, PORT_CSV, POLL_S
        )
        self._add(CHARGER, {**chargers, "chargePointID": "CP1", "connectorId": 1}, CHARGER_CSV)
        platform.link.subscribe("devices/campus")
        platform.link.subscribe("chargepoint/changes")
        token = {VARIABLE: TOKEN}
        platform.start_agent(CACHE, "chargepoint_driver.adapters.agent", env=token)
        platform.start_agent(DRIVER, "platform_driver.agent", env=token)
        # Topic, message, and when it was seen here.
        self.seen: list[tuple[str, Any, float]] = []

    def _add(self, topic: str, device: dict[str, Any], csv: Path, poll_s: int = 86_400) -> None:
        config = {
            "driver_type": "chargepoint",
            "driver_config": device,
            "registry_config": f"config://{csv.name}",
            "interval": poll_s,
        }
        self.platform.store(DRIVER, f"devices/{topic}", config)

    def look(self) -> None:
        now_s = time.monotonic()
        for each in self.platform.link.messages():
            self.seen.append((each["topic"], each["message"], now_s))

    def values(self, device: str, point: str) -> list[tuple[float, Any]]:
        """Return what was published of a point so far, with when it was seen."""
        self.look()
        return [
            (at_s, message[0][point])
            for topic, message, at_s in self.seen
            if topic == f"devices/{device}/multi" and message[0].get(point) is not None
        ]

    def latest(self, device: str, point: str) -> Any:
        """Return the value that was published last; None before."""
        found = self.values(device, point)
        return found[-1][1] if found else None

    def news(self) -> list[Any]:
        """Return what the caching agent has published of stations with news."""
        self.look()
        return [each for topic, each, _ in self.seen if topic == f"chargepoint/changes/{CACHE}"]

    def wait_for(self, what: str, probe: Callable[[], Any]) -> Any:
        return self._processes.wait_for(what, probe, LIMIT_S)

    def log(self, name: str) -> str:
        return (self._processes.logs / f"{name}.log").read_text(errors="replace")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(clock=ManualClock(), password=PASSWORD) as made:
        yield made


@pytest.fixture
def site(sim, tmp_path: Path) -> Iterator[Site]:
    garage = {"username": sim.username, "password": PASSWORD, "endpoint": sim.soap_url}
    with ExitStack() as stack:
        fleet = stack.enter_context(nodes_site(2, accounts={"garage": garage}, lease_s=4))
        home = stack.enter_context(temporary_home())
        yield Site(fleet.nodes, home, stack.enter_context(Processes(tmp_path)))


def test_a_platform_reads_writes_and_is_told_through_any_node(site, sim) -> None:
    second = site.nodes[1]
    site.wait_for("A load on the bus", lambda: site.values(PORT, "portLoad") or None)
    # A call to an agent that is not there yet has no answer.
    site.wait_for("The agent", lambda: site.news() or None)

    # A charger on the second node: what it sends is published without a poll.
    charger = Charger(second.url, "CP1")
    charger.boot()
    for status, wanted in (("Available", "AVAILABLE"), ("Charging", "INUSE")):
        charger.status(status)
        sent_s = time.monotonic()
        site.wait_for(wanted, lambda it=wanted: site.latest(CHARGER, "Status") == it)
        print(f"{wanted}: on the bus after {time.monotonic() - sent_s:.2f} s")
    call = site.platform.link.call
    point = {"a": {"attribute": "Status", "station": "CP1", "port": 1}}
    assert call(CACHE, "read", point)["values"] == {"a": "INUSE"}
    assert call(CACHE, "health")["good"] is True
    news = {"account": "chargers", "stations": ["CP1"]}
    site.wait_for("News of the agent", lambda: news in site.news())

    # A write, and a killed node: the limit stays, and polls go on.
    assert call(DRIVER, "set_point", PORT, "allowedLoad", 3.0) == 3.0
    assert sim.calls.count("shedLoad") == 1
    (holder,) = [each for each in site.nodes if "holds account garage" in each.log]
    polls = len(site.values(PORT, "portLoad"))
    holder.end(signal.SIGKILL)
    killed_s = time.monotonic()
    site.wait_for(
        "Polls after the kill",
        lambda: sum(at_s > killed_s + LOST_S for at_s, _ in site.values(PORT, "portLoad")) > 1,
    )
    times = [at_s for at_s, _ in site.values(PORT, "portLoad")[polls - 1 :]]
    longest_s = max(b - a for a, b in pairwise(times))
    print(f"longest time between two polls: {longest_s:.2f} s")
    assert longest_s < LOST_S + POLL_S
    assert call(DRIVER, "get_point", PORT, "allowedLoad") == 3.0
    call(DRIVER, "revert_point", PORT, "allowedLoad")
    assert (sim.calls.count("shedLoad"), sim.calls.count("clearShedState")) == (1, 1)
    assert "Traceback" not in site.log(DRIVER)
    assert "Traceback" not in site.log(CACHE)
    charger.close()
