"""Charge points in a process of their own, for a platform driver that is patched by gevent."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("chargepoint-driver")
LIMIT_S = 30.0


class Twins:
    """Twins of charge points that connect to a central system, driven over their control."""

    def __init__(self, port: int, number: int = 1, ocpp: str = "1.6", **options: Any) -> None:
        given = {"stations": 0, "charge-points": number, "ocpp": ocpp, "speed": 1, **options}
        words = [str(word) for key, value in given.items() for word in (f"--{key}", value)]
        url = f"ws://127.0.0.1:{port}/ocpp"
        self._process = subprocess.Popen(
            [PROGRAM, "sim", "--csms", url, *words], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.ids: list[str] = ready["charge_points"]
        self.url: str = ready["control_url"]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer of the control to a GET, or to a POST of the body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data)
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.load(answer)

    def act(self, action: str, identity: str = "CP0001", **given: Any) -> Any:
        return self.ask(f"/charge-points/{identity}/{action}", given)

    def state(self, identity: str = "CP0001") -> dict[str, Any]:
        """What is really going on at a twin."""
        found: dict[str, Any] = self.ask(f"/charge-points/{identity}")
        return found

    def advance(self, seconds: float) -> None:
        self.ask("/clock", {"advance_s": seconds})

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=LIMIT_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
