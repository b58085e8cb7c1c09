"""`discover --deploy` on a real platform: dry run, store, again, force, and the driver's polls."""

from __future__ import annotations

import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.demo import garage
from examples.demo.platform import Link, Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER
from examples.demo.watch import Watch

ROOT = Path(__file__).parents[3]
PROGRAM = Path(sys.executable).with_name("chargepoint-driver")
TOPIC = "devices/{group}/station{station_id}/port{port}"
DEVICES = garage.STATIONS * garage.PORTS_PER_STATION

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


class Site:
    """A platform next to a simulator, and the command that puts the one into the other."""

    def __init__(self, home: Path, processes: Processes) -> None:
        self.processes = processes
        self.platform = Platform(home, processes)
        self.env = child_environment(home)
        lines = garage.launch_simulator(processes, PROGRAM, self.env, home)
        self.platform.launch()
        self.place = garage.introduce(lines)
        ready = home / "VOLTTRON_PID"
        processes.wait_for("The start of the platform", ready.exists, 90)
        self.env |= {
            "CHARGEPOINT_USERNAME": self.place.username,
            "CHARGEPOINT_ENDPOINT": self.place.soap_url,
            garage.PASSWORD_VARIABLE: self.place.password,
        }

    @contextmanager
    def link(self) -> Iterator[Link]:
        """A connection of the test's own. The control of a platform can connect once only,
        so that it is closed again before the command is run."""
        self.platform.connect()
        yield self.platform.link
        self.processes.stop("link")

    def deploy(self, *options: str) -> tuple[int, dict[str, Any], str]:
        """Return (exit code, answer, standard error)."""
        command = [PROGRAM, "discover", "--deploy", "--json", "--topic", TOPIC, *options]
        command += ["--interval", "2", "--password-env", garage.PASSWORD_VARIABLE]
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in done.stderr
        assert self.place.password not in done.stdout + done.stderr
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
        return done.returncode, answer, " ".join(done.stderr.split())

    def stored(self, identity: str = DRIVER) -> list[str]:
        with self.link() as link:
            names: list[str] = link.call("platform.config_store", "list_configs", identity)
        return names

    def content(self, name: str, identity: str = DRIVER) -> dict[str, Any]:
        with self.link() as link:
            text = link.call("platform.config_store", "get_config", identity, name, True)
        content: dict[str, Any] = json.loads(text)
        return content


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    logs = tmp_path_factory.mktemp("logs")
    with temporary_home() as home, Processes(logs) as processes:
        yield Site(home, processes)


def test_a_site_is_deployed_and_polled(site: Site) -> None:
    # What would change is shown first, and nothing is.
    code, answer, said = site.deploy("--dry-run")
    assert code == 0, said
    assert [change["change"] for change in answer["changes"]] == ["new"] * (DEVICES + 1)
    assert f"dry run: nothing was stored; {DEVICES + 1} entries would be" in said
    assert site.stored() == []

    code, answer, said = site.deploy()
    assert code == 0, said
    devices = [name for name in site.stored() if name.startswith("devices/")]
    assert len(devices) == DEVICES
    assert "devices/Garage_1/station1-34001/port2" in devices
    assert "platform.driver is not running; it takes the devices up when it starts" in said

    # What was stored is what the driver can use: every port is published.
    with site.link() as link:
        site.platform.add_credentials(DRIVER)
        link.subscribe("devices/Garage_1")
        password = {garage.PASSWORD_VARIABLE: site.place.password}
        site.platform.start_agent(DRIVER, "platform_driver.agent", env=password)
        watch = Watch("")

        def every_port() -> bool:
            for message in link.messages():
                watch.take(message)
            return {f"devices/{name}" for name in watch.loads} >= set(devices)

        site.processes.wait_for("The first poll", every_port, 90)
    log = (site.processes.logs / f"{DRIVER}.log").read_text(errors="replace")
    assert "Traceback" not in log

    # A second time nothing changes; something that differs is kept, and named.
    code, answer, said = site.deploy()
    assert code == 0, said
    assert {change["change"] for change in answer["changes"]} == {"same"}
    assert "0 entries stored" in said
    assert "restart" not in said
    code, answer, said = site.deploy("--timeout", "7")
    assert (code, answer) == (1, {})
    assert f"{DEVICES} entries of the store differ" in said
    assert "give --force to replace them. Nothing was stored" in said
    code, answer, said = site.deploy("--timeout", "7", "--dry-run")
    assert code == 0, said
    differs = [one for one in answer["changes"] if one["change"] == "differs"]
    assert {one["keys"] for one in differs} == {"driver_config.timeout"}
    code, answer, said = site.deploy("--timeout", "7", "--force")
    assert code == 0, said
    assert "platform.driver is running: restart it to take the devices up" in said
    assert site.content(devices[0])["driver_config"]["timeout"] == 7

    # The same ports under other names would be polled twice; through the agent, its config too.
    code, answer, said = site.deploy("--dry-run", "--per", "port", "--topic", f"{TOPIC}x")
    assert f"{devices[0]} is the same device as {devices[0]}x" in said
    code, answer, said = site.deploy("--cache-agent", CACHE, "--force")
    assert code == 0, said
    assert site.stored(CACHE) == ["config"]
    account = site.content("config", CACHE)["accounts"]["simulator"]
    assert account["password_env"] == garage.PASSWORD_VARIABLE


