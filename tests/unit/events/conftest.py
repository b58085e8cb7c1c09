"""An outbox, streams over it, and the end of what they leave running."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from chargepoint_driver.config.sinks import SinkConfig
from chargepoint_driver.events import Event, EventStream, SinkState
from chargepoint_driver.events import stream as stream_module
from chargepoint_driver.events.outbox import Outbox
from chargepoint_driver.events.sinks.base import SinkError
from tests.unit.events.engines import until

SINKS: Any = TypeAdapter(dict[str, SinkConfig])


class Sink:
    """A sink in memory that can be away, slow, or fail half-way."""

    takes_status = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.max_batch = 10
        self.got: list[dict[str, Any]] = []
        self.is_away = threading.Event()
        self.fails_after = 0
        self.opened = 0

    async def open(self) -> None:
        if self.is_away.is_set():
            raise ConnectionRefusedError("nobody listens")
        self.opened += 1

    async def put(self, events: Sequence[Event]) -> None:
        if self.is_away.is_set():
            raise SinkError("away")
        for count, event in enumerate(events):
            if self.fails_after and count == self.fails_after:
                self.fails_after = 0
                raise SinkError("failed half-way")
            self.got.append(json.loads(event.to_json()))
        await asyncio.sleep(0)

    async def put_status(self, statuses: Sequence[dict[str, Any]]) -> None:
        raise AssertionError("it takes none")

    async def close(self) -> None:
        pass


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sink]:
    found: dict[str, Sink] = {}
    monkeypatch.setattr("chargepoint_driver.events.outlet._MIN_PAUSE_S", 0.01)
    monkeypatch.setattr("chargepoint_driver.events.outlet._MAX_PAUSE_S", 0.05)
    monkeypatch.setattr(
        stream_module,
        "make_sink",
        lambda name, account, config, writer: found.setdefault(name, Sink(name)),
    )
    return found


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


def settings(tmp_path: Path, *names: str, **limits: Any) -> dict[str, dict[str, Any]]:
    return {name: {"type": "file", "path": str(tmp_path / name), **limits} for name in names}


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
