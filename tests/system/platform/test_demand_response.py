"""Demand response on a real platform: the example agents, alerts, and the death of the driver.

One platform for all tests, in the order of this file; the last leaves the driver dead. Time at
the simulated stations is real time that is moved ahead over the simulator's control.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from examples.demo.garage import PASSWORD_VARIABLE
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import JsonLines, Processes
from examples.demo.run import DRIVER

ROOT = Path(__file__).resolve().parents[3]
CAP, FOLLOWER = "site.cap", "event.follower"
GROUP, SHED, FOLLOWED, SLOW = (f"campus/garage/{name}" for name in ("group", "a", "b", "slow"))
METER, EVENTS = "devices/campus/meter/all", "openadr/event"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


class Stations:
    """A simulator in a process of its own."""

    def __init__(self, processes: Processes, home: Path, name: str, *options: str) -> None:
        program = Path(sys.executable).with_name("chargepoint-driver")
        command = [str(program), "sim", *options]
        process = processes.start(name, command, env=child_environment(home), cwd=home, piped=True)
        self._lines = JsonLines(name, process)
        self.facts: dict[str, Any] = {}

    def introduce(self) -> None:
        self.facts = self._lines.get(30)

    def device(self, registry: str, **which: Any) -> dict[str, Any]:
        return {
            "driver_type": "chargepoint",
            "driver_config": {
                "username": self.facts["username"],
                "password_env": PASSWORD_VARIABLE,
                "endpoint": self.facts["soap_url"],
                "cacheExpiration": 0,
                **which,
            },
            "registry_config": f"config://{registry}",
            "interval": 1,
        }

    def world(self) -> dict[str, Any]:
        with OPENER.open(self.facts["stats_url"].replace("/stats", "/world"), timeout=60) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def advance(self, minutes: float) -> None:
        url = self.facts["stats_url"].replace("/stats", "/clock")
        body = json.dumps({"advance_s": minutes * 60}).encode()
        with OPENER.open(urllib.request.Request(url, body, method="POST"), timeout=60):
            pass

    def ceilings_kw(self, *stations: str) -> list[float | None]:
        """What each port of the stations is held to; None for nothing."""
        return [
            port["ceiling_kw"]
            for station in self.world()["stations"]
            if station["stationID"] in stations
            for port in station["ports"]
        ]


class Site:
    """A platform, a driver with devices at two simulators, and everything heard on the bus."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self.processes = processes
        self.platform = Platform(home, processes)
        self.garage = Stations(processes, home, "garage", "--stations=4", "--groups=2")
        self.slow = Stations(processes, home, "slow", "--stations=1", "--shed-delay=86400")
        self.platform.launch()
        self.garage.introduce()
        self.slow.introduce()
        self.platform.connect()
        group = self.garage.world()["groups"][0]
        self.grouped = tuple(group["stations"])
        shed, followed = sorted(set(self.garage.facts["stations"]) - set(self.grouped))[:2]
        self.shed, self.followed = shed, followed
        for identity in (DRIVER, CAP, FOLLOWER):
            self.platform.add_credentials(identity)
        self.platform.store(DRIVER, "config", {})
        for name in ("group.csv", "port.csv"):
            text = (ROOT / "registry_configs" / name).read_text()
            self.platform.store(DRIVER, name, text)
        for topic, config in {
            GROUP: self.garage.device("group.csv", stationGroup=group["sgID"]),
            SHED: self.garage.device("port.csv", stationID=shed, portNumber=1),
            FOLLOWED: self.garage.device("port.csv", stationID=followed, portNumber=1),
            SLOW: self.slow.device(
                "port.csv",
                stationID=self.slow.facts["stations"][0],
                portNumber=1,
                shed_on_write=True,
                shed_confirm_timeout=0.2,
            ),
        }.items():
            self.platform.store(DRIVER, f"devices/{topic}", config)
        self.heard: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        for prefix in ("alerts", f"devices/{SLOW}", CAP, FOLLOWER):
            self.platform.link.subscribe(prefix)
        self.start_driver()

    # ---- agents --------------------------------------------------------------------------

    def start_driver(self) -> None:
        password = {PASSWORD_VARIABLE: self.garage.facts["password"]}
        begun = datetime.now(timezone.utc)
        self.platform.start_agent(DRIVER, "platform_driver.agent", env=password)

        def it_polls() -> bool:
            """What a driver before this one published may still be on its way."""
            self.listen()
            polls = [heard for heard in self.heard if heard["topic"] == f"devices/{SLOW}/multi"]
            times = [datetime.fromisoformat(poll["headers"]["TimeStamp"]) for poll in polls]
            return any(time > begun for time in times)

        # It polls when all its devices are there; a call before that is not answered.
        self.wait_for("The first poll", it_polls)

    def kill(self, name: str) -> None:
        """As the kernel does when memory runs out: no goodbye."""
        process = self.processes._running[name]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        self.processes.stop(name)

    # ---- the bus -------------------------------------------------------------------------

    def get(self, device: str, point: str) -> Any:
        return self.platform.link.call(DRIVER, "get_point", device, point)

    def set(self, device: str, point: str, value: Any) -> Any:
        return self.platform.link.call(DRIVER, "set_point", device, point, value)

    def listen(self) -> None:
        for message in self.platform.link.messages():
            is_alert = message["topic"].startswith("alerts/")
            (self.alerts if is_alert else self.heard).append(message)

    def hears(self, topic: str, **facts: Any) -> bool:
        """Whether a message with these facts has come; those up to it are forgotten."""
        self.listen()
        for index, message in enumerate(self.heard):
            content = message["message"]
            if message["topic"] == topic and facts.items() <= content.items():
                del self.heard[: index + 1]
                return True
        return False

    def wait_for(self, what: str, probe: Callable[[], Any], limit_s: float = 90.0) -> None:
        self.processes.wait_for(what, probe, limit_s)

    def wait_until_heard(self, topic: str, **facts: Any) -> None:
        self.wait_for(f"{facts} on {topic}", lambda: self.hears(topic, **facts))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    logs = tmp_path_factory.mktemp("logs")
    with temporary_home() as home, Processes(logs) as processes:
        found = Site(home, processes)
        # Of this shed no report will ever come; the test of it is further down.
        found.set(SLOW, "allowedLoad", 3.0)
        assert found.get(SLOW, "shedStatus") == "pending"
        yield found


