"""Calls that are handed over: in order, on a thread of ours; under gevent on the hub's."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from chargepoint_driver.process.hand_over import HandOver


def test_calls_are_made_in_order_and_a_failure_costs_one():
    got: list[int] = []
    done = threading.Event()

    def take(number: int) -> None:
        if number == 3:
            raise ValueError("a defect of the host")
        got.append(number)
        if number == 9:
            done.set()

    calls = HandOver(take, "calls")
    for number in range(10):
        calls.put(number)
    assert done.wait(30)
    calls.stop()
    calls.stop()
    assert got == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_what_is_lost_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    got: list[int] = []
    is_begun, go_on, is_done = threading.Event(), threading.Event(), threading.Event()

    def take(number: int) -> None:
        is_begun.set()
        go_on.wait(30)
        got.append(number)
        if number == 1_204:
            is_done.set()

    calls = HandOver(take, "alerts")
    calls.put(0)
    assert is_begun.wait(30)
    for number in range(1, 1_205):
        calls.put(number)
    go_on.set()
    assert is_done.wait(30)
    calls.stop()
    assert got == [0, *range(205, 1_205)]
    assert calls.lost == 204
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("alerts: 204 came faster")


_CHILD = """
from gevent import monkey
monkey.patch_all()
import gevent
from chargepoint_driver.process.hand_over import HandOver
from chargepoint_driver.process.loop_thread import start_native_thread
hub = monkey.get_original("_thread", "get_ident")()
where = []
calls = HandOver(lambda: where.append(monkey.get_original("_thread", "get_ident")()), "calls")
gevent.sleep(0.05)
start_native_thread(calls.put)
with gevent.Timeout(30):
    while not where:
        gevent.sleep(0.01)
calls.stop()
print(where == [hub])
"""


def test_under_gevent_they_are_made_on_the_hub():
    """A host's alert from another thread would have a hub of its own, and never arrive."""
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHILD],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr
