"""The log of a scheduler: pages, limits of its size, and errors that stop nothing."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone

import pytest

from chargepoint_driver.demand_response.schedule import schedule_log
from chargepoint_driver.demand_response.schedule.schedule_log import ScheduleLog, log_path
from chargepoint_driver.errors import StoreError

NOW = datetime(2026, 12, 1, tzinfo=timezone.utc)


@pytest.fixture
def log(tmp_path):
    found = ScheduleLog(tmp_path / "s.log.sqlite", lambda: NOW)
    yield found
    found.close()


def test_entries_are_read_in_pages_newest_first(log) -> None:
    for kw in range(5):
        log.add({"group": "g", "kw": kw})
    log.add({"group": "h", "kw": 9, "time": "2026-12-02T00:00:00+00:00"})
    first, before = log.entries(limit=4)
    assert [each.facts["kw"] for each in first] == [9, 4, 3, 2]
    assert first[0].time == "2026-12-02T00:00:00+00:00"
    assert first[1].time == NOW.isoformat()
    rest, end = log.entries(before=before, limit=4)
    assert [each.facts["kw"] for each in rest] == [1, 0]
    assert end is None
    assert [each.facts["kw"] for each in log.entries("h")[0]] == [9]


def test_the_newest_entries_are_kept(log, monkeypatch) -> None:
    monkeypatch.setattr(schedule_log, "_MAX_ENTRIES", 10)
    monkeypatch.setattr(schedule_log, "_PRUNE_EVERY", 5)
    for kw in range(30):
        log.add({"group": "g", "kw": kw})
    found, _ = log.entries()
    assert [each.facts["kw"] for each in found] == list(range(29, 19, -1))


def test_another_process_reads_what_is_written(log) -> None:
    assert log.state() is None
    log.put_state({"revision": "a"})
    log.put_state({"revision": "b"})
    other = ScheduleLog(log.path, lambda: NOW)
    assert other.state() == (NOW, {"revision": "b"})
    other.close()
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_an_error_while_writing_stops_nothing(log, caplog) -> None:
    with sqlite3.connect(log.path) as db:
        db.executescript("DROP TABLE entries; DROP TABLE state;")
    db.close()
    log.add({"group": "g"})
    log.put_state({})
    assert "s.log.sqlite" in caplog.text


def test_what_is_not_a_log_of_this_version_is_refused(tmp_path) -> None:
    path = tmp_path / "s.log.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="later version"):
        ScheduleLog(path, lambda: NOW)
    path.write_text("no database, but long enough to be looked at as one")
    with pytest.raises(StoreError):
        ScheduleLog(path, lambda: NOW)
    with pytest.raises(StoreError):
        ScheduleLog(tmp_path / "none" / "x.sqlite", lambda: NOW)


def test_the_log_is_next_to_the_file(tmp_path) -> None:
    assert log_path(tmp_path / "night.json") == tmp_path / "night.log.sqlite"