def test_the_site_cap_throttles_fails_safe_and_gives_back(site: Site) -> None:
    settings = {
        "meter_topic": METER,
        "devices": [GROUP],
        "meter_timeout_seconds": 10,
        "raise_seconds": 1,
        "look_seconds": 0.5,
        "results_topic": CAP,
    }
    site.platform.start_agent(CAP, "chargepoint_driver.adapters.agents.site_cap", settings)

    def metered(building_kw: float, **facts: Any) -> None:
        def probe() -> bool:
            site.platform.link.publish(METER, [{"Power": building_kw}, {}])
            time.sleep(0.2)
            return site.hears(CAP, **facts)

        site.wait_for(f"{facts} at {building_kw} kW", probe)

    metered(80.0, allowed_kw=18.0, done=True)
    assert site.get(GROUP, "commandedLoad") == 18.0
    assert site.get(GROUP, "shedStatus") == "in force"
    ceilings_kw = site.garage.ceilings_kw(*site.grouped)
    assert None not in ceilings_kw
    assert 17.5 < sum(ceilings_kw) <= 18.0

    metered(20.0, allowed_kw=None, done=True)
    assert set(site.garage.ceilings_kw(*site.grouped)) == {None}

    site.wait_until_heard(CAP, allowed_kw=10.0, done=True)  # The meter reports nothing more.
    assert 9.5 < sum(site.garage.ceilings_kw(*site.grouped)) <= 10.0

    metered(20.0, allowed_kw=None, done=True)
    site.processes.stop(CAP)  # Politely: nobody watches the limit any more.
    assert 9.5 < sum(site.garage.ceilings_kw(*site.grouped)) <= 10.0
    site.platform.link.call(DRIVER, "revert_point", GROUP, "shedState")
    assert set(site.garage.ceilings_kw(*site.grouped)) == {None}


