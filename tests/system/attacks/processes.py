"""Commands that serve, as child processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Served", "commands"]

MAIN = "from chargepoint_driver.cli import main; main()"
ROOT = Path(__file__).parents[3]
START_S = 60.0
END_S = 60.0


class Served:
    """A running command; `ready` is the JSON line that it printed."""

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        max_files: int | None = None,
        module: str = "",
    ) -> None:
        """`arguments` are those of `chargepoint-driver`, or of the module."""

        def limit() -> None:
            if max_files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))

        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *(("-m", module) if module else ("-c", MAIN)), *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                preexec_fn=limit,  # noqa: PLW1509 - no threads of ours hold locks here
            )
        timer = threading.Timer(START_S, self.process.kill)
        timer.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self.end()
            raise AssertionError(f"{arguments[0]} has not started: {self.log}")
        self.ready: dict[str, Any] = json.loads(line)

    @property
    def log(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def log_bytes(self) -> int:
        return self._log.stat().st_size

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    @property
    def memory_mib(self) -> float:
        """Resident memory."""
        text = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    @property
    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    def end(self, signals: int = 1) -> None:
        """Send SIGTERM several times at once, then wait. Kills it where it does not end."""
        for _ in range(signals):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(END_S)
        if self.process.stdout is not None:
            self.process.stdout.close()


def commands(folder: Path) -> dict[str, list[str]]:
    """Arguments of each command that serves, on free ports of loopback."""
    accounts = folder / "accounts.json"
    account = {
        "backend": "ocpp",
        "listen": "127.0.0.1:0",
        "database": str(folder / "web.sqlite"),
    }
    accounts.write_text(json.dumps({"accounts": {"yard": account}}), encoding="utf-8")
    database = str(folder / "csms.sqlite")
    return {
        "csms": ["csms", "--listen", "127.0.0.1:0", "--database", database],
        "web": ["web", "--config", str(accounts)],
        "sim": ["sim", "--stations", "2", "--charge-points", "2"],
    }
