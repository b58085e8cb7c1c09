"""Writing on a real platform by an agent that may and by one that may not, over restarts and
kills."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from examples.demo import garage
from examples.demo.errors import DemoError
from examples.demo.platform import Link, Platform, child_environment, temporary_home
from examples.demo.processes import Processes
from examples.demo.run import CACHE, DRIVER

from .agent_site import Site
from .demos import Mark

PROGRAM = Path(sys.executable).with_name("chargepoint-driver")
DR, MALLORY, HAMMER = "site.cap", "mallory", "mallory.too"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


class Guarded(Site):
    """A site with agents that may write and agents that may not."""

    def __init__(self, home: Path, processes: Processes) -> None:
        super().__init__(home, processes, {"shed_on_write": True})
        self._env = child_environment(home)
        for identity in (DR, MALLORY, HAMMER):
            self.platform.add_credentials(identity)
        self.device = next(iter(self.ports))
        station, port = self.place.stations[0], 1
        self.point = {"attribute": "allowedLoad", "station": station, "port": port}

    @contextmanager
    def connected(self, identity: str, limit_s: float = 8.0) -> Iterator[Link]:
        """A connection as one of the agents, with a limit for each call."""
        script = str(Path(__file__).with_name("caller.py"))
        process = self.platform._start(
            identity, [sys.executable, script, identity, str(limit_s)], self._env, piped=True
        )
        yield Link(process)
        self._processes.stop(identity)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The program, with the platform for itself: who controls it connects once only."""
        self._processes.stop("link")
        done = subprocess.run(
            [PROGRAM, *words],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.platform.connect()
        self.platform.link.subscribe(f"devices/{garage.TOPIC}")
        return done

    def writes(self) -> int:
        """How many writes have reached the service."""
        with OPENER.open(self.place.stats_url, timeout=60) as reply:
            calls = json.load(reply)["calls"]
        return sum(calls.get(name, 0) for name in ("shedLoad", "clearShedState", "clearAlarms"))

    def kill_driver(self) -> None:
        self._kill(DRIVER)


def refused(link: Link, peer: str, method: str, *args: Any, **kwargs: Any) -> str:
    """The words with which a call is refused."""
    with pytest.raises(DemoError) as caught:
        link.call(peer, method, *args, **kwargs)
    return str(caught.value)


def everything_is_refused(site: Guarded, link: Link) -> None:
    """Each way to write that an agent without a role may try."""
    before = site.writes()
    for method, arguments in {
        "write": (site.point, 0.0),
        "revert": (site.point,),
        "release": (site.point,),
        "create_load_shed_event": ("2030-01-01T00:00:00", 10, site.place.stations[0]),
        "remove_load_shed_event": (1,),
        "command": ("reset", site.place.stations[0], None, "Soft"),
        "reset": (site.place.stations[0],),
    }.items():
        words = refused(link, CACHE, method, *arguments)
        assert "not_permitted" in words, words
        assert f"vctl authz add agent {MALLORY} --rpc-capabilities {CACHE}.{method}" in words
    topic = f"devices/{site.device}/allowedLoad"
    for method, arguments in {
        "set_point": (site.device, "allowedLoad", 0.0),
        "set": (0.0, topic),
        "set_multiple_points": (site.device, [["allowedLoad", 0.0]]),
        "revert_point": (site.device, "allowedLoad"),
        "revert_device": (site.device,),
        "revert": (topic,),
        "call": ("reset", topic),
        "set_override_on": (site.device,),
        "remove_node": (f"devices/{site.device}",),
    }.items():
        words = refused(link, DRIVER, method, *arguments)
        assert f"does not have access to call {DRIVER}.{method}" in words, words
    with pytest.raises(DemoError):
        link.publish(f"devices/actuators/set/{site.device}/allowedLoad", 1.5)
    assert site.writes() == before


def permitted(site: Guarded, link: Link) -> None:
    """Both ways to write and to revert, by an agent that may."""
    before = site.writes()
    link.call(DRIVER, "set_point", site.device, "allowedLoad", 3.0)
    link.call(DRIVER, "revert_point", site.device, "allowedLoad")
    assert site.writes() == before + 2
    link.call(CACHE, "write", site.point, 2.0, shed_on_write=True)
    assert link.call(CACHE, "revert", site.point) is True
    assert site.writes() == before + 4


def published(site: Guarded, link: Link) -> None:
    """The way by publish and subscribe, which the driver must still hear."""
    before = site.writes()
    link.publish(f"devices/actuators/set/{site.device}/allowedLoad", 2.5)
    site.wait_for("The write that was published", lambda: site.writes() == before + 1)
    link.publish(f"devices/actuators/revert/point/{site.device}/allowedLoad", None)
    site.wait_for("The revert that was published", lambda: site.writes() == before + 2)


@contextmanager
def hammering(site: Guarded, link: Link) -> Iterator[list[str]]:
    """Writes at the agent, one after the other, while something happens to it; the answers."""
    stop = threading.Event()
    answers: list[str] = []

    def run() -> None:
        while not stop.is_set():
            try:
                answers.append(f"done: {link.call(CACHE, 'write', site.point, 0.0)}")
            except DemoError as error:
                answers.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join(60)


def test_who_may_write_over_restarts_and_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Guarded(home, processes)
        site.start_agent()
        site.start_driver()
        site.wait_for("The first poll", site.every_port_is_published())

        # At first everybody may, and the agent reports it.
        health = site.platform.link.call(CACHE, "health")
        assert health["writing"] == "open"
        assert f"{CACHE}.write" in health["open"]
        assert "chargepoint-driver authorize --role driver" in health["warnings"][0]
        with site.connected(MALLORY) as mallory:
            mallory.call(CACHE, "write", site.point, 2.0, shed_on_write=True)
            mallory.call(DRIVER, "set_point", site.device, "allowedLoad", 1.5)
            assert mallory.call(CACHE, "revert", site.point) is True
            assert site.writes() == 3
        assert "every agent of the platform may write" in (
            processes.logs / f"{CACHE}.log"
        ).read_text(errors="replace")

        # A driver without the capability reports what it lacks.
        protect: dict[str, Any] = {"identity": CACHE, "protected_rpcs": ["write"]}
        site.platform.link.call("platform.auth", "create_or_merge_agent_authz", **protect)
        words = refused(site.platform.link, DRIVER, "set_point", site.device, "allowedLoad", 1.5)
        assert "[not_permitted]" in words
        assert f"vctl authz add agent {DRIVER} --rpc-capabilities {CACHE}.write" in words

        done = site.command("authorize", "--role", "demand-response", "--identity", DR)
        assert done.returncode == 0, done.stderr
        done = site.command("check", "--json", "--volttron-home", str(home))
        assert json.loads(done.stdout) == {
            "faults": [],
            "warnings": [],
            "points": 0,
            "writing": "protected",
        }
        assert site.platform.link.call(CACHE, "health")["writing"] == "protected"

        with site.connected(MALLORY, 2.0) as mallory, site.connected(DR) as dr:
            everything_is_refused(site, mallory)
            permitted(site, dr)
            published(site, dr)
            # Reading stays open to everybody.
            assert mallory.call(CACHE, "read", {"x": site.point})["errors"] == {}
            assert mallory.call(DRIVER, "get_point", site.device, "portLoad") is not None

            # No window in which a new process lets anybody in.
            before = site.writes()
            with site.connected(HAMMER, 0.1) as other, hammering(site, other) as answers:
                site.kill_agent()
                site.start_agent()
                site.wait_for("Polls", site.every_port_is_published())
            assert not [text for text in answers if text.startswith("done")]
            assert len([text for text in answers if "not_permitted" in text]) > 10
            site.kill_driver()
            site.start_driver()
            site.wait_for("Polls", site.every_port_is_published())
            assert site.writes() == before

            everything_is_refused(site, mallory)
            permitted(site, dr)
            published(site, dr)

        done = site.command("authorize", "--role", "viewer", "--identity", DR)
        assert done.returncode != 0
        assert "can still write" in " ".join(done.stderr.split())
        done = site.command("authorize", "--role", "viewer", "--identity", MALLORY)
        assert done.returncode == 0, done.stderr
    assert mark.alive() == []


def test_the_printed_commands_are_those_of_vctl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with temporary_home() as home, Processes(tmp_path) as processes:
        platform = Platform(home, processes)
        platform.launch()
        ready = home / "VOLTTRON_PID"
        processes.wait_for("The start of the platform", ready.exists, 90)

        def run(*command: str) -> str:
            done = subprocess.run(
                command,
                env=child_environment(home),
                cwd=home,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        words = ("authorize", "--role", "demand-response", "--identity", DR, "--dry-run")
        lines = run(str(PROGRAM), *words)
        run(*platform._prefix, "bash", "-e", "-c", lines)
        found = json.loads(run(str(PROGRAM), "check", "--json", "--volttron-home", str(home)))
        assert (found["writing"], found["warnings"]) == ("protected", [])
        agents = json.loads((home / "authz.json").read_text())["agents"]
        assert f"{DRIVER}.set_point" in agents[DR]["rpc_capabilities"]
        assert f"{CACHE}.write" in agents[DRIVER]["rpc_capabilities"]
    assert mark.alive() == []
