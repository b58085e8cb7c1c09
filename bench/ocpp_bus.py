"""Cost of a charger's frame on its way to the message bus, in the real driver agent.

What a user gains: a change is recorded at once, and 500 chargers leave the platform free.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import csv
import gc
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import gevent

from bench.figure import Figure
from bench.platform import Host

CHARGERS = 500
# Frames a second to the most milliseconds of a frame.
PACES = {50: 1.0, 200: 0.8, 500: 0.6}
SECONDS = 10.0
# Until every charger has been heard of.
BEGIN_S = 5.0
LIMIT_S = 120.0
REGISTRY = Path(__file__).parents[1] / "registry_configs" / "ocpp.csv"


class Site:
    """A driver with chargers that are connected; `send` has them report."""

    def __init__(self, chargers: int, folder: str) -> None:
        rows = list(csv.DictReader(REGISTRY.read_text(encoding="utf-8").splitlines()))
        self.chargers = chargers
        self.host = Host()
        self.host.configure(
            # Few under one topic: the host's tree walks the siblings of each.
            (f"garage/b{number // 100}/c{number}", self._device(f"LOAD{number}", folder, rows))
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
                "boot_grace_s": 3_600,  # the sockets never boot
            },
            "registry_config": [dict(row) for row in rows],
            "interval": 3600,
        }

    def _line(self) -> str:
        assert self._load.stdout is not None
        return self._load.stdout.readline()

    def send(self, rate: float, seconds: float, *, is_published: bool = True) -> int:
        """Send `rate` frames a second; return how many were answered, when all of them are on
        the bus (`is_published`)."""
        assert self._load.stdin is not None
        counts = self.host.pubsub.counts
        before = counts["MeterValues"]
        self._load.stdin.write(f"{rate} {seconds}\n")
        self._load.stdin.flush()
        answered = int(self._line())
        with gevent.Timeout(LIMIT_S):
            while is_published and counts["MeterValues"] - before < answered:
                gevent.sleep(0.05)
        return answered

    def close(self) -> None:
        """End the load and the driver."""
        assert self._load.stdin is not None
        self._load.stdin.close()
        self._load.wait(30)
        self.host.stop()


def figures() -> Iterator[Figure]:
    """Processor time of the whole driver process for each frame, at several paces, and how many
    of our functions are called for one."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(CHARGERS, folder)
        try:
            site.send(200, BEGIN_S)
            frames = 0
            with full_collections() as found:
                for pace, most_ms in PACES.items():
                    begun = time.process_time()
                    answered = site.send(pace, SECONDS)
                    frames += answered
                    yield Figure(
                        f"a frame of {CHARGERS} chargers on the bus, {pace} frames a second",
                        (time.process_time() - begun) / answered * 1_000,
                        "ms",
                        at_most=most_ms,
                    )
                delays = _delays_ms(site)
            what = "a change of one charger, from its frame to the bus"
            yield Figure(f"{what}, median", delays[len(delays) // 2], "ms", at_most=150)
            # In it is what else the machine does.
            yield Figure(f"{what}, 99 of 100 within", delays[len(delays) * 99 // 100], "ms")
            yield Figure(
                f"full collections of Python's garbage meanwhile, {frames + len(delays):,} frames",
                len(found),
                "",
                at_most=0,
            )
            yield Figure("of it the host's publish of 4 points", _publish_ms(site), "ms")
            # The median: other work of the loop falls into some of the seconds.
            calls, files = sorted(_calls(site) for _ in range(5))[2]
            what = "of a frame of MeterValues until it is published"
            yield Figure(f"our calls {what}", calls, "calls", at_most=525)
            yield Figure(f"our files {what}", files, "files")
        finally:
            site.close()


@contextmanager
def full_collections() -> Iterator[list[float]]:
    """Yield the seconds that each full garbage collection in the block takes."""
    took_s: list[float] = []
    begun_s = 0.0

    def note(phase: str, found: dict[str, int]) -> None:
        nonlocal begun_s
        if found["generation"] < 2:
            return
        if phase == "start":
            begun_s = time.thread_time()
        else:
            took_s.append(time.thread_time() - begun_s)

    gc.collect()  # what the start has left is not the frames'
    gc.callbacks.append(note)
    try:
        yield took_s
    finally:
        gc.callbacks.remove(note)


def _delays_ms(site: Site) -> list[float]:
    """Return the milliseconds from the time in a frame until its change is published, in order.
    The frames come one by one."""
    published_s: dict[str, float] = {}
    delays: list[float] = []

    def note(topic: str, message: Any) -> None:
        if topic.endswith("/multi"):
            published_s[topic.split("/")[-2].replace("c", "LOAD")] = time.time()
        elif topic.endswith("/MeterValues"):  # which follows, and has the time of the frame
            sent_s = datetime.fromisoformat(message["time"].replace("Z", "+00:00")).timestamp()
            delays.append(1_000 * (published_s.pop(message["charge_point"]) - sent_s))

    site.host.pubsub.on_publish.append(note)
    answered = site.send(10, 2 * SECONDS)
    site.host.pubsub.on_publish.clear()
    assert len(delays) == answered, f"{len(delays)} of {answered} were published"
    return sorted(delays)


def _publish_ms(site: Site) -> float:
    """Return the processor time of what the host does to publish four changed points."""
    push = site.host.interface._push
    points, _ = push._by_station["LOAD1"]
    values = dict.fromkeys([topic for topic in points if "current" in topic][:4], 1.0)
    begun = time.process_time()
    for _ in range(500):
        site.host.interface.driver_agent.publish_push(values)
    return (time.process_time() - begun) / 500 * 1_000


def _calls(site: Site) -> tuple[float, int]:
    """Return the calls of functions of this project for one frame, and the files they are in: on
    the central system's thread, then from the event to the publish."""
    interface, found = site.host.interface, Counter[str]()
    events: list[dict[str, Any]] = []
    interface._push._queue._handle = lambda items, _: events.extend(items)

    def count(frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and "/chargepoint_driver/" in name:
            found[name] += 1

    loop = site.system._loop._loop
    loop.call_soon_threadsafe(sys.setprofile, count)
    frames = site.send(20, 1, is_published=False)
    loop.call_soon_threadsafe(sys.setprofile, None)
    while not events or events[-1]["action"] != "MeterValues":
        gevent.sleep(0.05)
    received = found.total() / frames
    files = set(found)
    found.clear()
    sys.setprofile(count)
    interface._push._handle(events[-1:], 0)
    sys.setprofile(None)
    return received + found.total(), len(files | set(found))
