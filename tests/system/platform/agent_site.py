"""A platform with a driver behind a caching agent, for tests that kill and restart the two."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.demo import garage
from examples.demo.platform import Platform, child_environment
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER
from examples.demo.watch import Watch
from tests.unit.events.engines import free_port

STANDBY = "standby"


class Site:
    """A platform with a driver behind a caching agent, and no more."""

    def __init__(
        self, home: Path, processes: Processes, device: dict[str, Any] | None = None
    ) -> None:
        """`device` are more keys of every driver_config."""
        self._processes = processes
        self.platform = Platform(home, processes)
        env = child_environment(home)
        program = Path(sys.executable).with_name("chargepoint-driver")
        lines = garage.launch_simulator(processes, program, env, home)
        self.platform.launch()
        self.place = garage.introduce(lines)
        self.platform.connect()
        for identity in (DRIVER, CACHE):
            self.platform.add_credentials(identity)
        self.metrics_port = free_port()
        config = {"accounts": {"garage": self.place.account()}, "metrics_port": self.metrics_port}
        self.platform.store(CACHE, "config", config)
        self.platform.store(DRIVER, "config", {})
        self.platform.store(DRIVER, garage.REGISTRY.name, garage.REGISTRY.read_text())
        # An agent that is killed while it answers is waited for: three time limits and a margin.
        self.ports = self.place.devices({"cache_agent": CACHE, "timeout": 1, **(device or {})})
        for topic, config in self.ports.items():
            self.platform.store(DRIVER, f"devices/{topic}", config)
        self.platform.link.subscribe(f"devices/{garage.TOPIC}")

    def start_agent(self) -> None:
        password = {garage.PASSWORD_VARIABLE: self.place.password}
        self.platform.start_agent(CACHE, "chargepoint_driver.adapters.agent", env=password)

    def start_standby(self) -> Path:
        """A second process of the agent's identity; its log."""
        identity = {
            "AGENT_VIP_IDENTITY": CACHE,
            "AGENT_CREDENTIALS": str(self.platform.home / "credentials_store" / f"{CACHE}.json"),
        }
        env = {**self.platform._env, **identity, garage.PASSWORD_VARIABLE: self.place.password}
        command = [sys.executable, "-m", "chargepoint_driver.adapters.agent"]
        self.platform._start(STANDBY, command, env)
        return self._processes.logs / f"{STANDBY}.log"

    def start_driver(self) -> None:
        self.platform.start_agent(DRIVER, "platform_driver.agent")

    def kill_agent(self) -> None:
        """As the kernel does when memory runs out: no goodbye."""
        self._kill(CACHE)

    def _kill(self, name: str) -> None:
        self._processes._running[name].send_signal(signal.SIGKILL)
        self._processes._running[name].wait(timeout=60)
        self._processes.stop(name)

    def every_port_is_published(self) -> Callable[[], bool]:
        """A probe that looks at what is published from now on."""
        self.platform.link.messages()
        watch = Watch("")

        def probe() -> bool:
            for message in self.platform.link.messages():
                watch.take(message)
            return set(self.ports) <= set(watch.loads)

        return probe

    def driver_says(self, words: str) -> bool:
        return words in self.driver_log.read_text(errors="replace")

    @property
    def driver_log(self) -> Path:
        return self._processes.logs / f"{DRIVER}.log"

    def wait_for(self, what: str, probe: Callable[[], bool], limit_s: float = 90.0) -> None:
        self._processes.wait_for(what, probe, limit_s)
