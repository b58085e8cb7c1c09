"""`report`, `sessions` and `export` of a fleet show what they show of such records in a file."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.backends.ocpp.storage.file_kind import NODE_APPLICATION_ID
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.process import sqlite
from tests.postgres_server import need_asyncpg, postgres_server

from ...web.depot import TARIFF, add, at, october

need_asyncpg()

import asyncpg

from chargepoint_driver.backends.ocpp.postgres.schema import migrate

BILLING = {"time_zone": "Europe/Berlin", "tariffs": [TARIFF]}
TIME = ("--since", "2026-10-01", "--until", "2026-11-20")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same records in `csms.sqlite` and in PostgreSQL, and a config of each."""
    return tmp_path_factory.mktemp("records")


@pytest.fixture(scope="module")
def configs(folder: Path):
    path = folder / "csms.sqlite"
    with closing(Store(path)) as store:
        october(store)
        add(store, at("2026-11-09T07:00"), 120, tag="DORA")
        for number, status in enumerate(("in force", "cleared", "in force")):
            made_s = at("2026-11-09T07:00") + number
            data = {"status": status, "allowed_load_kw": 7.0, "note": "test"}
            store.event(made_s, made_s, "CP1", 1, "Shed", data)
            store.event(made_s, made_s, "CP1", 1, "Heartbeat", {})
    with closing(sqlite.connect(str(path), isolation_level=None)) as file:
        limit = json.dumps({"written_s": 1_790_000_000.0, "allowed_load_kw": 7.0})
        file.execute("INSERT INTO limits VALUES ('CP1', 1, ?)", (limit,))
    account = {"backend": "ocpp", "listen": "127.0.0.1:0", "database": str(path)}
    accounts = {"accounts": {"yard": account}, "billing": BILLING}
    (folder / "accounts.json").write_text(json.dumps(accounts))
    with postgres_server() as server:
        dsn = server.database()
        asyncio.run(copy(path, dsn))
        node = {
            "node": "node-1",
            "postgres": {"dsn": dsn},
            "charger_account": "yard",
            "billing": BILLING,
            "central_system": {"listen": "127.0.0.1:0", "database": str(folder / "node.db")},
        }
        (folder / "fleet.json").write_text(json.dumps(node))
        yield folder / "accounts.json", folder / "fleet.json"


async def copy(path: Path, dsn: str) -> None:
    """Copy what a file has into the tables of a fleet."""
    db = await asyncpg.connect(dsn)
    try:
        await migrate(db)
        await db.execute("INSERT INTO event_runs VALUES (1, 'node-1', 1, 'ocpp')")
        with closing(sqlite.connect(str(path))) as file:
            for row in file.execute(
                "SELECT id, received, time, charge_point, connector, action, data FROM events"
            ):
                await db.execute(
                    "INSERT INTO events (run, id, seq, received, time, charge_point, connector,"
                    " action, data) VALUES (1, $1, $1, $2, $3, $4, $5, $6, $7)",
                    *row,
                )
            for table in ("transactions", "session_registers", "limits"):
                found = file.execute(f"SELECT * FROM {table}")
                names = [each[0] for each in found.description]
                marks = ", ".join(f"${place + 1}" for place in range(len(names)))
                statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
                await db.executemany(statement, found.fetchall())
    finally:
        await db.close()


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--month", "2026-10", "--json"),
        ("report", "--month", "2026-11", "--csv", "--account", "yard"),
        ("report", "--month", "2026-10", "--personal", "--csv"),
        ("sessions", "--costs", *TIME, "--csv"),
        ("sessions", "--costs", *TIME, "--json", "--personal", "--station", "CP1"),
    ],
)
def test_costs_are_those_of_the_same_records_in_a_file(run, configs, words) -> None:
    of_file, of_fleet = (run(*words, "--config", config) for config in configs)
    assert of_fleet.exit_code == of_file.exit_code == 0, of_fleet.output
    assert of_fleet.stdout == of_file.stdout
    assert len(of_fleet.stdout) > 100


def test_sessions_are_listed(run, configs) -> None:
    found = json.loads(run("sessions", *TIME, "--config", configs[1], "--json").stdout)
    costs = json.loads(run("sessions", "--costs", *TIME, "--config", configs[1], "--json").stdout)
    assert [row["sessionID"] for row in found] == [row["session"] for row in costs]
    assert "rfidSerialNumber" not in found[0]
    named = run("sessions", *TIME, "--config", configs[1], "--json", "--personal")
    assert json.loads(named.stdout)[-1]["rfidSerialNumber"] == "DORA"
    assert f"{len(found)} sessions" in run("sessions", *TIME, "--config", configs[1]).stdout
    done = run("sessions", *TIME, "--config", configs[1], "--interval")
    assert done.exit_code == 2
    assert "--costs has their quarter hours" in done.output


def test_an_export_has_the_same_rows(run, configs, tmp_path) -> None:
    words = ("export", *TIME, "--format", "csv", "--personal", "--config")
    assert run(*words, configs[0], "--out", tmp_path / "file").exit_code == 0
    done = run(*words, configs[1], "--out", tmp_path / "fleet")
    assert done.exit_code == 0, done.output
    assert "meter_values: left out" in done.output
    for name in ("sessions.csv", "limits.csv", "sheds.csv"):
        text = (tmp_path / "fleet" / name).read_text()
        assert text == (tmp_path / "file" / name).read_text()
        assert text.count("\n") > 1
    done = run(*words, configs[1], "--out", tmp_path / "more", "--table", "meter_values")
    assert done.exit_code == 2
    assert "--database FILE" in done.output


def test_the_file_of_a_node_is_no_record_of_the_fleet(run, folder, configs, tmp_path) -> None:
    del configs
    path = tmp_path / "node.db"
    path.write_bytes((folder / "csms.sqlite").read_bytes())
    with closing(sqlite.connect(str(path))) as file:
        file.execute(f"PRAGMA application_id = {NODE_APPLICATION_ID}")
    words = ("export", *TIME, "--format", "csv", "--database", path, "--out", tmp_path / "out")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert [each.stem for each in (tmp_path / "out").glob("*.csv")] == ["meter_values"]
    for done in (run(*words, "--table", "sessions"), run("forget", "CP1", "--database", path)):
        assert done.exit_code == 2
        assert "is the file of a node" in done.output


def test_what_cannot_be_done_says_what_can(run, configs) -> None:
    for words, part in (
        (("ask", "active", configs[1]), "use sessions and report with it"),
        (("discover", "--config", configs[1]), "sessions, report and export with this config"),
        (("sessions", "--account", "odd", "--config", configs[1]), "choose with --account: yard"),
        (("report", "--month", "2026-10", "--account", "odd", "--config", configs[1]), "yard"),
    ):
        done = run(*words)
        assert done.exit_code == 2, done.output
        assert part in done.output
