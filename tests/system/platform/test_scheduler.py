"""The scheduler agent on a real platform: prices, plans, circuits, and its death."""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path
from examples.demo import chargers
from examples.demo.chargers import Chargers
from examples.demo.garage import TOPIC
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER

ROOT = Path(__file__).resolve().parents[3]
SCHEDULER, PRICES, METER = "charging.scheduler", "market/prices", "devices/campus/meter/all"
LIVE, PLANNED, LEFT, RIGHT = (f"{TOPIC}/charger{number}" for number in range(1, 5))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)

CONFIG = {
    "timezone": "UTC",
    "prices_topic": PRICES,
    "look_seconds": 0.5,
    "lease_seconds": 20,
    "results_topic": "scheduler",
    "groups": {
        "live": {"devices": [LIVE], "prices": {"above": {"0.5": 5.0}}},
        "planned": {"devices": [PLANNED], "rules": [{"kw": 6.0}], "plan": True},
    },
    "circuits": {
        "garage": {
            "amps": 20.0,
            "meter_topic": METER,
            "meter_amps": ["A1", "A2", "A3"],
            "meter_timeout_seconds": 5,
            "failsafe_amps": 12.0,
            "ports": {
                "left": {"device": LEFT, "max_a": 32.0, "effect_s": 1},
                "right": {"device": RIGHT, "max_a": 32.0, "effect_s": 1},
            },
        }
    },
}


