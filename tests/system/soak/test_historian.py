"""What is read of a historian's database, with the tables of the SQLite historian."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from . import historian

Store = Callable[[str, str, Any], None]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "historian.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE topics (topic_id INTEGER PRIMARY KEY, topic_name TEXT UNIQUE)")
        db.execute("CREATE TABLE data (ts TIMESTAMP, topic_id INTEGER, value_string TEXT)")
    return path


@pytest.fixture
def store(database: Path) -> Store:
    def put(minute: str, topic: str, value: Any) -> None:
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("INSERT OR IGNORE INTO topics (topic_name) VALUES (?)", (topic,))
            db.execute(
                "INSERT INTO data SELECT ?, topic_id, ? FROM topics WHERE topic_name = ?",
                (f"2026-03-03T10:{minute}:00.004+00:00", json.dumps(value), topic),
            )

    return put


def test_the_energy_stored_last_beside_a_session(database: Path, store: Store) -> None:
    for minute, session, energy in [("01", "7", 1.0), ("02", "7", 2.5), ("03", "8", 0.25)]:
        store(minute, "soak/a/session1", session)
        store(minute, "soak/a/energy1", energy)
    store("03", "soak/a/session2", "9")
    store("03", "soak/a/energy2", None)  # not known: no energy
    assert historian.sessions(database) == {("soak/a", 1): {"7": 2.5, "8": 0.25}}


def test_publishes_between_two_times(database: Path, store: Store) -> None:
    for minute in ("01", "02", "03", "04"):
        store(minute, "soak/a/status1", "AVAILABLE")
        store(minute, "soak/a/status2", "AVAILABLE")
    store("03", "soak/b/status1", "INUSE")
    found = historian.publishes(database, "2026-03-03T10:01:30", "2026-03-03T10:04:00")
    assert found == {"soak/a": 2, "soak/b": 1}


def test_whether_all_devices_were_stored(tmp_path: Path, database: Path, store: Store) -> None:
    assert not historian.has_devices(tmp_path / "not-yet.sqlite", 1)
    store("01", "soak/a/status1", "AVAILABLE")
    store("02", "soak/a/status1", "AVAILABLE")
    assert historian.has_devices(database, 1)
    assert not historian.has_devices(database, 2)
