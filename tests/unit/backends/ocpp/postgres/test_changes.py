"""What PostgreSQL lacks of the local copy."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import pytest

from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.changes import Changes
from chargepoint_driver.backends.ocpp.postgres.local_tables import make_temporary
from chargepoint_driver.backends.ocpp.storage.migrations import migrate
from chargepoint_driver.process import sqlite


@pytest.fixture
def db(tmp_path):
    db = sqlite.connect(tmp_path / "node.db", isolation_level=None)
    migrate(db)
    make_temporary(db)
    yield db
    db.close()


@pytest.fixture
def changes(db) -> Changes:
    changes = Changes(db)
    changes.begin()
    return changes


def put(db, status: str = "Available", station: str = "CP1") -> None:
    db.execute("INSERT OR REPLACE INTO connectors VALUES (?, 1, ?)", (station, status))


def test_a_row_is_taken_once_as_it_stands(db, changes) -> None:
    put(db, "Available")
    put(db, "Charging")
    changes.committed()
    assert changes.is_pending(with_lazy=False)
    assert changes.take(with_lazy=False).rows == {"connectors": [("CP1", ("CP1", 1, "Charging"))]}
    assert not changes.is_pending(with_lazy=True)
    assert changes.take(with_lazy=True).rows == {}


def test_what_is_rolled_back_is_not_noted(db, changes) -> None:
    db.execute("BEGIN")
    put(db)
    db.execute("ROLLBACK")
    changes.rolled_back()
    changes.committed()
    batch = changes.take(with_lazy=True)
    assert (batch.rows, batch.deleted) == ({}, {})


def test_a_row_that_is_gone_is_deleted_only_where_it_was_deleted(db, changes) -> None:
    put(db)
    changes.committed()
    db.execute("DELETE FROM connectors")
    changes.committed()
    assert changes.take(with_lazy=False).deleted == {"connectors": [("CP1", ("CP1", 1))]}
    put(db)
    changes.committed()
    with changes.paused():  # the charger is another node's
        db.execute("DELETE FROM connectors")
    batch = changes.take(with_lazy=False)
    assert (batch.rows, batch.deleted) == ({}, {})


def test_what_could_not_be_written_is_taken_again(db, changes) -> None:
    put(db)
    put(db, station="CP2")
    changes.committed()
    db.execute("DELETE FROM connectors WHERE charge_point = 'CP2'")
    changes.committed()
    batch = changes.take(with_lazy=False)
    changes.put_back(batch)
    assert changes.keys("connectors") == {("CP1", 1), ("CP2", 1)}
    assert changes.take(with_lazy=False) == batch


def test_what_may_wait_waits_or_goes_with_the_rest_of_its_row(db, changes) -> None:
    db.execute("INSERT INTO charge_points (id, last_seen) VALUES ('CP1', 1.0)")
    changes.committed()
    changes.take(with_lazy=False)
    db.execute("UPDATE charge_points SET last_seen = 2.0")
    changes.committed()
    assert changes.take(with_lazy=False).rows == {}
    db.execute("UPDATE charge_points SET version = '1.6'")
    changes.committed()
    assert [row[:3] for _, row in changes.take(with_lazy=False).rows["charge_points"]] == [
        ("CP1", 2.0, "1.6")
    ]
    assert not changes.is_pending(with_lazy=True)


def test_the_changes_of_a_charger_that_is_lost_are_forgotten(db, changes) -> None:
    put(db, station="CP1")
    changes.committed()
    put(db, station="CP2")
    changes.forget(["CP1", "CP2"])
    changes.committed()
    assert not changes.is_pending(with_lazy=True)
