"""The relay: each sink on its own, at least once, in order, within its limits."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.events import Event, EventStream, StoredEvents
from chargepoint_driver.events import stream as stream_module
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.outbox import Outbox
from chargepoint_driver.events.sinks.base import SinkError
from tests.unit.events.conftest import SINKS, check_complete, delivered, fill, state
from tests.unit.events.engines import until


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
    monkeypatch.setattr("chargepoint_driver.events.relay._MIN_PAUSE_S", 0.01)
    monkeypatch.setattr("chargepoint_driver.events.relay._MAX_PAUSE_S", 0.05)
    monkeypatch.setattr(
        stream_module,
        "make_sink",
        lambda name, account, config: found.setdefault(name, Sink(name)),
    )
    return found


def settings(tmp_path: Path, *names: str, **limits: Any) -> dict[str, dict[str, Any]]:
    return {name: {"type": "file", "path": str(tmp_path / name), **limits} for name in names}


def test_every_sink_gets_every_event(tmp_path, outbox, stream, sinks):
    running = stream(settings(tmp_path, "one", "two"))
    fill(outbox, 95)
    for name in ("one", "two"):
        assert delivered(running, name, 95).lag_s == 0
        check_complete(sinks[name].got, 95)


def test_a_sink_that_is_away_costs_the_others_nothing(tmp_path, outbox, stream, sinks):
    sinks["away"] = Sink("away")
    sinks["away"].is_away.set()
    running = stream(settings(tmp_path, "away", "there"))
    fill(outbox, 50)
    delivered(running, "there", 50)
    waits = until(lambda: (found := state(running, "away")).error and found)
    assert waits.waiting == 50
    assert "nobody listens" in waits.error
    sinks["away"].is_away.clear()
    assert delivered(running, "away", 50).error is None
    check_complete(sinks["away"].got, 50)
    assert state(running, "there").retries == 0


def test_a_batch_that_fails_half_way_comes_again_whole(tmp_path, outbox, stream, sinks):
    sinks["one"] = Sink("one")
    sinks["one"].fails_after = 7
    running = stream(settings(tmp_path, "one"))
    fill(outbox, 30)
    delivered(running, "one", 30)
    assert len(sinks["one"].got) > 30
    check_complete(sinks["one"].got, 30)


def test_a_new_sink_begins_with_what_comes_then(tmp_path, outbox, stream, sinks):
    fill(outbox, 5)
    running = stream(settings(tmp_path, "one"))
    fill(outbox, 5, begin=5)
    delivered(running, "one", 5)
    assert [event["data"]["number"] for event in sinks["one"].got] == [5, 6, 7, 8, 9]


def test_a_sink_goes_on_where_it_was(tmp_path, outbox, sinks):
    for begin in (0, 10):
        running = EventStream(outbox.path, "a", SINKS.validate_python(settings(tmp_path, "one")))
        running.start()
        fill(outbox, 10, begin=begin)
        delivered(running, "one", 10)
        running.stop()
    check_complete(sinks["one"].got, 20)
    assert len(sinks["one"].got) == 20


def test_too_many_waiting_events_are_skipped_and_counted(tmp_path, outbox, stream, sinks):
    alerts: list[tuple[str, str]] = []
    sinks["one"] = Sink("one")
    sinks["one"].is_away.set()
    running = stream(
        settings(tmp_path, "one", max_waiting_events=100),
        alert=lambda about, text: alerts.append((about, text)),
    )
    fill(outbox, 60)
    until(lambda: alerts)
    assert alerts[0][0] == "sink one"
    assert "half" in alerts[0][1]
    fill(outbox, 140, begin=60)
    until(lambda: len(alerts) == 2)
    assert "--after 0" in alerts[1][1]
    sinks["one"].is_away.clear()
    assert delivered(running, "one", 101).lost == 100
    first = sinks["one"].got[0]
    assert (first["kind"], first["data"]) == ("lost", {"lost": 100, "after": 0, "through": 100})
    assert [event["data"]["number"] for event in sinks["one"].got[1:]] == [*range(100, 200)]
    assert len(alerts) == 2


def test_events_that_wait_too_long_are_skipped(tmp_path, sinks):
    clock = [1_000_000.0]
    sinks["one"] = Sink("one")
    sinks["one"].is_away.set()
    outbox = Outbox(tmp_path / "events.sqlite", now=lambda: clock[0])
    config = SINKS.validate_python(settings(tmp_path, "one", max_waiting_hours=1))
    running = EventStream(outbox.path, "a", config, now=lambda: clock[0])
    running.start()
    try:
        fill(outbox, 10)
        clock[0] += 3_000.0
        fill(outbox, 10, begin=10)
        clock[0] += 1_000.0
        until(lambda: state(running, "one").waiting == 10)
        sinks["one"].is_away.clear()
        assert delivered(running, "one", 11).lost == 10
    finally:
        running.stop()
        outbox.close()
    assert [event["data"].get("number") for event in sinks["one"].got] == [None, *range(10, 20)]


def test_a_cursor_beyond_a_restored_backup_misses_nothing_new(tmp_path, outbox, sinks):
    config = SINKS.validate_python(settings(tmp_path, "one"))
    running = EventStream(outbox.path, "a", config)
    running.start()
    fill(outbox, 20)
    delivered(running, "one", 20)
    running.stop()
    outbox.close()
    for each in tmp_path.glob("events.sqlite*"):
        if "-sinks" not in each.name:
            each.unlink()  # and the cursors stay
    restored = Outbox(outbox.path)
    running = EventStream(restored.path, "a", config)
    running.start()
    try:
        fill(restored, 5, begin=20)
        delivered(running, "one", 5)
    finally:
        running.stop()
        restored.close()
    check_complete(sinks["one"].got, 25)


def test_what_a_client_raises_costs_its_sink_only(tmp_path, outbox, stream, sinks):
    class Broken(Sink):
        async def put(self, events: Sequence[Event]) -> None:
            raise RuntimeError("a defect of a client")

    sinks["broken"] = Broken("broken")
    running = stream(settings(tmp_path, "broken", "good"))
    fill(outbox, 10)
    delivered(running, "good", 10)
    assert "a defect of a client" in until(lambda: state(running, "broken").error)


def test_events_that_were_deleted_before_a_sink_had_them_are_counted(tmp_path, outbox, sinks):
    sinks["one"] = Sink("one")
    sinks["one"].is_away.set()
    config = SINKS.validate_python(settings(tmp_path, "one"))
    running = EventStream(outbox.path, "a", config)
    running.start()
    try:
        fill(outbox, 30)
        until(lambda: state(running, "one").waiting == 30)
        with closing(sqlite3.connect(outbox.path)) as db, db:
            db.execute("DELETE FROM events WHERE id <= 10")
        sinks["one"].is_away.clear()
        assert delivered(running, "one", 21).lost == 10
    finally:
        running.stop()
    assert sinks["one"].got[0]["data"] == {"lost": 10, "after": 0, "through": 10}
    assert [event["data"]["number"] for event in sinks["one"].got[1:]] == [*range(10, 30)]


class StatusSink(Sink):
    """One that takes the latest status too."""

    takes_status = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.fails_statuses = False
        self.statuses: dict[str, dict[str, Any]] = {}

    async def put_status(self, statuses: Sequence[dict[str, Any]]) -> None:
        if self.fails_statuses:
            self.fails_statuses = False
            raise SinkError("no statuses")
        self.statuses.update({each["charge_point_id"]: each for each in statuses})

    async def forget_status(self, account: str, charge_points: Sequence[str]) -> None:
        for name in charge_points:
            self.statuses.pop(name, None)


class Chargers:
    """What a feed asks for."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.touched: list[str] = []
        self.made = 0

    def feed(self) -> StatusFeed:
        return StatusFeed(lambda: list(self.names), self._make, self._touched)

    def _make(self, name: str) -> dict[str, Any] | None:
        self.made += 1
        return {"charge_point_id": name, "made": self.made} if name in self.names else None

    def _touched(self) -> list[str]:
        found, self.touched = self.touched, []
        return found


