"""Numbered migrations of a file: each is carried out once, all or none."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite

FIRST = "CREATE TABLE IF NOT EXISTS one (id INTEGER PRIMARY KEY -- a number; for nothing\n);"
SECOND = """
ALTER TABLE one ADD COLUMN word TEXT;
UPDATE one SET word = 'old; ' || id;
"""


def opened(path: Path) -> sqlite.Connection:
    return sqlite.connect(path, isolation_level=None, timeout=20)


def version(db: sqlite.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_file_from_before_versions_keeps_its_rows(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "x")) as db:
        db.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
        db.execute("INSERT INTO one VALUES (7)")
        sqlite.migrate(db, (FIRST, SECOND))
        assert db.execute("SELECT * FROM one").fetchall() == [(7, "old; 7")]
        assert version(db) == 2


def test_only_what_a_file_lacks_is_carried_out(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "x")) as db:
        sqlite.migrate(db, (FIRST,))
        db.execute("INSERT INTO one VALUES (7)")
        for _ in range(2):  # the second time nothing is left to do
            sqlite.migrate(db, (FIRST, SECOND))
            assert db.execute("SELECT word FROM one").fetchall() == [("old; 7",)]


def test_a_later_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "x")) as db:
        sqlite.migrate(db, (FIRST, SECOND))
        with pytest.raises(StoreError, match=r"later version .*schema 2; this version knows 1"):
            sqlite.migrate(db, (FIRST,))
        assert version(db) == 2


@pytest.mark.parametrize("bad", ["INSERT INTO nowhere VALUES (1);", "CREATE TABLE two (id"])
def test_a_migration_that_fails_leaves_the_version_before(tmp_path: Path, bad: str) -> None:
    with closing(opened(tmp_path / "x")) as db:
        sqlite.migrate(db, (FIRST,))
        with pytest.raises(StoreError):
            sqlite.migrate(db, (FIRST, SECOND, bad))
        assert version(db) == 1
        sqlite.migrate(db, (FIRST, SECOND))
        assert version(db) == 2


def test_two_processes_at_once_carry_out_each_once(tmp_path: Path) -> None:
    failed: list[Exception] = []

    def work() -> None:
        try:
            with closing(opened(tmp_path / "x")) as db:
                sqlite.migrate(db, (FIRST, SECOND))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with closing(opened(tmp_path / "x")) as db:
        assert version(db) == 2
