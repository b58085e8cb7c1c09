"""An outbox, streams over it, and the end of what they leave running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from chargepoint_driver.config.sinks import SinkConfig
from chargepoint_driver.events import EventStream, SinkState
from chargepoint_driver.events.outbox import Outbox
from tests.unit.events.engines import until

SINKS: Any = TypeAdapter(dict[str, SinkConfig])


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    found = Outbox(tmp_path / "events.sqlite")
    yield found
    found.close()


@pytest.fixture
def stream(outbox: Outbox) -> Iterator[Callable[..., EventStream]]:
    """Starts a stream of the outbox to sinks."""
    running: list[EventStream] = []

    def start(sinks: dict[str, dict[str, Any]], *args: Any, **options: Any) -> EventStream:
        made = EventStream(outbox.path, "garage", SINKS.validate_python(sinks), *args, **options)
        running.append(made)
        made.start()
        return made

    yield start
    for each in running:
        each.stop()


def fill(outbox: Outbox, count: int, *, stations: int = 5, begin: int = 0) -> None:
    """Store events of some stations, numbered."""
    for number in range(begin, begin + count):
        data = {"status": "AVAILABLE", "before": None, "number": number}
        outbox.add("StatusChange", f"1:{number % stations}", 1, data)
    outbox.flush()


def state(running: EventStream, name: str) -> SinkState:
    return next(each for each in running.states() if each.name == name)


def delivered(running: EventStream, name: str, count: int) -> SinkState:
    """Wait until a sink has a number of events, and return its state."""
    until(lambda: state(running, name).delivered >= count)
    return until(lambda: (found := state(running, name)).waiting == 0 and found)


def check_complete(found: list[dict[str, Any]], count: int) -> None:
    """All numbers are there, and those of each station in order, repetitions dropped."""
    seen: set[str] = set()
    of_station: dict[str, list[int]] = {}
    for event in found:
        if event["id"] not in seen:
            seen.add(event["id"])
            of_station.setdefault(event["station"], []).append(event["data"]["number"])
    assert sorted(number for numbers in of_station.values() for number in numbers) == [
        *range(count)
    ]
    assert all(numbers == sorted(numbers) for numbers in of_station.values())
