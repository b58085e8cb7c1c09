"""What the soak reports of its sinks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from .sinks import Sinks


def line(own_id: int, station: str = "CP1") -> str:
    return json.dumps({"id": f"7-{own_id}", "station": station}, separators=(",", ":")) + "\n"


def sinks_with(folder: Path, *lines: str) -> Sinks:
    with closing(sqlite3.connect(folder / "books.sqlite")) as db, db:
        db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO events VALUES (?)", [(1,), (2,), (3,)])
    found = Sinks(folder, folder / "books.sqlite")
    found._port = None
    (folder / "events.jsonl").write_text("".join(lines))
    return found


def test_complete_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl.1").write_text(line(2, "CP2"))
    (tmp_path / "events.jsonl.2").write_text(line(1))
    sinks = sinks_with(tmp_path, line(2, "CP2"), line(3), line(4))
    assert sinks.compared(3) == {
        "events": 3,
        "file": {"distinct": 4, "missing": 0, "out of order": 0},
        "passed": True,
    }


def test_one_is_missing(tmp_path: Path) -> None:
    found = sinks_with(tmp_path, line(1), line(3), line(4)).compared(3)
    assert (found["file"]["missing"], found["passed"]) == (1, False)


def test_one_is_out_of_order(tmp_path: Path) -> None:
    found = sinks_with(tmp_path, line(2), line(1), line(3)).compared(3)
    assert (found["file"]["out of order"], found["passed"]) == (1, False)


def test_no_event_proves_nothing(tmp_path: Path) -> None:
    assert not sinks_with(tmp_path).compared(0)["passed"]
