"""A real classic VOLTTRON: its platform driver agent is installed, reads, and stops at once.

Needs VOLTTRON 9 from its source tree, which no package index has: `make classic` makes an
environment of it, or `CLASSIC_PYTHON` names the Python of one (classic/README.md has the steps).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.simulator import Simulator

ROOT = Path(__file__).parents[3]
BUILT = ROOT / "build" / "classic" / "env" / "bin" / "python"
PYTHON = os.environ.get("CLASSIC_PYTHON") or (str(BUILT) if BUILT.exists() else "")
IDENTITY = "platform.driver"
LIMIT_S = 60.0
# Alone it takes 4 s; an agent that cannot be stopped is killed after 65 s.
STOPS_S = 40.0

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="no environment with VOLTTRON 9: `make classic`, or see classic/README.md"
)


class Platform:
    """A platform of its own home, with the platform driver agent installed."""

    def __init__(self, folder: Path) -> None:
        programs = Path(PYTHON).parent
        self.source = Path(
            subprocess.check_output(
                [PYTHON, "-c", "import volttron; print(volttron.__path__[0])"], text=True
            ).strip()
        ).parent
        self.home = folder / "home"
        self.home.mkdir()
        self.log = folder / "volttron.log"
        self._env = {
            **os.environ,
            "VOLTTRON_HOME": str(self.home),
            "VOLTTRON_ROOT": str(self.source),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        # VOLTTRON does not run as root.
        own = ["unshare", "-U", "--map-user=1000", "--map-group=1000", "--"]
        self._prefix = own if os.getuid() == 0 else []
        self._process = subprocess.Popen(
            [*self._prefix, str(programs / "volttron"), "-vv", "-l", str(self.log)],
            cwd=self.source,
            env=self._env,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self.wait_for((self.home / "VOLTTRON_PID").exists)
        agent = folder / "PlatformDriverAgent"
        shutil.copytree(self.source / "services" / "core" / "PlatformDriverAgent", agent)
        place = agent / "platform_driver" / "interfaces" / "chargepoint"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(ROOT / "classic" / "chargepoint", place)
        self.run("install", str(agent), "--vip-identity", IDENTITY)
        (self.uuid,) = [each.name for each in (self.home / "agents").iterdir()]

    def run(self, *words: str) -> str:
        """The output of vctl."""
        program = str(Path(PYTHON).parent / "vctl")
        done = subprocess.run(
            [*self._prefix, program, *words],
            cwd=self.source,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def store(self, name: str, contents: Any, folder: Path) -> None:
        """Store an entry of the driver's config store."""
        file = folder / name.replace("/", "-")
        is_text = isinstance(contents, str)
        file.write_text(contents if is_text else json.dumps(contents))
        self.run("config", "store", IDENTITY, name, str(file), "--csv" if is_text else "--json")

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert self._process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.2)

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-20_000:] if self.log.exists() else ""

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    found = Platform(tmp_path)
    yield found
    found.close()


def device(sim: Simulator, station: str, **changes: Any) -> dict[str, Any]:
    return {
        "driver_config": {
            "username": sim.username,
            "password": sim.password,
            "endpoint": sim.soap_url,
            "stationID": station,
            "cacheExpiration": 1,
            **changes,
        },
        "driver_type": "chargepoint",
        "registry_config": "config://chargepoint.csv",
        "interval": 2,
        "timezone": "UTC",
    }


def test_the_agent_reads_and_stops(platform: Platform, tmp_path: Path) -> None:
    with Simulator() as sim:
        registry = (ROOT / "tests" / "data" / "classic-registry.csv").read_text()
        platform.store("chargepoint.csv", registry, tmp_path)
        for number, station in enumerate(("1:34001", "1:34002")):
            platform.store(f"devices/a/{number}", device(sim, station), tmp_path)
        platform.run("start", platform.uuid)
        platform.wait_for(lambda: sim.calls.count("getLoad") >= 3)
        # One device with a wrong password, at run time: the others go on.
        wrong = device(sim, "1:34002", password="hunter2")
        platform.store("devices/a/1", wrong, tmp_path)
        platform.wait_for(lambda: "its password is not used" in platform.text())
        calls = sim.calls.count("getLoad")
        platform.wait_for(lambda: sim.calls.count("getLoad") >= calls + 3)
        began = time.monotonic()
        platform.run("stop", platform.uuid)
        assert time.monotonic() - began < STOPS_S
        assert "platform_driver" not in _running(platform)
        assert "zeep" not in "\n".join(
            line for line in platform.text().splitlines() if " DEBUG" in line
        )


def _running(platform: Platform) -> str:
    lines = platform.run("status").splitlines()
    return "\n".join(line for line in lines if "running" in line)
