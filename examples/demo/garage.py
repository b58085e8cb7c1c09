"""Stations of the demo: simulated stations, and each of their ports as a device."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from examples.demo.errors import DemoError
from examples.demo.processes import JsonLines, Processes

STATIONS = 4
PORTS_PER_STATION = 2
SEED = 7
# A minute of the garage passes in a second, so that sessions are seen to grow.
SPEED = 60
# Stations take minutes to obey; here, seconds.
SHED_DELAY_S = 4 * SPEED
CLEAR_DELAY_S = 6 * SPEED

TOPIC = "campus/garage"
REGISTRY = Path(__file__).with_name("port.csv")
PASSWORD_VARIABLE = "CHARGEPOINT_DEMO_PASSWORD"  # noqa: S105  a name, no password
POLL_S = 2
START_LIMIT_S = 60.0


@dataclass(frozen=True)
class Garage:
    """A running simulator, as it introduces itself."""

    soap_url: str
    username: str
    password: str
    stations: tuple[str, ...]
    stats_url: str

    registry: ClassVar[Path] = REGISTRY

    @property
    def secrets(self) -> dict[str, str]:
        """Environment variables for the process that holds the account."""
        return {PASSWORD_VARIABLE: self.password}

    def arrive(self, *_: object) -> None:
        """Nothing: the stations are there since the simulator runs."""

    def begin(self) -> None:
        """Nothing: vehicles come and go without help."""

    def account(self) -> dict[str, Any]:
        """Return how to reach the web services."""
        return {
            "username": self.username,
            # The config store is a file: it gets the name of the password, not the password.
            "password_env": PASSWORD_VARIABLE,
            "endpoint": self.soap_url,
        }

    def devices(self, access: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Device topic (below `devices/`) -> config; one device per port.

        access: what the devices share, their account or the name of the agent that holds it.
        """
        return {
            f"{TOPIC}/station{index}/port{port}": _device(access, station, port)
            for index, station in enumerate(self.stations, start=1)
            for port in range(1, PORTS_PER_STATION + 1)
        }

    def count_calls(self) -> dict[str, int]:
        """The web service calls that the simulator has answered so far."""
        # A proxy of the user's could not find a service on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.stats_url, timeout=5) as reply:
                return {"soap_calls": int(json.load(reply)["total"])}
        except (OSError, ValueError, KeyError) as error:
            raise DemoError(f"The simulator's statistics cannot be read: {error}") from None


def _device(access: Mapping[str, Any], station: str, port: int) -> dict[str, Any]:
    return {
        "driver_type": "chargepoint",
        "driver_config": {
            **access,
            "stationID": station,
            "portNumber": port,
            "cacheExpiration": POLL_S / 2,
        },
        "registry_config": f"config://{REGISTRY.name}",
        "interval": POLL_S,
        # The historian stores what comes on /all, and /all is off unless the device asks for it.
        "publish_depth_first_all": True,
        "all_publish_interval": POLL_S,
    }


def launch_simulator(
    processes: Processes, program: Path, env: Mapping[str, str], cwd: Path
) -> JsonLines:
    """Start the simulator without waiting for it; introduce() waits."""
    if not program.exists():
        raise DemoError(
            f"{program} does not exist: the driver is not installed for this Python. "
            "`make demo` installs it."
        )
    options = {
        "--stations": STATIONS,
        "--ports-per-station": PORTS_PER_STATION,
        "--seed": SEED,
        "--speed": SPEED,
        "--shed-delay": SHED_DELAY_S,
        "--clear-delay": CLEAR_DELAY_S,
        "--soap-port": 0,
    }
    command = [str(program), "sim", *(str(word) for pair in options.items() for word in pair)]
    process = processes.start("simulator", command, env=env, cwd=cwd, piped=True)
    return JsonLines("The simulator", process)


def introduce(lines: JsonLines) -> Garage:
    """The garage, once the simulator is ready."""
    facts = lines.get(START_LIMIT_S)
    return Garage(
        soap_url=facts["soap_url"],
        username=facts["username"],
        password=facts["password"],
        stations=tuple(facts["stations"]),
        stats_url=facts["stats_url"],
    )
