"""The schedule of the real host, and what it keeps of calls that are over."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import datetime, timezone
from types import FunctionType
from typing import Any

import gevent
import pytest
from gevent.event import Event
from volttron.client.vip.agent.core import BasicCore

from chargepoint_driver.adapters.driver.poll_scheduler import _forget_past_calls

CALLS = 100
LIMIT_S = 60.0


class Core(BasicCore):  # type: ignore[misc]  # the host has no types
    """The host's own without a message bus."""

    def loop(self, _running_event: Any) -> Iterator[None]:
        for _ in range(4):
            yield

    def send_vip(self, *_: Any, **__: Any) -> None:
        raise AssertionError("there is no bus here")


class Owner:
    """An agent without anything to set up."""


@pytest.fixture
def core() -> Iterator[Core]:
    core, started = Core(Owner()), Event()
    core.onstart.connect(lambda *_, **__: started.set())
    running = gevent.spawn(core.run)
    assert started.wait(LIMIT_S)
    yield core
    core.stop()
    running.get(timeout=LIMIT_S)


def carry_out(core: Core, function: Any) -> None:
    """Have that called by the schedule, and wait for it."""
    done = Event()

    def call() -> None:
        function()
        done.set()

    core.schedule(datetime.now(timezone.utc), call)
    assert done.wait(LIMIT_S)


def kept() -> int:
    """Callbacks that the host's schedule keeps."""
    gc.collect()
    functions = (each for each in gc.get_objects() if type(each) is FunctionType)
    return sum("schedule_loop.<locals>.<lambda>" in each.__qualname__ for each in functions)


def test_the_schedule_forgets_calls_that_are_over(core: Core) -> None:
    before = kept()
    for _ in range(CALLS):
        carry_out(core, lambda: None)
    assert kept() >= before + CALLS, "the host has fixed it: this can go"
    carry_out(core, _forget_past_calls)
    assert kept() <= before + 1
    # It goes on.
    carry_out(core, lambda: None)
    assert kept() <= before + 2


def test_links_of_others_stay(core: Core) -> None:
    """What is not called by the schedule has no business with the greenlet it comes from."""
    linked: list[Any] = []

    def other() -> None:
        gevent.spawn(_forget_past_calls).join(LIMIT_S)

    parent = gevent.Greenlet(other)
    parent.link(linked.append)
    parent.start()
    parent.join(LIMIT_S)
    gevent.idle()
    assert linked == [parent]
    _forget_past_calls()  # outside of any greenlet nothing happens
