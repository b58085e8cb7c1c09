"""A platform, a simulator and eight ports, behind the caching agent or reached by the driver."""

from __future__ import annotations

import json
import signal
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.demo.errors import DemoError
from examples.demo.garage import PASSWORD_VARIABLE
from examples.demo.platform import Link, Platform, child_environment
from examples.demo.processes import JsonLines, Processes
from examples.demo.run import CACHE, DRIVER

ROOT = Path(__file__).resolve().parents[3]
WRITER, READER = "writer.of.this.test", "reader.of.this.test"
POINTS = ("shedState", "allowedLoad", "commandedLoad", "shedStatus", "shedReason")
REPLY_S = 0.3  # how long the service takes to answer a write
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Site:
    """The process that has the account, and is killed, is `victim`."""

    def __init__(self, home: Path, processes: Processes, *, agent: bool, ports: int = 8) -> None:
        self.victim = CACHE if agent else DRIVER
        self._processes = processes
        self._agent = agent
        self.platform = Platform(home, processes)
        env = child_environment(home)
        program = str(Path(sys.executable).with_name("chargepoint-driver"))
        words = ("--stations", str(ports // 2), "--shed-delay", "0", "--clear-delay", "0")
        command = [program, "sim", *words]
        lines = JsonLines("sim", processes.start("sim", command, env=env, cwd=home, piped=True))
        self.platform.launch()
        self.facts = lines.get(30)
        self._post("/faults", operation="shedLoad", kind="delay", seconds=REPLY_S)
        self._post("/faults", operation="clearShedState", kind="delay", seconds=REPLY_S)
        self.platform.connect()
        for identity in (DRIVER, CACHE, WRITER, READER):
            self.platform.add_credentials(identity)
        account = {
            "username": self.facts["username"],
            "password_env": PASSWORD_VARIABLE,
            "endpoint": self.facts["soap_url"],
        }
        self.platform.store(CACHE, "config", {"accounts": {"garage": account}})
        self.platform.store(DRIVER, "config", {})
        registry = (ROOT / "registry_configs" / "port.csv").read_text()
        self.platform.store(DRIVER, "port.csv", registry)
        access = {"cache_agent": CACHE, "account": "garage"} if agent else account
        self.ports = {
            f"kills/{number}/{port}": (station, port)
            for number, station in enumerate(self.facts["stations"])
            for port in (1, 2)
        }
        self.store(access)
        # A call to a process that is dead is never answered: reading goes on after a moment.
        self._reader = self._connect(READER, env, 2.0)
        self._writer = self._connect(WRITER, env, 10.0)
        if agent:
            self.start(CACHE)
        self.start(DRIVER)
        self.answers()

    def store(self, access: dict[str, Any]) -> None:
        """Store every device with its account, or with the agent that has it."""
        for topic, (station, port) in self.ports.items():
            self.platform.store(DRIVER, f"devices/{topic}", self._device(access, station, port))

    @staticmethod
    def _device(access: dict[str, Any], station: str, port: int) -> dict[str, Any]:
        return {
            "driver_type": "chargepoint",
            "driver_config": {
                **access,
                "stationID": station,
                "portNumber": port,
                "cacheExpiration": 0,
                "shed_on_write": True,
                "timeout": 2,
            },
            "registry_config": "config://port.csv",
            "interval": 5,
        }

    def _connect(self, identity: str, env: dict[str, str], limit_s: float) -> Link:
        script = str(ROOT / "tests" / "system" / "platform" / "caller.py")
        command = [sys.executable, script, identity, str(limit_s)]
        return Link(self.platform._start(identity, command, env, piped=True))

    # ---- processes -----------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start the driver or the caching agent."""
        module = "chargepoint_driver.adapters.agent" if name == CACHE else "platform_driver.agent"
        password = {PASSWORD_VARIABLE: self.facts["password"]}
        self.platform.start_agent(name, module, env=password)

    def stop(self, name: str) -> None:
        """End one of them politely."""
        self._processes.stop(name)

    def kill(self) -> None:
        """No goodbye."""
        process = self._processes._running[self.victim]
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        self._processes.stop(self.victim)

    def restart(self) -> None:
        """Start the victim again, and wait until each port is read."""
        self.start(self.victim)
        self.answers()

    # ---- what is said, and what is so ----------------------------------------------------

    def write(self, topic: str, point: str, value: Any) -> str | None:
        """Write a point; why it was not acknowledged, None when it was."""
        try:
            self._writer.call(DRIVER, "set_point", topic, point, value)
        except DemoError as error:
            return str(error)
        return None

    def answers(self) -> dict[str, dict[str, Any]]:
        """Device to its points, once all can be read."""
        found: dict[str, dict[str, Any]] = {}

        def probe() -> bool:
            topics = [[topic, point] for topic in self.ports for point in POINTS]
            try:
                values, errors = self._reader.call(DRIVER, "get_multiple_points", topics)
            except DemoError:
                return False
            if errors or len(values) < len(topics):
                return False
            for name, value in values.items():
                topic, _, point = name.removeprefix("devices/").rpartition("/")
                found.setdefault(topic, {})[point] = value
            return True

        self._processes.wait_for("Every port is read", probe, 90.0)
        return found

    def actual(self) -> dict[str, dict[str, Any]]:
        """Device to what the simulated port is held to."""
        with OPENER.open(self._url("/world"), timeout=60) as reply:
            stations = {each["stationID"]: each for each in json.load(reply)["stations"]}
        return {
            topic: stations[station]["ports"][port - 1]
            for topic, (station, port) in self.ports.items()
        }

    def wait_for(self, what: str, probe: Callable[[], bool]) -> None:
        self._processes.wait_for(what, probe, 90.0)

    def _url(self, path: str) -> str:
        return str(self.facts["stats_url"]).replace("/stats", path)

    def _post(self, path: str, **content: Any) -> None:
        body = json.dumps(content).encode()
        with OPENER.open(urllib.request.Request(self._url(path), body, method="POST"), timeout=60):
            pass
