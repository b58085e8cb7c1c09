"""The two walks of docs/explanation/architecture.md: the files that a value passes, in order."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import gevent

from chargepoint_driver.simulator import Simulator

from .conftest import Driver, Time
from .devices import device, row
from .test_driver_interface_ocpp import Site

ROOT = Path(__file__).parents[3]
PACKAGE = f"{ROOT}/chargepoint_driver/"
PAGE = ROOT / "docs" / "explanation" / "architecture.md"


def walk_of(title: str) -> list[str]:
    """The files of a numbered list of the page, in order."""
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index(f"## {title}") :].split("\n## ")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


class Trace:
    """The project's files, in the order in which a function of each is first called."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE):
            file = name.removeprefix(PACKAGE)
            if not file.startswith("simulator/") and file not in self.files:
                self.files.append(file)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Trace this thread, and those that it starts."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def follows(self, walk: list[str]) -> bool:
        return [file for file in self.files if file in walk] == walk


def test_a_stale_topic_to_the_web_service_and_back(
    driver: Driver, sim: Simulator, clock: Time
) -> None:
    driver.start({"a/one": device(sim, "1:34001", [row()])})
    driver.poll()
    clock.pass_(3_600)
    trace = Trace()
    with trace.here():
        values, errors = driver.poll()
    assert not errors
    assert values
    assert trace.follows(walk_of("From a stale topic")), "\n".join(trace.files)


def frame(driver: Driver, site: Site) -> Trace:
    """Trace one frame on the central system's thread, then what the host does with its event."""
    push, trace = driver.interface._push, Trace()
    loop = driver.interface._stations._backend.system._loop._loop
    events: list[dict[str, Any]] = []
    handle, push._queue._handle = push._queue._handle, lambda items, _: events.extend(items)
    loop.call_soon_threadsafe(sys.setprofile, trace)
    try:
        site.twins.act("sample", connector=1)
        driver.wait_for(
            lambda: (
                any(event["action"] == "MeterValues" for event in events)
                and "adapters/host/event_queue.py" in trace.files
            )
        )
    finally:
        loop.call_soon_threadsafe(sys.setprofile, None)
        push._queue._handle = handle
    gevent.sleep(0.1)
    with trace.here():
        push._handle(events, 0)
    return trace


def test_a_frame_of_meter_values_to_the_bus(driver: Driver, tmp_path: Path) -> None:
    site = Site(driver, tmp_path, "1.6", None)
    walk = walk_of("From a frame")
    try:
        site.start()
        site.charge()
        # Another message of the twin may come in between: then the order is not that of one frame.
        traces = [frame(driver, site)]
        while not traces[-1].follows(walk) and len(traces) < 5:
            traces.append(frame(driver, site))
        assert traces[-1].follows(walk), "\n".join(traces[-1].files)
    finally:
        site.close()
