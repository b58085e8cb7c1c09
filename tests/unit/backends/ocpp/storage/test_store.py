"""What is kept: over restarts, over kill -9, for as long as it should be."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from chargepoint_driver.backends.ocpp.model.energy import Registers
from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.storage.transaction_table import End
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
    StoreError,
)

from ..conftest import Charger, eventually

COMMAND = [sys.executable, "-c", "from chargepoint_driver.cli.commands.csms import csms; csms()"]


def test_a_transaction_goes_on_after_a_restart(start, clock) -> None:
    first = start()
    charger = first.charger()
    charger.boot()
    charger.status("Charging")
    transaction = charger.start(clock.iso(60), meter=100)
    first.stop()
    again = start()
    assert again.connector().transaction.transaction_id == transaction
    assert (again.connector().status, again.connector().ocpp_status) == ("UNREACHABLE", "Charging")
    assert again.point().boot["vendor"] == "Test Works"
    charger = again.charger()
    charger.stop(transaction, clock.iso(), 300)
    assert again.month()[0]["energy_wh"] == 200
    assert charger.start(clock.iso(), meter=300) > transaction


def test_ids_of_a_new_file_are_not_those_of_a_lost_one(start, clock, tmp_path) -> None:
    first = start()
    transaction = first.charger().start(clock.iso())
    first.stop()
    clock.ahead_s += 10
    assert start(database=tmp_path / "new.db").charger().start(clock.iso()) > transaction


def test_another_start_ends_what_ran_unseen_and_its_stop_may_still_come(site, clock) -> None:
    charger = site.charger()
    first = charger.start(clock.iso(600), meter=0)
    second = charger.start(clock.iso(60), meter=500)
    assert site.connector().transaction.transaction_id == second
    charger.stop(first, clock.iso(120), 450)
    assert site.connector().transaction.transaction_id == second
    assert [row["energy_wh"] for row in site.month()] == [450]


def test_the_energy_of_a_lost_meter_stop(site, clock) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=1000)
    values = [{"timestamp": clock.iso(1), "sampledValue": [{"value": "1800"}]}]
    charger.stop(transaction, clock.iso(), 0, transactionData=values)
    assert site.month()[0]["energy_wh"] == 800


def test_months_in_json_and_csv(site, clock) -> None:
    charger = site.charger()
    for begin, end, tag in (
        ("2026-01-31T23:00:00Z", "2026-02-01T00:00:00Z", "=1+1"),
        ("2026-02-27T23:00:00Z", "2026-02-28T23:59:59Z", "b"),
    ):
        charger.stop(charger.start(begin, meter=0, tag=tag), end, 10)
    assert site.system.transactions("2026-01") == []
    rows = site.system.transactions("2026-02")
    assert [row["duration_s"] for row in rows] == [3600, 90_000 - 1 + 0]
    read = list(csv.DictReader(io.StringIO(queries.transactions_csv(rows))))
    assert [row["id_tag"] for row in read] == ["'=1+1", "b"]
    for wrong in ("2026-13", "2026", "", "2026-1", "abcd-ef", "2026-01'--"):
        with pytest.raises(InvalidValueError):
            site.system.transactions(wrong)


def test_simple_questions(site, clock) -> None:
    charger = site.charger()
    transaction = charger.start(clock.iso(60), meter=100)
    charger.meter(clock.iso(), transaction, Energy_Active_Import_Register="350")
    assert site.system.last_energy(transaction)["energy_wh"] == 250
    assert site.system.active_charge_points() == ["CP1"]
    assert site.system.last_contact("CP1") is not None
    with pytest.raises(NotFoundError):
        site.system.last_energy(5)
    path = site.config.database
    assert list(queries.last_contact(path)) == ["CP1"]
    assert queries.active_points(path, clock(), 60) == ["CP1"]


def test_events_have_rising_ids_and_both_times(site, clock) -> None:
    charger = site.charger()
    charger.boot()
    charger.status("Available", timestamp=clock.iso(3600))
    events = site.system.events()
    assert [event["action"] for event in events] == [
        "Connected",
        "BootNotification",
        "StatusNotification",
    ]
    assert events[2]["time"] < events[2]["received"]
    assert site.system.events(after=events[1]["id"]) == events[2:]


def test_old_records_go_and_running_ones_stay(start, clock) -> None:
    keep = {"events_days": 2, "meter_values_days": 1, "transactions_days": 3}
    first = start(retention=keep)
    charger = first.charger()
    running = charger.start(clock.iso(60), connector=2)
    charger.stop(charger.start(clock.iso(60)), clock.iso(), 5)
    charger.meter(clock.iso(), Power_Active_Import="5")
    month = clock.iso()[:7]

    async def prune() -> None:
        await first.system._csms._housekeeping.prune()

    def kept() -> set[str]:
        first.system._loop.run(prune, 10)
        return {event["action"] for event in first.system.events()}

    assert "MeterValues" in kept()
    clock.ahead_s += 1.5 * 86_400
    assert "MeterValues" not in kept()
    clock.ahead_s += 86_400
    assert kept() == set()
    assert len(first.system.transactions(month)) == 1
    clock.ahead_s += 86_400
    kept()
    assert first.system.transactions(month) == []
    assert first.connector(2).transaction.transaction_id == running


def test_a_flush_in_between_keeps_nobody_waiting(tmp_path) -> None:
    """A report asks for a flush in the very step of the loop in which a message was written."""

    async def work() -> None:
        store = Store(tmp_path / "s.db", lambda: 1.0)
        store.save_point("CP1", version="1.6")
        stored, written = store.durable(), store.committed()
        store.flush()
        await asyncio.wait_for(asyncio.gather(stored, written), 60)
        store.close()

    asyncio.run(work())


def test_after_a_flush_that_failed_nobody_takes_it_for_stored(tmp_path, monkeypatch) -> None:
    async def work() -> None:
        store = Store(tmp_path / "s.db", lambda: 1.0)
        store.save_point("CP1", version="1.6")
        stored, written = store.durable(), store.committed()
        with monkeypatch.context() as broken:

            def full() -> bool:
                raise StoreError("database or disk is full")

            broken.setattr(store, "_flush", full)
            with pytest.raises(StoreError):
                store.flush()
        for each in (stored, written):
            with pytest.raises(StoreError):
                await asyncio.wait_for(each, 60)
        store.close()

    asyncio.run(work())


def test_what_cannot_be_stored_is_not_acknowledged(site, clock) -> None:
    charger = site.charger()
    charger.boot()
    with closing(sqlite3.connect(site.config.database)) as other, other:
        other.execute("DROP TABLE events")
    other.close()
    at = clock.iso()
    answer = charger.request(
        "StartTransaction", {"connectorId": 1, "idTag": "a", "timestamp": at, "meterStart": 0}
    )
    assert (answer[0], answer[2]) == (4, "InternalError")
    assert site.point().counters["not_stored"] == 1


def test_a_file_that_is_no_database(start, tmp_path) -> None:
    path = tmp_path / "text"
    path.write_text("not a database at all" * 100)
    with pytest.raises(ConfigurationError, match=r"is damaged .*not a database.*backup"):
        start(database=path)


@pytest.fixture
def command(tmp_path):
    """Start the command; what was started is killed at the end."""
    running: list[subprocess.Popen[str]] = []

    def run(*options: str) -> tuple[subprocess.Popen[str], dict]:
        process = subprocess.Popen(
            [*COMMAND, "--database", str(tmp_path / "k.db"), *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CHARGEPOINT_CONTROL_TOKEN": "t"},
        )
        running.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly(command, number) -> None:
    process, ready = command("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
    assert ready["ocpp_url"].startswith("ws://127.0.0.1:")
    assert ready["control_url"].startswith("http://127.0.0.1:")
    charger = Charger(ready["ocpp_url"], "A")
    charger.boot()
    process.send_signal(number)
    assert process.wait(60) == 0
    charger.close()


def test_kill_9_loses_and_doubles_nothing_that_was_acknowledged(command, clock, tmp_path) -> None:
    acknowledged: dict[int, int] = {}
    ended: set[int] = set()
    for turn in range(5):
        process, ready = command("--listen", "127.0.0.1:0")
        chargers = [Charger(ready["ocpp_url"], f"K{number}") for number in range(3)]
        for step in range(8):
            for number, charger in enumerate(chargers):
                meter = turn * 1000 + step * 10 + number
                transaction = charger.start(clock.iso(60), meter=meter)
                assert transaction not in acknowledged
                acknowledged[transaction] = meter
                if step % 2:
                    charger.stop(transaction, clock.iso(), meter + 5)
                    ended.add(transaction)
        # One request is out, and its fate open, when the process dies.
        at = clock.iso(60)
        body = {"connectorId": 1, "idTag": "x", "timestamp": at, "meterStart": turn}
        frame = json.dumps([2, "last", "StartTransaction", body])
        chargers[0].ws.send(frame)
        process.kill()
        process.wait()
        for charger in chargers:
            charger.close()
        process, ready = command("--listen", "127.0.0.1:0")
        charger = Charger(ready["ocpp_url"], "K0")
        again = charger.send(frame)[2]["transactionId"]
        assert charger.send(frame)[2]["transactionId"] == again
        assert again not in acknowledged
        acknowledged[again] = turn
        charger.close()
        process.kill()
        process.wait()
    with closing(sqlite3.connect(tmp_path / "k.db")) as db, db:
        rows = db.execute("SELECT id, meter_start, state FROM transactions").fetchall()
    db.close()
    assert {row[0]: int(row[1]) for row in rows} == acknowledged
    assert {row[0] for row in rows if row[2] == "completed"} == ended


def test_charge_points_of_a_file(command, tmp_path) -> None:
    path = tmp_path / "points.json"
    path.write_text('{"A": {"phases": 3}}')
    _, ready = command("--listen", "127.0.0.1:0", "--charge-points", str(path))
    charger = Charger(ready["ocpp_url"], "A")
    charger.boot()
    charger.close()
    with pytest.raises(Exception, match="404"):
        Charger(ready["ocpp_url"], "B")


def test_waiting_is_for_the_commit(site) -> None:
    charger = site.charger()
    charger.boot()
    reader = sqlite3.connect(site.config.database)
    count = "SELECT count(*) FROM events WHERE action = 'BootNotification'"
    assert reader.execute(count).fetchone() == (1,)
    reader.close()
    eventually(lambda: site.point().boot)


def test_the_table_itself_never_changes_a_completed_session(tmp_path) -> None:
    store = Store(tmp_path / "s.db")
    try:
        started, _ = store.start("CP1", 1, "tag", 100.0, 1000.0, 100.0, request="a")
        store.stop(started.transaction_id, End("1", "tag", 200.0, 1500.0, "Local", "a"), 200.0)
        store.flush()
        (before,) = queries.sessions(tmp_path / "s.db", None, 0.0, None)
        store.stop(started.transaction_id, End("1", "tag", 300.0, 1900.0, "Reboot", "b"), 300.0)
        store.fill_missing(started.transaction_id, id_tag="other", start_s=1.0, start_wh=1.0)
        store.register(started.transaction_id, 1800.0, 900.0)
        store.reset(started.transaction_id, Registers(1.0, 2.0, 3, 4.0, 5.0))
        store.lose(started.transaction_id, 400.0)
        store.question(started.transaction_id)
        store.flush()
        assert queries.sessions(tmp_path / "s.db", None, 0.0, None) == [before]
    finally:
        store.close()