def test_charge_points_are_deployed_beside_the_account(site: Site, tmp_path: Path) -> None:
    env = {**site.env, "CHARGEPOINT_CONTROL_TOKEN": "not-a-real-token"}

    def start(*words: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen([PROGRAM, *words], env=env, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    before = site.content("config", CACHE)["accounts"]
    place = ("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
    csms, urls = start("csms", *place, "--database", str(tmp_path / "ocpp.db"))
    twins, _ = start("sim", "--stations", "0", "--charge-points", "2", "--csms", urls["ocpp_url"])
    command = [PROGRAM, "discover", "--json", "--central-system", urls["control_url"]]

    def run(*options: str) -> tuple[int, dict[str, Any], str]:
        done = subprocess.run(
            [*command, *options], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in done.stderr
        assert "not-a-real-token" not in done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout or "{}"), " ".join(done.stderr.split())

    def both_are_there() -> bool:
        found = run()[1]["charge_points"]
        return [list(one["connectors"]) for one in found] == [["1"], ["1"]]

    try:
        site.processes.wait_for("The charge points", both_are_there, 90)
        code, answer, said = run("--deploy", "--dry-run")
        assert code == 0, said
        assert [one["change"] for one in answer["changes"]] == ["new", "differs", "new", "new"]
        code, answer, said = run("--deploy")
        assert (code, "1 entries of the store differ" in said) == (1, True)
        code, answer, said = run("--deploy", "--force")
        assert code == 0, said
    finally:
        for process in (twins, csms):
            process.terminate()
            process.communicate(timeout=30)
    assert {"devices/ocpp/CP0001/connector1", "ocpp-connector.csv"} <= set(site.stored())
    after = site.content("config", CACHE)["accounts"]
    assert {name: after[name] for name in before} == before
    assert after["chargers"]["database"] == str(tmp_path / "ocpp.db")


def test_a_platform_that_does_not_run(site: Site, tmp_path: Path) -> None:
    code, _, said = site.deploy("--volttron-home", str(tmp_path))
    assert code == 4
    assert f"no platform runs with VOLTTRON_HOME {tmp_path}; start it, or set VOLTTRON_HOME" in said


@pytest.mark.parametrize("path", ["docs/reference/cli.md", "README.md"])
def test_the_documents_commands(path: str, site: Site, tmp_path: Path) -> None:
    lines = [line for line in (ROOT / path).read_text().splitlines() if "r discover" in line]
    for line in (line for line in lines if "--deploy" in line and line.startswith(PROGRAM.name)):
        words = shlex.split(line.replace("--username api-user", ""))[1:]
        env = {**site.env, "CHARGEPOINT_PASSWORD": site.place.password}
        done = subprocess.run(
            [PROGRAM, *words], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert ("nothing was stored" in done.stderr) == ("--dry-run" in line)
