"""The process of an agent: a signal ends it in good order, whatever its greenlets do."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo.platform import child_environment

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("volttron.client") is None
    or importlib.util.find_spec("gevent") is None,
    reason="needs a VOLTTRON platform: pip install '.[demo]'",
)

# An agent that works without a pause, under a host that does as VOLTTRON's does.
AGENT = """
import gevent
from chargepoint_driver.adapters import agent_process

class Agent:
    def __init__(self, **_options):
        self.is_stopping = False

    def run(self):
        self.working = gevent.spawn(self.work)
        try:
            gevent.sleep(60)
        except gevent.GreenletExit:
            pass
        self.is_stopping = True
        self.working.join(30)
        print("given back" if self.working.value == "gave back" else "lost", flush=True)

    def work(self):
        print("works", flush=True)
        while not self.is_stopping:
            sum(range(20_000))
            gevent.sleep(0)
        return "gave back"

def host(agent, **options):
    gevent.hub.Hub.NOT_ERROR += (KeyboardInterrupt,)
    try:
        task = gevent.spawn(agent(**options).run)
        try:
            task.join()
        finally:
            task.kill()
    except KeyboardInterrupt:
        pass

agent_process.vip_main = host
agent_process.run_agent(Agent)
"""

# The host sets how garbage is collected while the agent runs.
COLLECTIONS = """
import gc
from chargepoint_driver.adapters import agent_process

before = gc.get_threshold()

def host(agent, **options):
    print(gc.get_threshold()[0] > before[0], gc.get_freeze_count() > 0)

agent_process.vip_main = host
agent_process.run_agent(object)
print(gc.get_threshold() == before)
"""


@pytest.mark.parametrize("numbers", [["SIGINT"], ["SIGTERM"], ["SIGINT", "SIGTERM", "SIGINT"]])
def test_a_signal_ends_no_greenlet_in_its_middle(numbers: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", AGENT],
        env=child_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        for number in numbers:
            os.kill(process.pid, getattr(signal, number))
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (out, process.returncode) == ("given back\n", 0), err


def test_an_agent_collects_garbage_rarely(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTIONS],
        env=child_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["True"] * 3, done.stderr