class Site:
    """A platform whose caching agent is the central system, four twins, and a scheduler."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self.processes = processes
        self.platform = Platform(home, processes)
        self.platform.launch()
        self.chargers = Chargers(home)
        self.platform.connect()
        for identity in (DRIVER, CACHE, SCHEDULER):
            self.platform.add_credentials(identity)
        self.platform.store(CACHE, "config", {"accounts": {"chargers": self.chargers.account()}})
        self.platform.store(DRIVER, "config", {})
        registry = (ROOT / "registry_configs" / "ocpp.csv").read_text(encoding="utf-8")
        self.platform.store(DRIVER, self.chargers.registry.name, registry)
        for topic, device in self.chargers.devices({"cache_agent": CACHE}).items():
            if topic in (LEFT, RIGHT):
                device["driver_config"]["shed_duration"] = 0
            self.platform.store(DRIVER, f"devices/{topic}", {**device, "interval": 86_400})
        self.platform.link.subscribe("scheduler")
        self.heard: list[dict[str, Any]] = []
        self.platform.start_agent(CACHE, "chargepoint_driver.adapters.agent")
        self.platform.start_agent(DRIVER, "platform_driver.agent")
        program = Path(sys.executable).with_name("chargepoint-driver")
        self.chargers.arrive(processes, program, child_environment(home), home)
        for device in (LIVE, PLANNED, LEFT, RIGHT):
            self.wait_for(f"{device} there", lambda d=device: self.get(d, "Status") == "AVAILABLE")
        self.chargers.begin()

    def start_scheduler(self) -> None:
        module = "chargepoint_driver.adapters.agents.scheduler"
        self.platform.start_agent(SCHEDULER, module, CONFIG)

    def get(self, device: str, point: str) -> Any:
        try:
            return self.platform.link.call(DRIVER, "get_point", device, point)
        except Exception:
            return None

    def ask(self, method: str, *arguments: Any) -> Any:
        return self.platform.link.call(SCHEDULER, method, *arguments)

    def actual(self, number: int) -> dict[str, Any]:
        return self.chargers._ask(f"/charge-points/CP{number:04}")["connectors"][0]

    def hears(self, **facts: Any) -> bool:
        self.heard += [each["message"] for each in self.platform.link.messages()]
        return any(facts.items() <= each.items() for each in self.heard)

    def wait_for(self, what: str, probe: Any, limit_s: float = 90.0) -> None:
        self.processes.wait_for(what, probe, limit_s)


def test_prices_plans_circuits_and_the_death_of_the_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chargers, "SPEED", 1)
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Site(home, processes)
        site.start_scheduler()

        # A plan is in the charger, and no limit is written with it.
        site.wait_for("The plan", lambda: site.actual(2)["limit_kw"] <= 6.0)
        plan = json.loads(site.get(PLANNED, "chargingPlan"))
        assert plan["periods"][0]["kw"] == 6.0
        assert site.get(PLANNED, "shedState") == 0

        # The meter is silent: the failsafe counts for both ports together.
        site.wait_for("Silence", lambda: site.hears(silent=["garage"]))
        both = lambda: [site.actual(n)["limit_kw"] for n in (3, 4)]  # noqa: E731
        site.wait_for("The failsafe", lambda: sum(both()) <= 12 * 0.69 + 0.01)

        # A meter that speaks: 2 A of others leave 18 A.
        def metered() -> bool:
            site.platform.link.publish(METER, [{"A1": 2.0, "A2": 0.0, "A3": 0.0}, {}])
            kw = sum(both())
            assert kw <= 20 * 0.69 + 0.01
            return kw > 12 * 0.69 + 0.7

        site.wait_for("More room", metered, limit_s=100)

        # A high price limits, a low one gives back.
        start = datetime.now(timezone.utc) - timedelta(hours=1)
        rows = [{"start": start.isoformat(), "end": (start + timedelta(hours=5)).isoformat()}]
        site.platform.link.publish(PRICES, [{**rows[0], "price": 0.7}])
        site.wait_for("5 kW", lambda: site.hears(group="live", kw=5.0, done=True))
        assert site.actual(1)["limit_kw"] <= 5.0
        assert site.ask("show")["groups"]["live"]["now"]["reason"] == "price 0.7 per kWh"
        assert site.ask("set_prices", [{**rows[0], "price": 0.1}]) == "accepted"
        site.wait_for("Free", lambda: site.actual(1)["limit_kw"] > 10)
        assert site.ask("set_prices", "cheap").startswith("malformed")
        assert any(each.get("kw") == 5.0 for each in site.ask("records"))

        # The configuration moves to a file. A version with a fault changes nothing, a good one
        # counts at once, and the log has both.
        file = tmp_path / "schedule.json"

        def save(content: Any) -> None:
            part = file.with_suffix(".new")
            part.write_text(json.dumps(content))
            part.replace(file)

        save(CONFIG)
        site.platform.store(SCHEDULER, "config", {"schedule_file": str(file)})
        site.wait_for("The file", lambda: site.hears(schedule="running", host="agent"))
        save({**CONFIG, "timezone": "Mars/Base"})
        site.wait_for("The refusal", lambda: site.hears(schedule="refused"))
        assert site.ask("show")["groups"].keys() == {"live", "planned"}
        later = json.loads(json.dumps(CONFIG))
        later["groups"]["planned"]["rules"][0]["kw"] = 5.0
        save(later)
        site.wait_for("5 kW by plan", lambda: site.actual(2)["limit_kw"] <= 5.0)
        log = ScheduleLog(log_path(file), lambda: datetime.now(timezone.utc))
        assert [
            each.facts["schedule"] for each in log.entries("")[0] if "schedule" in each.facts
        ] == ["running", "refused", "running"]
        log.close()

        # It is killed: what was held under a lease ends, the plan and the circuit's limits stay.
        site.ask("set_prices", [{**rows[0], "price": 0.9}])
        site.wait_for("5 kW again", lambda: site.actual(1)["limit_kw"] <= 5.0)
        process = processes._running[SCHEDULER]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        processes.stop(SCHEDULER)
        site.wait_for("The end of the lease", lambda: site.actual(1)["limit_kw"] > 10, limit_s=90)
        assert site.actual(2)["limit_kw"] <= 5.0
        assert sum(both()) <= 20 * 0.69 + 0.01
