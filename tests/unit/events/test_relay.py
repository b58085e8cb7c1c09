"""The relay over a file: what was deleted or restored, and the latest status.

What holds of events anywhere is in `test_relay_contract.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from chargepoint_driver.events import EventStream, StoredEvents
from chargepoint_driver.events.live_status import StatusFeed
from chargepoint_driver.events.outbox import Outbox
from chargepoint_driver.events.sinks.base import SinkError
from tests.unit.events.conftest import (
    SINKS,
    Sink,
    check_complete,
    delivered,
    fill,
    settings,
    state,
)
from tests.unit.events.engines import until


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
        self.elsewhere: set[str] = set()
        self.made = 0

    def feed(self) -> StatusFeed:
        return StatusFeed(
            lambda: list(self.names),
            self._make,
            self._touched,
            is_elsewhere=self.elsewhere.__contains__,
        )

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


def test_the_status_of_a_charger_that_another_process_has_stays(tmp_path, outbox, stream, sinks):
    """That process writes it."""
    chargers = Chargers("CP1", "CP2", "CP3")
    sinks["one"] = sink = StatusSink("one")
    stream(settings(tmp_path, "one"), chargers.feed())
    fill(outbox, 1)
    until(lambda: sink.statuses.keys() == {"CP1", "CP2", "CP3"})
    chargers.elsewhere.add("CP1")
    chargers.names[:] = ["CP3"]
    chargers.touched += ["CP1", "CP2"]
    until(lambda: sink.statuses.keys() == {"CP1", "CP3"})


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
