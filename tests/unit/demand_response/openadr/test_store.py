"""The schema of a VEN's file: files of the oldest schema, and of later versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.demand_response.openadr.store import Store
from chargepoint_driver.errors import ConfigurationError


def test_a_file_of_the_oldest_schema_gets_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "ven.sqlite"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "CREATE TABLE event (vtn TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (vtn, id))"
        )
    store = Store(path)
    assert store.events() == []
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ven.sqlite"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigurationError, match=r"state_file: .* later version .*schema 9"):
        Store(path)
