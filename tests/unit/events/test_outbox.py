"""The schema of the outbox: files from before versions, and of later ones."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.events.outbox import Outbox


def test_a_file_from_before_versions_keeps_its_events(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, received REAL NOT NULL,"
            " time REAL NOT NULL, charge_point TEXT NOT NULL, connector INTEGER,"
            " action TEXT NOT NULL, data TEXT NOT NULL)"
        )
        db.execute("INSERT INTO events VALUES (41, 1.0, 1.0, '1:1', 1, 'Shed', '{}')")
    outbox = Outbox(path, now=lambda: 2.0)
    outbox.add("Shed", "1:1", 1, {})
    assert outbox.last == 42
    outbox.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT id FROM events ORDER BY id").fetchall() == [(41,), (42,)]
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 9")
    for _ in range(2):  # its lock is free again
        with pytest.raises(ConfigurationError, match=r"events_file: .* later version .*schema 9"):
            Outbox(path)
