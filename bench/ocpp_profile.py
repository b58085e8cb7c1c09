"""Shares of a charger's frame on its way to the message bus: which code takes how much of it.

What a user gains: who wants it faster knows where to begin, and what is the host's.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import functools
import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import gevent

from bench.figure import Figure
from bench.ocpp_bus import BEGIN_S, CHARGERS, PACES, SECONDS, Site
from chargepoint_driver.adapters.driver import push_publisher
from chargepoint_driver.backends.ocpp.transport.connection import Connection
from chargepoint_driver.backends.ocpp.transport.frame_handler import FrameHandler

_Work = Callable[..., Any]


class _Shares:
    """Processor time of functions, each without those inside it that are counted too."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self._inner_s: dict[str, list[float]] = {}

    def watch(self, owner: Any, name: str, share: str, thread: str) -> None:
        """Count what a function takes; it runs on one thread."""
        work: _Work = getattr(owner, name)
        inner_s = self._inner_s.setdefault(thread, [0.0])

        @functools.wraps(work)
        def timed(*arguments: Any, **options: Any) -> Any:
            outer_s, inner_s[0] = inner_s[0], 0.0
            begun_s = time.thread_time()
            try:
                return work(*arguments, **options)
            finally:
                took_s = time.thread_time() - begun_s
                self.spent_s[share] += took_s - inner_s[0]
                inner_s[0] = outer_s + took_s

        setattr(owner, name, timed)


def figures() -> Iterator[Figure]:
    """Milliseconds of a frame by share, at each pace of `ocpp_bus`. To count takes time too."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(CHARGERS, folder)
        try:
            site.send(200, BEGIN_S)
            shares = _watched(site)
            for pace in PACES:
                yield from _shares_at(site, pace, shares)
        finally:
            site.close()


def _watched(site: Site) -> _Shares:
    shares = _Shares()
    push = site.host.interface._push
    hub, loop = "hub", "loop"
    shares.watch(push._queue, "_handle", "our push: compare and gather", hub)
    shares.watch(push, "_read", "our push: read the charger's points", hub)
    agent = site.host.interface.driver_agent
    shares.watch(agent, "publish_push", "the host's publish of the points", hub)
    shares.watch(push_publisher, "publish_event", "publish of the message itself", hub)
    shares.watch(FrameHandler, "take", "read and check the message", loop)
    shares.watch(site.system._csms.store, "_commit", "commit of SQLite", loop)
    shares.watch(Connection, "_write", "send the answer", loop)
    return shares


def _shares_at(site: Site, pace: int, shares: _Shares) -> Iterator[Figure]:
    shares.spent_s.clear()
    whole_s, hub_s, loop_s = time.process_time(), time.thread_time(), _loop_s(site)
    answered = site.send(pace, SECONDS)
    whole_s = time.process_time() - whole_s
    hub_s, loop_s = time.thread_time() - hub_s, _loop_s(site) - loop_s
    counted_s = dict(shares.spent_s)
    of_loop = ("read and check the message", "commit of SQLite", "send the answer")
    in_loop_s = sum(counted_s[share] for share in of_loop)
    rows = {
        "whole process": whole_s,
        **counted_s,
        "rest of gevent's hub: wake-ups, timers": hub_s - sum(counted_s.values()) + in_loop_s,
        "rest of the chargers' loop: sockets, selector, tasks": loop_s - in_loop_s,
        "other threads: the disk": whole_s - hub_s - loop_s,
    }
    for share, seconds in rows.items():
        what = f"a frame, {pace} a second: {share}"
        yield Figure(what, 1_000 * seconds / answered, "ms")


def _loop_s(site: Site) -> float:
    """Return the processor time of the chargers' thread so far."""
    found: list[float] = []
    site.system._loop._loop.call_soon_threadsafe(lambda: found.append(time.thread_time()))
    with gevent.Timeout(30):
        while not found:
            gevent.sleep(0.005)
    return found[0]
