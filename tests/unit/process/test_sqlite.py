"""Errors of SQLite end as StoreError, whichever method meets them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite

MISUSES: list[Callable[[sqlite.Connection], object]] = [
    lambda db: db.execute("SELECT nothing FROM nowhere"),
    lambda db: db.executemany("INSERT INTO nowhere VALUES (?)", [(1,)]),
    lambda db: db.executescript("no statement"),
    lambda db: db.execute("INSERT INTO one VALUES (1)"),
    lambda db: db.cursor(sqlite.Cursor).execute("no statement"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "one.db"
    with closing(sqlite.connect(path)) as db, db:
        db.executescript("CREATE TABLE one (id INTEGER PRIMARY KEY, word TEXT)")
        db.executemany("INSERT INTO one VALUES (?, ?)", [(1, "a"), (2, "b")])
    return path


@pytest.mark.parametrize("misuse", MISUSES)
def test_an_error_of_a_statement(path: Path, misuse: Callable[[sqlite.Connection], object]) -> None:
    with closing(sqlite.connect(path)) as db, pytest.raises(StoreError) as found:
        misuse(db)
    assert isinstance(found.value.__cause__, sqlite3.Error)


def test_an_error_while_rows_are_read(path: Path) -> None:
    """Values are computed row by row: the second one overflows."""
    overflows = "SELECT abs(CASE id WHEN 2 THEN -9223372036854775808 ELSE id END) FROM one"
    with closing(sqlite.connect(path)) as db:
        with pytest.raises(StoreError, match="overflow"):
            list(db.execute(overflows))
        with pytest.raises(StoreError, match="overflow"):
            db.execute(overflows).fetchall()
        with pytest.raises(StoreError, match="overflow"):
            db.execute(overflows).fetchone()


def test_an_error_of_a_commit(path: Path) -> None:
    with (
        closing(sqlite.connect(path, timeout=0)) as db,
        closing(sqlite3.connect(path, timeout=0)) as reader,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM one").fetchall()
        db.execute("INSERT INTO one VALUES (3, 'c')")
        with pytest.raises(StoreError, match="locked"):
            db.commit()
        with pytest.raises(StoreError, match="locked"), db:
            pass


def test_a_closed_file(path: Path) -> None:
    db = sqlite.connect(path)
    db.close()
    with pytest.raises(StoreError, match="closed"), db:
        pass


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        sqlite.connect(tmp_path / "no" / "such.db")


def test_what_works_works_as_before(path: Path) -> None:
    with closing(sqlite.connect(path)) as db:
        assert list(db.execute("SELECT id FROM one ORDER BY id")) == [(1,), (2,)]
        assert db.execute("SELECT word FROM one WHERE id = ?", (2,)).fetchone() == ("b",)
        assert db.execute("INSERT INTO one (word) VALUES ('c')").lastrowid == 3
        db.rollback()
        assert db.execute("SELECT count(*) FROM one").fetchall() == [(2,)]