def test_the_event_follower_sheds_and_gives_back_over_its_own_death(site: Site) -> None:
    settings = {
        "devices": [FOLLOWED],
        "levels": {"1": 3.0, "2": 2.0},
        "look_seconds": 0.5,
        "results_topic": FOLLOWER,
    }
    start_agent = site.platform.start_agent

    def ceiling_kw() -> float | None:
        return site.garage.ceilings_kw(site.followed)[0]

    def publish(name: str, duration: str, **fields: Any) -> None:
        start = datetime.now(timezone.utc).isoformat()
        event = {"event_id": name, "start": start, "duration": duration, **fields}
        site.platform.link.publish(EVENTS, event)

    start_agent(FOLLOWER, "chargepoint_driver.adapters.agents.event_follower", settings)
    site.wait_until_heard(FOLLOWER, allowed_kw=None, done=True)
    site.platform.link.publish(EVENTS, {"event_id": "bad", "level": 9})
    site.wait_until_heard(FOLLOWER, event_id="bad", outcome="malformed: 'start' is missing")
    publish("short", "PT10S", level=2)
    publish("long", "PT1H", level=1)
    site.wait_until_heard(FOLLOWER, allowed_kw=2.0, done=True)
    assert ceiling_kw() == 2.0
    site.wait_until_heard(FOLLOWER, allowed_kw=3.0, done=True)
    assert ceiling_kw() == 3.0

    publish("brief", "PT6S", level=2)
    site.wait_until_heard(FOLLOWER, allowed_kw=2.0, done=True)
    site.kill(FOLLOWER)
    start_agent(FOLLOWER, "chargepoint_driver.adapters.agents.event_follower", settings)
    site.wait_until_heard(FOLLOWER, allowed_kw=3.0, done=True)
    assert ceiling_kw() == 3.0

    site.platform.link.publish(EVENTS, {"event_id": "long", "status": "cancelled"})
    site.wait_until_heard(FOLLOWER, allowed_kw=None, done=True)
    assert ceiling_kw() is None

    publish("last", "PT6S", level=1)
    site.wait_until_heard(FOLLOWER, allowed_kw=3.0, done=True)
    site.kill(FOLLOWER)
    time.sleep(6)  # It ends while nobody follows.
    assert ceiling_kw() == 3.0
    start_agent(FOLLOWER, "chargepoint_driver.adapters.agents.event_follower", settings)
    site.wait_until_heard(FOLLOWER, allowed_kw=None, done=True)
    assert ceiling_kw() is None
    site.processes.stop(FOLLOWER)


def test_a_shed_that_is_never_reported_raises_an_alert_on_the_bus(site: Site) -> None:
    def alert_is_there() -> bool:
        site.listen()
        return bool(site.alerts)

    site.wait_for("An alert", alert_is_there, limit_s=90)
    (alert,) = site.alerts
    (station,) = site.slow.facts["stations"]
    assert alert["headers"]["alert_key"] == f"chargepoint/shed/{station} port 1"
    status = json.loads(alert["message"])
    assert status["status"] == "BAD"
    assert "allowedLoad 3 kW was commanded, and no shed is reported" in status["context"]


def test_an_agent_killed_under_a_lease_of_a_minute_leaves_nothing_behind(site: Site) -> None:
    settings = {
        "devices": [FOLLOWED],
        "levels": {"1": 3.0},
        "look_seconds": 0.5,
        "lease_seconds": 60,
        "results_topic": FOLLOWER,
    }

    def ceiling_kw() -> float | None:
        return site.garage.ceilings_kw(site.followed)[0]

    site.platform.start_agent(
        FOLLOWER, "chargepoint_driver.adapters.agents.event_follower", settings
    )
    site.wait_until_heard(FOLLOWER, allowed_kw=None, done=True)
    start = datetime.now(timezone.utc).isoformat()
    event = {"event_id": "leased", "start": start, "duration": "PT1H", "level": 1}
    site.platform.link.publish(EVENTS, event)
    site.wait_until_heard(FOLLOWER, allowed_kw=3.0, done=True)
    assert ceiling_kw() == 3.0
    assert site.get(FOLLOWED, "shedEnds") is not None
    site.kill(FOLLOWER)
    site.wait_for("Charging is back", lambda: ceiling_kw() is None, limit_s=90)
    assert site.get(FOLLOWED, "shedReason") == f"lease of {FOLLOWER} ran out"

    def alert_is_there() -> bool:
        site.listen()
        return any("lease of" in alert["message"] for alert in site.alerts)

    site.wait_for("An alert", alert_is_there)
    site.set(FOLLOWED, "commandLease", 0)


def test_a_killed_driver_adopts_its_shed_when_it_comes_back(site: Site) -> None:
    site.set(SHED, "allowedLoad", 3.0)
    site.set(SHED, "shedState", 1)
    assert site.get(SHED, "shedStatus") == "in force"
    site.kill(DRIVER)
    assert site.garage.ceilings_kw(site.shed)[0] == 3.0

    site.start_driver()

    assert site.get(SHED, "shedStatus") == "adopted"
    assert site.get(SHED, "commandedLoad") == 3.0
    site.platform.link.call(DRIVER, "revert_point", SHED, "shedState")
    assert site.garage.ceilings_kw(site.shed)[0] is None
    assert site.get(SHED, "shedStatus") == "released"


def test_when_the_driver_is_killed_charging_comes_back_by_itself(site: Site) -> None:
    site.set(SHED, "allowedLoad", 3.0)
    site.set(SHED, "shedState", 1)
    site.kill(DRIVER)
    site.garage.advance(minutes=58)
    assert site.garage.ceilings_kw(site.shed)[0] == 3.0
    site.garage.advance(minutes=3)
    assert site.garage.ceilings_kw(site.shed)[0] is None
