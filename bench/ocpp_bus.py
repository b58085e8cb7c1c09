"""What a frame of a charger costs on its way to the message bus, in the real driver agent."""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.platform import Host

CHARGERS = 500
PACES = (50, 200, 500)
SECONDS = 10.0
REGISTRY = Path(__file__).parents[1] / "registry_configs" / "ocpp.csv"


class Site:
    """A driver with chargers that are connected; `send` has them report."""

    def __init__(self, chargers: int, folder: str) -> None:
        rows = list(csv.DictReader(REGISTRY.read_text(encoding="utf-8").splitlines()))
        self.chargers = chargers
        self.host = Host()
        self.host.configure(
            (f"garage/c{number}", self._device(f"LOAD{number}", folder, rows))
            for number in range(chargers)
        )
        self.system = self.host.interface._stations._backend.system
        port = self.system.ocpp_url.rsplit(":", 1)[1].split("/")[0]
        self._load = subprocess.Popen(
            [sys.executable, "-m", "bench.ocpp_pace", port, str(chargers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    @staticmethod
    def _device(charger: str, folder: str, rows: list[dict[str, str]]) -> dict[str, Any]:
        return {
            "driver_type": "chargepoint",
            "driver_config": {
                "backend": "ocpp",
                "chargePointID": charger,
                "connectorId": 1,
                "listen": "127.0.0.1:0",
                "database": f"{folder}/ocpp.db",
                "configuration_delay_s": None,
            },
            "registry_config": [dict(row) for row in rows],
            "interval": 3600,
        }

    def _line(self) -> str:
        assert self._load.stdout is not None
        return self._load.stdout.readline()

    def send(self, rate: float, seconds: float) -> int:
        """Send so many frames a second; return how many were answered."""
        assert self._load.stdin is not None
        self._load.stdin.write(f"{rate} {seconds}\n")
        self._load.stdin.flush()
        return int(self._line())

    def close(self) -> None:
        """End the load and the driver."""
        assert self._load.stdin is not None
        self._load.stdin.close()
        self._load.wait(30)
        self.host.stop()


def figures() -> Iterator[Figure]:
    """Processor time of the whole driver process for each frame, at several paces."""
    with tempfile.TemporaryDirectory() as folder:
        site = Site(CHARGERS, folder)
        try:
            site.send(200, 5)  # every charger has been heard of
            for pace in PACES:
                begun = time.process_time()
                answered = site.send(pace, SECONDS)
                yield Figure(
                    f"a frame of {CHARGERS} chargers on the bus, {pace} frames a second",
                    (time.process_time() - begun) / answered * 1000,
                    "ms",
                )
        finally:
            site.close()
