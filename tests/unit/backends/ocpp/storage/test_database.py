"""The database of the central system among other processes, and on a disk that is slow: the loop
never waits, and nothing is acknowledged before it is stored."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.storage import database, disk_writer
from chargepoint_driver.errors import ConfigurationError

from ..conftest import Charger, Clock, Site, eventually

_HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
print("free", flush=True)
sys.stdin.readline()
"""


class Holder:
    """Another process that locks the file until it is asked to release it."""

    def __init__(self, site: Site) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(site.config.database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "locked\n"

    def let_go(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "free\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def hold(site: Site) -> Iterator[Any]:
    made: list[Holder] = []

    def begin() -> Holder:
        made.append(Holder(site))
        return made[-1]

    yield begin
    for each in made:
        each.end()


def begin_of(clock: Clock) -> str:
    body = {"connectorId": 1, "idTag": "a", "timestamp": clock.iso(), "meterStart": 5}
    return json.dumps([2, "begin", "StartTransaction", body])


def load_of(kw: float, clock: Clock) -> str:
    values = [{"measurand": "Power.Active.Import", "unit": "kW", "value": str(kw)}]
    meter = [{"timestamp": clock.iso(), "sampledValue": values}]
    return json.dumps([2, "load", "MeterValues", {"connectorId": 1, "meterValue": meter}])


def test_a_lock_of_another_process_stops_only_what_must_be_stored(
    site: Site, hold: Any, clock: Clock
) -> None:
    one, two, three = (site.charger(f"CP{number}") for number in (1, 2, 3))
    one.boot()
    three.boot()
    holder = hold()
    one.ws.send(begin_of(clock))
    three.ws.send(load_of(6.5, clock))
    for _ in range(20):
        assert "currentTime" in two.ask("Heartbeat", {})
    # The load counts although the file cannot be written; its message is not acknowledged.
    eventually(lambda: site.connector(1, "CP3").load_kw == 6.5)
    for charger in (one, three):
        with pytest.raises(TimeoutError):
            charger.ws.recv(0)
    holder.let_go()
    answer = one.receive()
    assert (answer[:2], answer[2]["idTagInfo"]["status"]) == ([3, "begin"], "Accepted")
    assert three.receive() == [3, "load", {}]
    with closing(sqlite3.connect(site.config.database)) as db:
        (count,) = db.execute("SELECT count(*) FROM transactions").fetchone()
        (events,) = db.execute(
            "SELECT count(*) FROM events WHERE action = 'MeterValues'"
        ).fetchone()
    assert (count, events) == (1, 1)
    assert one.start(clock.iso(), connector=2) == answer[2]["transactionId"] + 1


def test_a_long_lock_is_refused_and_its_holder_is_named(
    site: Site, hold: Any, clock: Clock, monkeypatch: Any, caplog: Any
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.6)
    monkeypatch.setattr(database, "_NOTABLE_S", 0.1)
    charger = site.charger()
    charger.boot()
    holder = hold()
    answer = charger.send(begin_of(clock))
    assert (answer[0], answer[2]) == (4, "InternalError")
    eventually(lambda: f"locked by process {holder.process.pid}" in caplog.text)
    assert "python -c" in caplog.text  # its command line
    assert site.system.counters()["database_locked"] == 1
    assert site.point().connectors == {} or site.connector().transaction is None
    holder.let_go()
    transaction = charger.send(begin_of(clock))[2]["transactionId"]
    assert site.connector().transaction.transaction_id == transaction


def test_what_is_known_of_chargers_is_written_after_a_lock(start: Any, hold_of: Any) -> None:
    site = start()
    charger = site.charger()
    charger.boot()
    holder = hold_of(site)
    charger.ws.send('[2,"s","StatusNotification",{"connectorId":1,"errorCode":"NoError",'
                    '"status":"Charging"}]')  # fmt: skip
    eventually(lambda: site.point().connectors and site.connector().ocpp_status == "Charging")
    holder.let_go()
    assert charger.receive() == [3, "s", {}]
    site.stop()
    again = start()
    assert again.connector().ocpp_status == "Charging"


@pytest.fixture
def hold_of() -> Iterator[Any]:
    made: list[Holder] = []

    def begin(site: Site) -> Holder:
        made.append(Holder(site))
        return made[-1]

    yield begin
    for each in made:
        each.end()


class SlowDisk:
    """A disk that takes what it gets when it is asked to."""

    def __init__(self, monkeypatch: Any) -> None:
        self.free = threading.Event()
        self.flushes = 0
        self.error: OSError | None = None
        monkeypatch.setattr(disk_writer, "_to_disk", self._flush)

    def _flush(self, handle: int) -> None:
        del handle
        self.flushes += 1
        self.free.wait(60)
        if self.error is not None:
            raise self.error


def test_a_begin_is_acknowledged_when_the_disk_has_it_and_others_do_not_wait(
    site: Site, clock: Clock, monkeypatch: Any
) -> None:
    chargers = [site.charger(f"CP{number}") for number in range(6)]
    for charger in chargers:
        charger.boot()
    disk = SlowDisk(monkeypatch)
    for charger in chargers[1:]:
        charger.ws.send(begin_of(clock))
    for _ in range(20):
        assert "currentTime" in chargers[0].ask("Heartbeat", {})
        chargers[0].meter(clock.iso(), Power_Active_Import="5")
    for charger in chargers[1:]:
        with pytest.raises(TimeoutError):
            charger.ws.recv(0)
    disk.free.set()
    ids = [charger.receive()[2]["transactionId"] for charger in chargers[1:]]
    assert len(set(ids)) == 5
    assert disk.flushes <= 6  # shared by those that came meanwhile


def test_a_disk_that_fails_acknowledges_nothing(site: Site, clock: Clock, monkeypatch: Any) -> None:
    charger = site.charger()
    charger.boot()
    disk = SlowDisk(monkeypatch)
    disk.error = OSError(5, "Input/output error")
    disk.free.set()
    answer = charger.send(begin_of(clock))
    assert (answer[0], answer[2]) == (4, "InternalError")
    disk.error = None
    assert charger.send(begin_of(clock))[0] == 3
    with closing(sqlite3.connect(site.config.database)) as db:
        assert db.execute("SELECT count(*) FROM transactions").fetchone() == (1,)


def test_the_log_is_copied_off_the_loop_and_cut(site: Site, clock: Clock, monkeypatch: Any) -> None:
    log = site.config.database.with_name(site.config.database.name + "-wal")
    charger = site.charger()
    charger.boot()
    assert log.stat().st_size > 10_000
    monkeypatch.setattr(disk_writer, "MAX_WAL_BYTES", 10_000)
    transaction = charger.start(clock.iso())
    eventually(lambda: log.stat().st_size <= 10_000)
    charger.stop(transaction, clock.iso(), 70)
    assert [row["energy_wh"] for row in site.month()] == [70]


def test_a_second_central_system_is_refused_and_the_first_named(start: Any) -> None:
    start()
    with pytest.raises(ConfigurationError, match=rf"process {os.getpid()} \(.*python"):
        start()


def test_a_link_to_the_database_has_the_lock_of_its_file(start: Any, tmp_path: Any) -> None:
    """A link may name a file on another disk. A second system behind a link is refused too."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "ocpp.db")
    start(database=link).stop()
    start()
    with pytest.raises(ConfigurationError, match=rf"process {os.getpid()} "):
        start(database=link)


def test_the_lock_ends_with_the_process(start: Any) -> None:
    start().stop()
    start()


@pytest.mark.parametrize("before", [None, 0o644])
def test_no_other_user_reads_the_files(start: Any, tmp_path: Any, before: int | None) -> None:
    path = tmp_path / "ocpp.db"
    if before is not None:
        start().stop()
        path.chmod(before)
    mask = os.umask(0)
    try:
        charger: Charger = start().charger()
        charger.boot()
    finally:
        os.umask(mask)
    names = {each.name for each in tmp_path.iterdir() if each.name.startswith("ocpp.db")}
    assert {"ocpp.db", "ocpp.db-wal", "ocpp.db-shm"} <= names
    for name in names:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name


@pytest.mark.parametrize("kind", ["FIFO", "device", "folder"])
def test_what_is_no_file_is_refused(start: Any, tmp_path: Any, kind: str) -> None:
    path = tmp_path / "ocpp.db"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(ConfigurationError, match=f"is a {kind}"):
        start()


def test_a_lock_file_that_is_no_file_is_refused(start: Any, tmp_path: Any) -> None:
    os.mkfifo(tmp_path / "ocpp.db.lock")
    with pytest.raises(ConfigurationError, match=r"ocpp.db.lock is a FIFO"):
        start()


def test_a_call_of_ours_follows_the_answer_before_it(
    site: Site, clock: Clock, monkeypatch: Any
) -> None:
    charger = site.charger()
    charger.boot()
    disk = SlowDisk(monkeypatch)
    charger.ws.send(begin_of(clock))
    eventually(lambda: site.point().connectors and site.connector().transaction)
    calling = threading.Thread(target=lambda: site.system.call("CP1", "ClearCache", {}))
    calling.start()
    with pytest.raises(TimeoutError):
        charger.ws.recv(0.05)
    disk.free.set()
    assert charger.receive()[:2] == [3, "begin"]
    call = charger.receive()
    assert call[2] == "ClearCache"
    charger.ws.send(json.dumps([3, call[1], {"status": "Accepted"}]))
    calling.join()
