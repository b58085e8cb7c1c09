"""A charger that stays away raises an alert on a real platform, once, from driver and agent."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.demo import garage
from examples.demo.chargers import Chargers
from examples.demo.platform import Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER

from .demos import Mark

ONE = f"{garage.TOPIC}/charger1"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


@pytest.mark.parametrize("place", ["driver", "agent"])
def test_a_charger_that_stays_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with temporary_home() as home, Processes(tmp_path) as processes:
        platform = Platform(home, processes)
        platform.launch()
        chargers = Chargers(home)
        account = {**chargers.account(), "unreachable_minutes": 0.03}
        platform.connect()
        for identity in (DRIVER, CACHE):
            platform.add_credentials(identity)
        access: dict[str, Any] = account
        if place == "agent":
            platform.store(CACHE, "config", {"accounts": {"chargers": account}})
            access = {"cache_agent": CACHE}
        platform.store(DRIVER, "config", {})
        platform.store(DRIVER, chargers.registry.name, chargers.registry.read_text())
        platform.store(DRIVER, f"devices/{ONE}", chargers.devices(access)[ONE])
        platform.link.subscribe("alerts")
        platform.link.subscribe(f"devices/{ONE}/multi")
        if place == "agent":
            platform.start_agent(CACHE, "chargepoint_driver.adapters.agent")
        platform.start_agent(DRIVER, "platform_driver.agent")
        program = Path(sys.executable).with_name("chargepoint-driver")
        chargers.arrive(processes, program, child_environment(home), home)
        alerts: list[dict[str, Any]] = []
        statuses: list[str] = []

        def look() -> None:
            for message in platform.link.messages():
                if message["topic"].startswith("alerts"):
                    alerts.append(message)
                elif "Status" in message["message"][0]:
                    statuses.append(message["message"][0]["Status"])

        def answer(status: str) -> bool:
            look()
            return status in statuses

        def ours() -> list[dict[str, Any]]:
            return [each for each in alerts if "CP0001" in str(each)]

        def stays(polls: int) -> bool:
            look()
            return bool(ours()) and statuses.count("UNREACHABLE") >= polls

        processes.wait_for("the charger", lambda: answer("AVAILABLE"), 90.0)
        alerts.clear()
        statuses.clear()
        processes.stop("simulator")
        processes.wait_for("polls of a charger that is away", lambda: stays(4), 90.0)
        assert len(ours()) == 1, alerts
        assert "out of reach for" in str(ours()[0]["message"])
        assert ours()[0]["headers"]["alert_key"] == "chargepoint/station/station CP0001"
    assert mark.alive() == []
