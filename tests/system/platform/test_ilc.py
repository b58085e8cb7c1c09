"""VOLTTRON's ILC with the actuator: it limits a port by the point `limit`, and releases it.

Both agents are real. `make ilc` installs them where this test looks for them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from examples.demo.platform import child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import DRIVER

from .port_site import DEVICE, ROOT, PortSite

SAMPLE = ROOT / "chargepoint_driver" / "examples" / "ilc" / "ilc.config"
FOLDER = ROOT / "build" / "ilc"
ILC, ACTUATOR = "platform.ilc", "platform.actuator"
METER = "devices/campus/garage/meter/all"
# Simulated: a limit takes 20 s, a release 5 minutes, as at the service.
SIMULATOR = ["--speed=30", "--shed-delay=20", "--clear-delay=300"]

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("platform_driver") is None,
        reason="needs a VOLTTRON platform: pip install '.[demo]'",
    ),
    pytest.mark.skipif(
        not (FOLDER / "ilc").is_dir(), reason=f"{FOLDER} has no volttron-ilc: see `make ilc`"
    ),
]


class Site(PortSite):
    """A platform with one device, the actuator and ILC."""

    def __init__(self, home: Path, processes: Processes) -> None:
        publishes = {"publish_depth_first_all": True, "all_publish_interval": 1}
        super().__init__(
            home, processes, simulator=SIMULATOR, identities=(ACTUATOR, ILC), **publishes
        )
        self.platform.store(ILC, "config", json.loads(SAMPLE.read_text()))
        self.platform.link.subscribe(f"devices/{DEVICE}/all")
        self.platform.link.subscribe("record")
        self.messages: list[dict[str, Any]] = []
        self.start_driver()
        paths = [child_environment(home)["PYTHONPATH"], str(FOLDER)]
        foreign = {"PYTHONPATH": os.pathsep.join(paths)}
        # The release calls a function that volttron-core has under another name; see there.
        actuator = ["chargepoint_driver.examples.alerts", "actuator"]
        self.platform.start_agent(ACTUATOR, actuator, {}, env=foreign)
        self.platform.start_agent(ILC, "ilc.ilc_agent", env=foreign)

    def get(self, point: str) -> Any:
        return self.platform.link.call(DRIVER, "get_point", DEVICE, point)

    def look(self) -> None:
        self.messages += self.platform.link.messages()

    def heard(self, words: str) -> bool:
        self.look()
        return any(words in each["topic"] for each in self.messages)

    @contextmanager
    def watched(self) -> Iterator[list[dict[str, Any]]]:
        """What is so at the port, all the time."""
        seen: list[dict[str, Any]] = []
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.01):
                seen.append(self.port())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield seen
        finally:
            stop.set()
            thread.join(30)


def test_ilc_limits_and_releases_without_a_moment_of_zero(tmp_path: Path) -> None:
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Site(home, processes)
        wait_for = processes.wait_for
        wait_for("The device", lambda: site.heard(f"devices/{DEVICE}/all"), 60)
        wait_for("A load", lambda: site.port()["load_kw"] > 3, 60)
        rated_kw = site.get("limit")
        assert rated_kw > 3
        minutes = iter(range(100_000))
        began = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)

        def metered(kw: float) -> None:
            """A minute of the building's meter: ILC's clock is that of the meter."""
            at = (began + timedelta(minutes=next(minutes))).isoformat()
            site.platform.link.publish(METER, [{"Power": kw}, {}], {"Date": at, "TimeStamp": at})

        with site.watched() as seen:

            def limited() -> bool:
                metered(50.0)
                return bool(site.port()["ceiling_kw"] == 2.0)

            wait_for("The limit", limited, 90)
            assert site.get("limit") == 2.0

            def released() -> bool:
                metered(5.0)
                return site.heard("/Release")

            wait_for("ILC's release", released, 90)
            wait_for("Free charging", lambda: site.port()["ceiling_kw"] is None, 90)
            wait_for("The load", lambda: site.port()["load_kw"] > 3, 60)
            assert site.get("limit") == rated_kw
        assert {each["ceiling_kw"] for each in seen} == {None, 2.0}
        assert min(each["load_kw"] for each in seen) > 1.9
        # The point reads the same all along: what applies, and never 0.
        limits = {
            each["message"][0].get("limit")
            for each in site.messages
            if each["topic"] == f"devices/{DEVICE}/all"
        }
        assert limits <= {rated_kw, 2.0}