def test_nothing_is_read_and_no_status_made_for_a_sink_that_is_away(
    tmp_path, outbox, stream, sinks, monkeypatch
):
    reads: list[int] = []
    looks: list[int] = []
    read, last = StoredEvents.read, StoredEvents.last
    monkeypatch.setattr(
        StoredEvents, "read", lambda self, after, limit: reads.append(1) or read(self, after, limit)
    )
    monkeypatch.setattr(StoredEvents, "last", lambda self: looks.append(1) or last(self))
    monkeypatch.setattr("chargepoint_driver.events.relay._MEASURE_S", 60.0)
    chargers = Chargers("CP1", "CP2")
    sinks["one"] = sink = StatusSink("one")
    sink.is_away.set()
    fill(outbox, 50)
    running = stream(settings(tmp_path, "one"), chargers.feed(), begin=0)
    until(lambda: state(running, "one").retries >= 1)
    made, looked = chargers.made, len(looks)
    chargers.touched += ["CP1", "CP2"]
    tries = state(running, "one").retries
    until(lambda: state(running, "one").retries >= tries + 20)
    assert (reads, chargers.made) == ([], made)
    assert len(looks) <= looked + 1
    sink.is_away.clear()
    delivered(running, "one", 50)
    until(lambda: sink.statuses.keys() == {"CP1", "CP2"})


def test_a_charger_that_is_forgotten_while_its_sink_is_away_is_removed(
    tmp_path, outbox, stream, sinks
):
    chargers = Chargers("CP1", "CP2")
    sinks["one"] = sink = StatusSink("one")
    running = stream(settings(tmp_path, "one"), chargers.feed())
    fill(outbox, 10)
    until(lambda: sink.statuses.keys() == {"CP1", "CP2"})
    sink.is_away.set()
    fill(outbox, 10, begin=10)
    until(lambda: state(running, "one").error)
    chargers.names.remove("CP1")
    chargers.touched.append("CP1")
    sink.is_away.clear()
    until(lambda: sink.statuses.keys() == {"CP2"})


def test_a_sink_has_no_error_when_it_takes_statuses_again(tmp_path, outbox, stream, sinks):
    """Also where no event comes."""
    chargers = Chargers("CP1")
    sinks["one"] = sink = StatusSink("one")
    running = stream(settings(tmp_path, "one"), chargers.feed())
    fill(outbox, 10)
    delivered(running, "one", 10)
    until(lambda: sink.statuses)
    sink.fails_statuses = True
    chargers.touched.append("CP1")
    until(lambda: state(running, "one").retries)
    until(lambda: state(running, "one").error is None)
    before = sink.statuses["CP1"]
    chargers.touched.append("CP1")
    until(lambda: sink.statuses["CP1"] != before)
