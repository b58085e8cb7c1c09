"""The caching agent on a real platform: the demo through it, and its sudden death."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.demo.errors import DemoError
from examples.demo.platform import temporary_home
from examples.demo.processes import Processes
from examples.demo.report import TOLERANCE_KW
from examples.demo.run import CACHE, DRIVER

from .agent_site import Site
from .demos import Mark, finished_demo

GONE = f"the caching agent {CACHE} "  # did not answer, or is not reachable

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)


def test_the_demo_through_the_agent(tmp_path: Path) -> None:
    demo = finished_demo(tmp_path, "--agent")
    assert demo.code == 0, demo.text
    assert (demo.homes_left, demo.processes_left) == ([], [])
    said = demo.report
    assert said["port_load_kw_before"] > said["allowed_load_kw"] > 0
    assert said["port_load_kw_during"] <= said["allowed_load_kw"] + TOLERANCE_KW
    assert said["port_load_kw_after"] > said["allowed_load_kw"] + TOLERANCE_KW
    assert said["historian_rows"] > 0
    # The agent asked the service; a driver of its own would have logged its account.
    log = (tmp_path / "logs" / f"{CACHE}.log").read_text()
    # The host's own, of an agent that outlives the bus by a moment when all is ended.
    assert log.count("Traceback") == log.count("RuntimeError: VIP loop ended")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not [file for file in files if b"not-a-real-password" in file.read_bytes()]


def _has_metrics(port: int) -> bool:
    """Whether the agent shows what its account knows."""
    try:
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    except requests.ConnectionError:
        return False
    readable = 'chargepoint_account_readable{account="garage"} 1.0' in text
    return readable and "chargepoint_load_watts{" in text


def test_a_killed_agent_that_comes_back_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Mark()
    monkeypatch.setenv(mark.name, mark.value)
    with temporary_home() as home, Processes(tmp_path) as processes:
        site = Site(home, processes)
        # The driver starts first: an agent that is not there yet is not a fault of the set-up.
        site.start_driver()
        site.wait_for("The first errors", lambda: site.driver_says(GONE))
        site.start_agent()
        site.wait_for("The first poll", site.every_port_is_published())
        if importlib.util.find_spec("prometheus_client") is not None:
            site.wait_for("The metrics of a poll", lambda: _has_metrics(site.metrics_port))

        site.kill_agent()
        calls = site.place.count_calls()
        nothing = site.every_port_is_published()
        # The bus' list of peers tells it, at the first call too.
        device = next(iter(site.ports))
        for _ in range(2):
            words = refused(site, "get_point", device, "portLoad")
            assert "has left the message bus" in words or "is not on the message bus" in words
        words = refused(site, "set_point", device, "allowedLoad", 2.0)
        assert "nothing was sent" in words
        assert "[try_later]" in words
        site.driver_log.write_text("")
        site.wait_for("Errors", lambda: site.driver_says(GONE))
        assert not nothing()
        assert site.place.count_calls() == calls

        site.start_agent()
        site.wait_for("Polls through the new agent", site.every_port_is_published())
        health = site.platform.link.call(CACHE, "health")
        assert health["good"]
        assert (health["faults"], health["accounts"]) == ([], {"garage": {}})
        assert site.platform.link.call(CACHE, "stats")["garage"]["total"] > 0

        # A second process of the identity waits, and takes over when the first one is killed.
        log = site.start_standby()
        site.wait_for("The second stands by", lambda: "stands by" in log.read_text())
        site.kill_agent()
        site.wait_for("Polls through the second", site.every_port_is_published())
        assert "this one takes over" in log.read_text()
        assert site.platform.link.call(CACHE, "health")["good"]
    assert mark.alive() == []


def refused(site: Site, method: str, *arguments: Any) -> str:
    """The words with which the driver answers a call that cannot be carried out."""
    with pytest.raises(DemoError) as caught:
        site.platform.link.call(DRIVER, method, *arguments)
    return str(caught.value)
