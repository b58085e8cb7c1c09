"""The disk of the command file is full, and then has room again: sheds work all the while."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite
from chargepoint_driver.simulator import ManualClock, Simulator

from ..conftest import Rig


def fill(rig: Rig) -> None:
    """Not one page more."""
    store = rig.service.control._command_log._stored.store
    assert store is not None
    # In the table itself: its pages have room for more rows than there are.
    other = "INSERT INTO commands VALUES ('other', ?, 0, '', zeroblob(?))"
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    for size in (900, 1):
        rows = ([f"{size} {number}", size] for number in range(10_000))
        with pytest.raises(StoreError, match="full"):
            _fill_with(store._db, other, rows)


def _fill_with(db: sqlite.Connection, statement: str, rows: Iterable[list[Any]]) -> None:
    for row in rows:  # each in a transaction of its own, so that what fits stays
        db.execute(statement, row)


def make_room(rig: Rig) -> None:
    store = rig.service.control._command_log._stored.store
    assert store is not None
    store._db.execute("PRAGMA max_page_count = 100000")


def test_a_shed_does_not_fail_for_want_of_disk_space(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    fill(rig)
    rig.write("allowedLoad", 3.0)
    assert "the file of commands cannot be written" in caplog.text
    assert "make room" in caplog.text
    rig.live(6)
    assert rig.read("shedStatus") == "in force"
    assert rig.actual(1)["allowed_kw"] == 3.0
    make_room(rig)
    caplog.clear()
    rig.write("allowedLoad", 2.0)
    assert "cannot be written" not in caplog.text
    rig.restart()
    assert rig.read("commandedLoad") == 2.0


READ_AND_SHED = """
    import logging, resource, signal, sys
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error instead of the end
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    from chargepoint_driver.service import Accounts
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    url, password, folder = sys.argv[1:]
    accounts = Accounts()
    account = {"username": "simulator", "password": password, "endpoint": url, "timeout": 10,
               "cache_file": folder + "/cache.json"}
    assert accounts.configure({"accounts": {"a": account}}) == []
    point = {"attribute": "stationModel", "station": "1:34001"}
    answer = accounts.read({"x": point})
    assert answer["errors"] == {} and answer["values"]["x"], answer
    shed = {"attribute": "allowedLoad", "station": "1:34001", "port": 1}
    assert accounts.write(shed, 2, shed_on_write=True) == 2.0
    accounts.close()
"""


def test_no_file_may_grow_at_all(tmp_path: Path) -> None:
    """The cache file stays what it was, and nothing half-written is left next to it."""
    kept = tmp_path / "cache.json"
    kept.write_text("{}")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0
    program = textwrap.dedent(READ_AND_SHED)
    with Simulator(clock=ManualClock()) as sim:
        ran = subprocess.run(
            [sys.executable, "-c", program, sim.soap_url, sim.password, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    assert "cannot be written" in ran.stderr
    assert "cache.json" in ran.stderr
    assert kept.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [kept]


def test_a_clock_set_forwards_or_back_ends_no_shed(rig: Rig) -> None:
    """Sheds run by a clock that never jumps; the time of day is looked at once, at the start."""
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    for jump_s in (86_400.0, -172_800.0):
        rig.set_by_s += jump_s
        rig.live(1)
        assert rig.read("shedStatus") == "in force"
        assert rig.read("commandedLoad") == 3.0
        assert rig.actual(1)["shedState"] == 1
    assert rig.alerts == []
