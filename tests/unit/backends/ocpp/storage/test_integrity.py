"""Damage to the database: a bad row costs that row, a bad file is named with what to do."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backend import Target
from chargepoint_driver.backends.ocpp.storage import integrity, queries
from chargepoint_driver.cache.file_store import Disk
from chargepoint_driver.config.common import read_secret
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process.files import make_private, read_text
from chargepoint_driver.service.shed_control.records.command_file import CommandFile

from ..conftest import eventually

BAD = ["{", "[1]", "5", "", b"\xff\xfe{", "nonsense \x1b[2J"]


def filled(start: Any, clock: Any) -> Path:
    site = start()
    for name in ("CP1", "CP2"):
        charger = site.charger(name)
        charger.boot()
        charger.status("Charging")
        charger.start(clock.iso())
    site.stop()
    return Path(site.config.database)


def spoil(path: Path, sql: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("charge_points", "boot"),
        ("charge_points", "configuration"),
        ("charge_points", "worked"),
        ("charge_points", "last_seen"),
        ("connectors", "data"),
        ("limits", "data"),
    ],
)
def test_a_damaged_row_costs_that_row(start, clock, caplog, table, column, bad) -> None:
    path = filled(start, clock)
    value = bad.decode("latin-1") if isinstance(bad, bytes) else bad
    if table == "limits":
        spoil(path, "INSERT INTO limits VALUES ('CP1', 1, ?)", value)
    else:
        key = "id" if table == "charge_points" else "charge_point"
        spoil(path, f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE {key} = 'CP1'", bad)
    site = start()
    assert site.connector(1, "CP2").ocpp_status == "Charging"
    assert site.point("CP2").boot["vendor"] == "Test Works"
    assert site.connector(1, "CP1").transaction is not None
    if table != "connectors":
        assert site.connector(1, "CP1").ocpp_status == "Charging"
    if bad not in ("",) and column != "last_seen":
        assert f"database: {path}: {table}" in caplog.text
        assert "CP1" in caplog.text
        assert "backup" in caplog.text
    queries.charge_points(path)
    charger = site.charger("CP1")
    charger.boot()
    charger.status("Available")
    assert site.connector(1, "CP1").ocpp_status == "Available"


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("id_tags", "INSERT INTO id_tags VALUES ('k', x'ff', 'Blocked', NULL, NULL)"),
        ("limits", "INSERT INTO limits VALUES ('CP1', 'x', '{}')"),
        ("transactions", "UPDATE transactions SET start_time = 'x' WHERE charge_point = 'CP1'"),
    ],
)
def test_a_cell_of_another_type_costs_its_row(start, clock, caplog, table, sql) -> None:
    path = filled(start, clock)
    spoil(path, sql)
    site = start()
    assert site.connector(1, "CP2").transaction is not None
    assert f"database: {path}: {table}" in caplog.text


@pytest.mark.parametrize("data", ['{"faults": 5}', '{"parts": {"x": 1}}', '{"faults": [[1]]}'])
def test_a_row_of_other_shape(start, clock, caplog, data) -> None:
    path = filled(start, clock)
    spoil(path, "UPDATE connectors SET data = ? WHERE charge_point = 'CP1'", data)
    site = start()
    assert site.connector(1, "CP2").ocpp_status == "Charging"
    assert f"{path}: connectors, 'CP1' 1 is damaged" in caplog.text


@pytest.mark.parametrize("column", ["data", "time", "received"])
def test_a_damaged_event_costs_that_event(start, clock, caplog, column) -> None:
    path = filled(start, clock)
    ids = [each["id"] for each in queries.events(path)]
    spoil(path, f"UPDATE events SET {column} = '{{' WHERE id = ?", ids[1])
    assert [each["id"] for each in queries.events(path)] == [ids[0], *ids[2:]]
    assert f"{path}: events, id {ids[1]} is damaged" in caplog.text


def break_pages(path: Path) -> None:
    """Overwrite the middle of the file, as a bad disk would."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 8192))


def test_a_damaged_file_is_refused_with_what_to_do(start, clock) -> None:
    path = filled(start, clock)
    break_pages(path)
    with pytest.raises(ConfigurationError, match=r"is damaged .*backup.*\.recover") as found:
        start()
    assert str(path) in str(found.value)


def test_a_large_file_is_checked_while_the_system_runs(start, clock, monkeypatch, caplog) -> None:
    path = filled(start, clock)
    spoil(path, "CREATE TABLE extra (a TEXT)")
    spoil(path, "INSERT INTO extra SELECT hex(randomblob(900)) FROM events, events AS more")
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'extra'").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    monkeypatch.setattr(integrity, "MAX_CHECKED_BYTES", 0)
    site = start()
    charger = site.charger()
    charger.boot()
    eventually(lambda: site.system.counters().get("database_damaged"))
    assert f"{path} is damaged" in caplog.text


# ---- the other files ------------------------------------------------------------------------


@pytest.fixture(params=["FIFO", "device", "folder"])
def no_file(request, tmp_path) -> Path:
    path = tmp_path / "thing"
    if request.param == "FIFO":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return path


def test_no_file_that_is_read_or_written_may_be_something_else(no_file, caplog) -> None:
    for use in (read_text, make_private):
        with pytest.raises(OSError, match="thing is a"):
            use(no_file)
    with pytest.raises(ConfigurationError, match="password_file"):
        read_secret(None, no_file)
    with pytest.raises(ConfigurationError, match="is a "):
        CommandFile(no_file, ("a", "b"))
    disk = Disk(no_file, ["a"])
    assert disk.load() == {}
    disk.save({})
    assert caplog.text.count("thing is a") == 2


def test_the_command_file_is_private(tmp_path) -> None:
    mask = os.umask(0)
    try:
        store = CommandFile(tmp_path / "c.db", ("a", "b"))
        store.save_lease(Target("S", 1), 5)
        modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(mask)
    assert {"c.db", "c.db-wal", "c.db-shm"} <= modes.keys()
    assert set(modes.values()) == {0o600}
