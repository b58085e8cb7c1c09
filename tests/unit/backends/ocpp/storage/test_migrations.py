"""The versions of the central system's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.backends.ocpp.storage import migrations, queries
from chargepoint_driver.backends.ocpp.storage.database import Database
from chargepoint_driver.backends.ocpp.storage.migrations import VERSION, migrate, version_of
from chargepoint_driver.errors import ConfigurationError, StoreError
from chargepoint_driver.process import sqlite

V1 = Path(__file__).with_name("schema_v1.sql")


def old_file(path: Path) -> Path:
    """A file as the code made it before there were versions, with one row in each table."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(V1.read_text(encoding="utf-8"))
    return path


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite.Connection]:
    with closing(sqlite.connect(tmp_path / "m.db", isolation_level=None)) as found:
        yield found


def schema(path: Path) -> dict[str, str]:
    """Name to statement of every table and index, blanks apart."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {name: " ".join(sql.replace("IF NOT EXISTS ", "").split()) for name, sql in rows}


def test_a_new_file_has_the_newest_version(tmp_path: Path) -> None:
    Database(tmp_path / "new.db").close()
    with closing(sqlite3.connect(tmp_path / "new.db")) as db:
        assert version_of(db) == VERSION


def test_a_file_from_before_versions_ends_up_like_a_new_one(tmp_path: Path) -> None:
    old = old_file(tmp_path / "old.db")
    Database(old).close()
    Database(tmp_path / "new.db").close()
    assert schema(old) == schema(tmp_path / "new.db")
    with closing(sqlite3.connect(old)) as db:
        assert version_of(db) == VERSION
        kept = {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("charge_points", "connectors", "transactions", "events", "limits")
        }
    assert kept == {
        "charge_points": 1, "connectors": 1, "transactions": 3, "events": 1, "limits": 1
    }  # fmt: skip


def test_sessions_of_an_older_file_read_alike_before_and_after(tmp_path: Path) -> None:
    old = old_file(tmp_path / "old.db")
    before = queries.sessions(old, None, 0.0, None)
    Database(old).close()
    assert queries.sessions(old, None, 0.0, None) == before
    shown = [(row["id"], row["state"], row["energy_wh"], row["reason"]) for row in before]
    assert shown == [
        (7, "completed", 500, "Local"),
        (9, "orphan", None, None),
        (8, "active", 100, None),
    ]
    assert {row["register_resets"] for row in before} == {0}


def test_a_session_that_was_lost_before_has_an_end_in_the_list(tmp_path: Path) -> None:
    old = old_file(tmp_path / "old.db")
    with closing(sqlite3.connect(old)) as db, db:
        db.execute("UPDATE transactions SET state = 'lost' WHERE id = 8")
    Database(old).close()
    (row,) = [each for each in queries.transactions(old, "2023-11") if each["id"] == 8]
    assert (row["state"], row["energy_wh"], row["stop"]) == (
        "lost",
        100,
        "2023-11-15T00:15:00.000Z",
    )


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = old_file(tmp_path / "old.db")
    Database(path).close()
    before = schema(path)
    Database(path).close()
    assert schema(path) == before


def test_a_newer_file_is_refused_with_both_versions_and_not_touched(tmp_path: Path) -> None:
    path = old_file(tmp_path / "newer.db")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"PRAGMA user_version = {VERSION + 7}")
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=rf"version {VERSION + 7} .* up to {VERSION};"):
        Database(path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("newer.db-*"))


def test_a_step_that_fails_leaves_the_version_before(
    db: sqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ["CREATE TABLE half (a)", "INSERT INTO nowhere VALUES (1)"]
    monkeypatch.setattr(migrations, "MIGRATIONS", {**migrations.MIGRATIONS, VERSION + 1: steps})
    monkeypatch.setattr(migrations, "VERSION", VERSION + 1)
    with pytest.raises(StoreError, match="nowhere"):
        migrate(db)
    assert version_of(db) == VERSION
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()
    monkeypatch.setitem(migrations.MIGRATIONS, VERSION + 1, steps[:1])  # type: ignore[arg-type]
    migrate(db)
    assert version_of(db) == VERSION + 1


def test_the_numbers_have_no_gap() -> None:
    assert sorted(migrations.MIGRATIONS) == list(range(2, VERSION + 1))
