"""Chargers that connect directly on a real platform: the demo, and what outlives a driver."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.demo import garage, report
from examples.demo.chargers import Chargers
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER

from .demos import Mark, finished_demo

ONE = f"{garage.TOPIC}/charger1"
EVERY = [f"CP000{n}" for n in range(1, 5)]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


@pytest.mark.parametrize("place", ["driver", "agent"])
def test_the_demo_with_chargers_that_connect(tmp_path: Path, place: str) -> None:
    """Where the driver is the central system, it has sinks too."""
    demo = finished_demo(tmp_path, "--ocpp", "--agent" if place == "agent" else "--events")
    assert demo.code == 0, demo.text
    assert (demo.homes_left, demo.processes_left) == ([], [])
    said = demo.report
    assert said["port_load_kw_before"] > said["allowed_load_kw"] > 0
    assert said["port_load_kw_during"] <= said["allowed_load_kw"] + report.TOLERANCE_KW
    assert said["port_load_kw_after"] > said["allowed_load_kw"] + report.TOLERANCE_KW
    assert said["ocpp_messages"] > 0
    assert said["soap_calls"] is None
    loads = report.stored_loads(tmp_path / "historian.sqlite", said["port"])
    assert max(kw for _, kw in loads) > said["allowed_load_kw"] + report.TOLERANCE_KW
    for log in (tmp_path / "logs").glob("platform.*.log"):
        text = log.read_text()
        # The host's own, of an agent that outlives the bus by a moment when all is ended.
        assert text.count("Traceback") == text.count("RuntimeError: VIP loop ended"), log.name
        assert "takes no events" not in text
    if place == "driver":
        lines = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        assert {"connection", "message", "status", "session", "load", "shed"} <= {
            event["kind"] for event in events
        }
        assert {event["station"] for event in events} == set(EVERY)
        ids = [event["seq"] for event in events]
        assert ids == [*range(ids[0], ids[-1] + 1)]


class Site:
    """A platform whose caching agent is the central system, a driver that does not poll, twins."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self._processes = processes
        self.platform = Platform(home, processes)
        self.platform.launch()
        self.chargers = Chargers(home)
        self.platform.connect()
        for identity in (DRIVER, CACHE):
            self.platform.add_credentials(identity)
        accounts = {"accounts": {"chargers": {**self.chargers.account(), "allow_call": True}}}
        self.platform.store(CACHE, "config", accounts)
        self.platform.store(DRIVER, "config", {})
        registry = self.chargers.registry
        self.platform.store(DRIVER, registry.name, registry.read_text())
        device = self.chargers.devices({"cache_agent": CACHE})[ONE]
        self.platform.store(DRIVER, f"devices/{ONE}", {**device, "interval": 86_400})
        self.platform.link.subscribe(f"devices/{ONE}")
        self.platform.link.subscribe("ocpp/CP0001")
        self.seen: list[tuple[str, Any]] = []
        self.platform.start_agent(CACHE, "chargepoint_driver.adapters.agent")
        self.start_driver()
        program = Path(sys.executable).with_name("chargepoint-driver")
        self.chargers.arrive(processes, program, child_environment(home), home)

    def start_driver(self) -> None:
        self.platform.start_agent(DRIVER, "platform_driver.agent")

    def look(self) -> None:
        for message in self.platform.link.messages():
            self.seen.append((message["topic"], message["message"]))

    def pushed(self, point: str, is_it: Callable[[Any], bool]) -> Callable[[], bool]:
        """Whether a value that is so has been published."""

        def probe() -> bool:
            self.look()
            return any(
                topic == f"devices/{ONE}/multi" and point in message[0] and is_it(message[0][point])
                for topic, message in self.seen
            )

        return probe

    def wait_for(self, what: str, probe: Callable[[], bool], limit_s: float = 90.0) -> None:
        self._processes.wait_for(what, probe, limit_s)

    def charged(self) -> set[str]:
        """The charge points with a session, running or not."""
        return {row["station"] for row in self.call(CACHE, "sessions", None, "2020-01-01")}

    def completed(self, month: str) -> set[str]:
        return {row["station"] for row in self.call(CACHE, "completed_sessions", month)}

    def call(self, peer: str, method: str, *arguments: Any) -> Any:
        return self.platform.link.call(peer, method, *arguments)


def test_chargers_stay_connected_while_the_driver_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Site(home, processes)
        site.wait_for("AVAILABLE on the bus", site.pushed("Status", lambda it: it == "AVAILABLE"))
        site.chargers.begin()
        site.wait_for("A load on the bus", site.pushed("portLoad", lambda kw: (kw or 0) > 5))
        site.wait_for("All of them", lambda: site.charged() == set(EVERY))
        messages = {"ocpp/CP0001/BootNotification", "ocpp/CP0001/StartTransaction"}

        def both_messages() -> bool:
            site.look()
            return messages <= {topic for topic, _ in site.seen}

        site.wait_for("The charger's messages", both_messages)
        assert site.call(CACHE, "active_charge_points") == EVERY

        processes.stop(DRIVER)
        site.look()
        site.seen.clear()
        site.start_driver()
        site.wait_for("A load again", site.pushed("portLoad", lambda kw: (kw or 0) > 5))
        assert site.chargers._ask("/charge-points/CP0001")["connections"] == 1

        # Any request, and an operation, by both.
        assert site.call(CACHE, "call", "CP0001", "ClearCache") == {"status": "Accepted"}
        named = site.call(CACHE, "get_settings", "CP0001", ["HeartbeatInterval"])
        assert list(named["settings"]) == ["HeartbeatInterval"]
        answers, errors = site.call(DRIVER, "call", "call", f"devices/{ONE}", None, "ClearCache")
        assert errors == {}
        assert all(each == {"status": "Accepted"} for each in answers.values())
        setting = ("setSetting", f"devices/{ONE}/Status", None, "HeartbeatInterval", "90")
        answers, errors = site.call(DRIVER, "call", *setting)
        assert (list(answers.values()), errors) == ([{"status": "Accepted"}], {})

        # A command by the driver's `call`, another by the agent's RPC.
        answers, errors = site.call(DRIVER, "call", "remoteStop", f"devices/{ONE}/remoteStop")
        assert (list(answers.values()), errors) == (["Accepted"], {})
        site.wait_for("The end of the session", site.pushed("portLoad", lambda kw: kw == 0))
        assert site.call(CACHE, "remote_stop", "CP0002", 1) == "Accepted"
        month = site.call(CACHE, "last_contact", "CP0001")[:7]
        site.wait_for("Both sessions", lambda: {"CP0001", "CP0002"} <= site.completed(month))
    assert mark.alive() == []
