"""Chargers of `make demo OCPP=1`: twins of charge points that connect to the driver, or to the
caching agent, and each of them as a device."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.demo.errors import DemoError
from examples.demo.garage import POLL_S, START_LIMIT_S, TOPIC
from examples.demo.platform import free_port
from examples.demo.processes import JsonLines, Processes

CHARGE_POINTS = 4
SEED = 7
# A minute of the twins passes in a second, so that sessions are seen to grow.
SPEED = 60
REGISTRY = Path(__file__).with_name("ocpp.csv")
# What each vehicle takes, kW; the first ones are the busier.
VEHICLES_KW = (11.0, 7.4, 3.7, 6.6)


class Chargers:
    """A planned central system, and the twins that connect to it."""

    registry = REGISTRY
    secrets: Mapping[str, str] = {}

    def __init__(self, home: Path) -> None:
        """`home`: where the central system keeps its database."""
        self._port = free_port()
        self._database = home / "ocpp.sqlite"
        self._control_url = ""

    def account(self) -> dict[str, Any]:
        """The central system's settings."""
        return {
            "backend": "ocpp",
            "listen": f"127.0.0.1:{self._port}",
            "database": str(self._database),
            "voltage": 230,
            "phases": 3,
        }

    def devices(self, access: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Device topic (below `devices/`) -> config; one device per charge point.

        access: the central system's settings, or the name of the agent that holds it.
        """
        return {
            f"{TOPIC}/charger{number}": {
                "driver_type": "chargepoint",
                "driver_config": {
                    **access,
                    "backend": "ocpp",
                    "chargePointID": f"CP{number:04}",
                    "connectorId": 1,
                },
                "registry_config": f"config://{REGISTRY.name}",
                "interval": POLL_S,
                "publish_depth_first_all": True,
                "all_publish_interval": POLL_S,
            }
            for number in range(1, CHARGE_POINTS + 1)
        }

    def arrive(
        self, processes: Processes, program: Path, env: Mapping[str, str], cwd: Path
    ) -> None:
        """Start the twins. They connect once the central system listens."""
        options = {
            "--stations": 0,
            "--charge-points": CHARGE_POINTS,
            "--csms": f"ws://127.0.0.1:{self._port}/ocpp",
            "--seed": SEED,
            "--speed": SPEED,
        }
        command = [str(program), "sim", *(str(word) for pair in options.items() for word in pair)]
        process = processes.start("simulator", command, env=env, cwd=cwd, piped=True)
        self._control_url = JsonLines("The simulator", process).get(START_LIMIT_S)["control_url"]

    def begin(self) -> None:
        """Plug a vehicle in at each, and let it charge."""
        for number, kw in enumerate(VEHICLES_KW, start=1):
            vehicle = {"battery_kwh": 100, "soc_percent": 10, "max_ac_kw": kw}
            self._ask(f"/charge-points/CP{number:04}/start", {"vehicle": vehicle})

    def count_calls(self) -> dict[str, int]:
        """The messages that the twins have sent so far."""
        return {"ocpp_messages": sum(self._ask("/stats")["sent"].values())}

    def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        # A proxy of the user's could not find a twin on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"{self._control_url}{path}", data)  # noqa: S310
        try:
            with opener.open(request, timeout=10) as reply:
                return json.load(reply)
        except (OSError, ValueError) as error:
            raise DemoError(f"The twins do not do {path}: {error}") from None
