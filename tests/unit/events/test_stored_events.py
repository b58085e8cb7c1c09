"""Stored events: order, runs, and rows that are damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.errors import ConfigurationError, NotFoundError
from chargepoint_driver.events import StoredEvents
from chargepoint_driver.events.outbox import Outbox
from tests.unit.events.conftest import fill


def test_events_come_in_order_after_an_id(outbox: Outbox):
    fill(outbox, 10)
    with closing(StoredEvents(outbox.path, "garage")) as events:
        assert [each.seq for each in events.read(4, 3)] == [5, 6, 7]
        assert events.last() == 10
        assert events.read(10, 3) == []


def test_each_process_is_a_run_of_its_own(tmp_path: Path):
    """Also where the clock was set back, a later run has the higher number."""
    for now_s in (1_000.0, 500.0):
        box = Outbox(tmp_path / "events.sqlite", now=lambda now_s=now_s: now_s)
        fill(box, 2)
        box.close()
    with closing(StoredEvents(tmp_path / "events.sqlite", "garage")) as events:
        assert [(each.run, each.seq) for each in events.read(0, 9)] == [
            (1_000_000, 1),
            (1_000_000, 2),
            (1_000_001, 3),
            (1_000_001, 4),
        ]


def test_ids_are_not_used_again_when_all_events_were_deleted(tmp_path: Path):
    box = Outbox(tmp_path / "events.sqlite")
    fill(box, 3)
    box.close()
    with closing(sqlite3.connect(tmp_path / "events.sqlite")) as db, db:
        db.execute("DELETE FROM events")
    box = Outbox(tmp_path / "events.sqlite")
    fill(box, 1)
    box.close()
    with closing(StoredEvents(tmp_path / "events.sqlite", "garage")) as events:
        assert [each.seq for each in events.read(0, 9)] == [4]


@pytest.mark.parametrize("column", ["received", "time", "connector", "data"])
def test_a_damaged_row_is_still_an_envelope(outbox: Outbox, column: str):
    fill(outbox, 2)
    with closing(sqlite3.connect(outbox.path)) as db, db:
        db.execute(f"UPDATE events SET {column} = 'not {{ this' WHERE id = 1")
    with closing(StoredEvents(outbox.path, "garage")) as events:
        first, second = (each.to_dict() for each in events.read(0, 9))
    assert (first["seq"], second["data"]["number"]) == (1, 1)
    assert (column == "data") == (first["data"] == {"damaged": True})


def test_damaged_rows_change_nothing_of_those_around_them(outbox: Outbox):
    """All rows of a read are one row of SQLite's, whatever the bytes in them."""
    for number in range(6):
        outbox.add(
            "Näme",
            f"CP/ü{number}",
            number or None,
            {"text": 'é\0\u2028"[{,\U0001f50c', "n": number},
        )
    outbox.flush()
    with closing(sqlite3.connect(outbox.path)) as db, db:
        db.execute("UPDATE events SET data = CAST(x'7b2261223a22ff227d' AS TEXT) WHERE id = 2")
        db.execute(
            "UPDATE events SET data = '{}' || char(0) || 'x', charge_point = x'ff00' WHERE id = 3"
        )
        db.execute("UPDATE events SET received = 9e999, time = x'00', connector = 1.5 WHERE id = 4")
        db.execute("UPDATE events SET data = x'00', action = CAST(x'ff' AS TEXT) WHERE id = 5")
    with closing(StoredEvents(outbox.path, "garage")) as events:
        found = [each.to_dict() for each in events.read(0, 9)]
    assert [each["seq"] for each in found] == [1, 2, 3, 4, 5, 6]
    for number in (0, 3, 5):
        assert found[number]["data"] == {"text": 'é\0\u2028"[{,\U0001f50c', "n": number}
        assert (found[number]["station"], found[number]["action"]) == (f"CP/ü{number}", "Näme")
    assert found[1]["data"] == {"a": "\ufffd"}
    assert found[2]["data"] == found[4]["data"] == {"damaged": True}
    assert [each["connector"] for each in found] == [None, 1, 2, None, 4, 5]


def test_a_time_is_found_by_bisection(tmp_path: Path):
    clock = [0.0]
    box = Outbox(tmp_path / "events.sqlite", now=lambda: clock[0])
    for number in range(100):
        clock[0] = 10.0 * number
        fill(box, 1, begin=number)
    box.close()
    with closing(StoredEvents(tmp_path / "events.sqlite", "garage")) as events:
        assert [events.before(time_s) for time_s in (0.0, 5.0, 10.0, 505.0, 9_999.0)] == [
            0,
            1,
            1,
            51,
            100,
        ]


def test_an_outbox_has_one_process(outbox: Outbox):
    with pytest.raises(ConfigurationError, match="another process"):
        Outbox(outbox.path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(NotFoundError, match="no database"):
        StoredEvents(tmp_path / "none.sqlite", "garage")


def test_the_oldest_events_are_deleted_beyond_age_and_number(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("chargepoint_driver.events.outbox._PRUNE_EVERY_S", 0.0)
    clock = [1_000.0]
    box = Outbox(tmp_path / "events.sqlite", max_age_s=100.0, max_events=20, now=lambda: clock[0])
    fill(box, 5)
    clock[0] += 200.0
    fill(box, 5)
    fill(box, 1)
    with closing(StoredEvents(box.path, "garage")) as events:
        assert [each.seq for each in events.read(0, 99)] == [*range(6, 12)]
        fill(box, 30)
        fill(box, 1)
        kept = [each.seq for each in events.read(0, 99)]
        assert kept == [*range(23, 43)]
    box.close()


def test_of_a_node_only_what_postgres_does_not_have_is_read(outbox: Outbox):
    """Meter values, and what an older release had stored."""
    fill(outbox, 3)
    with closing(sqlite3.connect(outbox.path)) as db, db:
        db.execute("CREATE TABLE outbox (first_id INTEGER NOT NULL)")
        db.execute("INSERT INTO outbox VALUES (3)")
    for number in range(3):
        outbox.add("MeterValues", "CP1", 1, {"number": number})
        outbox.add("StatusNotification", "CP1", 1, {})
    outbox.flush()
    with closing(StoredEvents(outbox.path, "garage", is_of_node=True)) as events:
        assert [each.seq for each in events.read(0, 99)] == [1, 2, 4, 6, 8]
        assert [each.seq for each in events.read(4, 1)] == [6]
        assert events.count(0, 9) == 5
        # What is deleted may have been one of them.
        with closing(sqlite3.connect(outbox.path)) as db, db:
            db.execute("DELETE FROM events WHERE id <= 5")
        assert events.count(0, 9) == 7
        assert events.received_s(8) is None
    with closing(StoredEvents(outbox.path, "garage")) as events:
        assert events.received_s(8) is not None
