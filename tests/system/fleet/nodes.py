"""Processes of `chargepoint-driver node`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["PROGRAM", "ROOT", "TOKEN", "NodeProcess"]

TOKEN = "t" * 16
STOP_S = 30.0
ROOT = Path(__file__).parents[3]
PROGRAM: tuple[str, ...] = (str(Path(sys.executable).with_name("chargepoint-driver")),)


class NodeProcess:
    """One node, from `start` to `end`; `url` and `control_url` are known when it has started.
    `program` is what `start` runs. `sinks` returns those of a node, by its name."""

    def __init__(
        self,
        folder: Path,
        dsn: str,
        name: str,
        sinks: Callable[[str], dict[str, Any]] = lambda _: {},
        **settings: Any,
    ) -> None:
        self.name = name
        self.database = folder / f"{name}.db"
        self.program = PROGRAM
        self.url = self.control_url = self.health_url = ""
        self._log = folder / f"{name}.log"
        self.config = folder / f"{name}.json"
        central = {
            "listen": "127.0.0.1:0",
            "database": str(self.database),
            "sinks": sinks(name),
            # No charger is asked for its boot, which would put its limits back.
            "boot_grace_s": 3600,
            "configuration_delay_s": None,
            "call_timeout_s": 5,
        }
        self.config.write_text(
            json.dumps(
                {
                    "node": name,
                    "postgres": {"dsn": dsn},
                    "control": "127.0.0.1:0",
                    "health": "127.0.0.1:0",
                    "lease_s": 2,
                    "drain_s": 1,
                    "central_system": central,
                    **settings,
                }
            )
        )
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> NodeProcess:
        """Start the process, and wait until it listens."""
        self.end()
        environment = {**os.environ, "CHARGEPOINT_CONTROL_TOKEN": TOKEN}
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [*self.program, "node", "--config", str(self.config)],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            )  # fmt: skip
        killer = threading.Timer(60, self._child.kill)
        killer.start()
        try:
            assert self._child.stdout is not None
            line = self._child.stdout.readline()
        finally:
            killer.cancel()
        assert line, self._log.read_text()[-3000:]
        ready = json.loads(line)
        self.url, self.control_url = ready["ocpp_url"], ready["control_url"]
        self.health_url = ready["health_url"]
        return self

    def keep_addresses(self) -> None:
        """Have the same addresses after each start from now on."""
        config = json.loads(self.config.read_text())
        config["central_system"]["listen"] = urlsplit(self.url).netloc
        config["control"], config["health"] = (
            urlsplit(each).netloc for each in (self.control_url, self.health_url)
        )
        self.config.write_text(json.dumps(config))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        assert self._child is not None
        self._child.send_signal(number)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End it and return its exit code."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.send_signal(signal.SIGCONT)
        child.send_signal(how)
        try:
            return child.wait(STOP_S)
        finally:
            child.kill()
            child.wait(STOP_S)
            if child.stdout is not None:
                child.stdout.close()

    @property
    def pid(self) -> int:
        """Return the id of the process that runs."""
        assert self._child is not None
        return self._child.pid

    @property
    def is_started(self) -> bool:
        """Return True from `start` to `end`."""
        return self._child is not None

    @property
    def exit_code(self) -> int | None:
        """Return how it ended; None while it runs."""
        assert self._child is not None
        return self._child.poll()

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")
