"""A platform with a simulated station and a device of one of its ports."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.demo.garage import PASSWORD_VARIABLE
from examples.demo.platform import Platform, child_environment
from examples.demo.processes import JsonLines, Processes
from examples.demo.run import DRIVER

ROOT = Path(__file__).resolve().parents[3]
DEVICE = "campus/garage/port"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PortSite:
    """A platform whose driver has one device; its other agents are the tests'."""

    def __init__(
        self,
        home: Path,
        processes: Processes,
        *,
        simulator: Sequence[str],
        identities: Sequence[str],
        **device: Any,
    ) -> None:
        """`simulator` are options of `sim`, `identities` those of the other agents, `device` more
        keys of the device's config. The driver is stored and not yet started."""
        self.processes = processes
        self.platform = Platform(home, processes)
        program = Path(sys.executable).with_name("chargepoint-driver")
        process = processes.start(
            "garage",
            [str(program), "sim", "--stations=1", *simulator],
            env=child_environment(home),
            cwd=home,
            piped=True,
        )
        lines = JsonLines("garage", process)
        self.platform.launch()
        self.facts: dict[str, Any] = lines.get(30)
        self.platform.connect()
        for identity in (DRIVER, *identities):
            self.platform.add_credentials(identity)
        self.platform.store(DRIVER, "config", {})
        registry = (ROOT / "registry_configs" / "port.csv").read_text()
        self.platform.store(DRIVER, "port.csv", registry)
        config = {
            "driver_type": "chargepoint",
            "driver_config": {
                "username": self.facts["username"],
                "password_env": PASSWORD_VARIABLE,
                "endpoint": self.facts["soap_url"],
                "stationID": self.facts["stations"][0],
                "portNumber": 1,
                "cacheExpiration": 0,
            },
            "registry_config": "config://port.csv",
            "interval": 1,
            **device,
        }
        self.platform.store(DRIVER, f"devices/{DEVICE}", config)

    def start_driver(self) -> None:
        password = {PASSWORD_VARIABLE: self.facts["password"]}
        self.platform.start_agent(DRIVER, "platform_driver.agent", env=password)

    def port(self) -> dict[str, Any]:
        """The true state of the port."""
        url = self.facts["stats_url"].replace("/stats", "/world")
        with OPENER.open(url, timeout=60) as reply:
            found: dict[str, Any] = json.load(reply)["stations"][0]["ports"][0]
        return found
