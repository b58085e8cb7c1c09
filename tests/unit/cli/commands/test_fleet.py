"""`fleet migrate` and `fleet status`: what they print, and what they refuse."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from chargepoint_driver.cli import main
from tests.postgres_server import need_asyncpg, postgres_server

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.schema import VERSION


@pytest.fixture(scope="module")
def server():
    with postgres_server() as found:
        yield found


@pytest.fixture
def config(server, tmp_path: Path) -> Path:
    path = tmp_path / "fleet.json"
    content = {
        "node": "node-1",
        "postgres": {"dsn": server.database()},
        "central_system": {"listen": "127.0.0.1:0", "database": str(tmp_path / "node-1.db")},
    }
    path.write_text(json.dumps(content))
    return path


def run(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(main, ["fleet", *words])
    assert result.exit_code == status, result.output
    return result.output


def test_the_tables_are_made_once(config) -> None:
    assert f"now have version {VERSION} (before: 0)" in run("migrate", "--config", str(config))
    assert f"have version {VERSION} already" in run("migrate", "--config", str(config))


def test_the_state_of_a_fleet(config, server) -> None:
    assert "run `chargepoint-driver fleet migrate`" in run(
        "status", "--config", str(config), status=2
    )
    run("migrate", "--config", str(config))
    dsn = json.loads(config.read_text())["postgres"]["dsn"]
    server.script(
        "INSERT INTO nodes VALUES"
        " ('node-1', 1, '0.0.0.0:9000', '1', now(), now(), now() + interval '1 hour'),"
        " ('node-2', 2, '0.0.0.0:9000', '1', now(), now() - interval '60 s', now());"
        " INSERT INTO owners VALUES ('CP1', 'node-1', 1, 1, now());"
        " INSERT INTO charge_points (id) VALUES ('CP1')",
        database=dsn,
    )
    found = json.loads(run("status", "--config", str(config), "--json"))
    assert (found["charge_points"], found["running_transactions"]) == (1, 0)
    rows = [(row["node"], row["is_alive"], row["charge_points"]) for row in found["nodes"]]
    assert rows == [("node-1", True, 1), ("node-2", False, 0)]
    text = run("status", "--config", str(config))
    assert "node-1: runs; 1 chargers claimed" in text
    assert "node-2: does not run, last seen 6" in text


def test_a_node_that_does_not_run_cannot_be_drained(config) -> None:
    run("migrate", "--config", str(config))
    text = run("drain", "node-9", "--config", str(config), status=1)
    assert "no node 'node-9' runs" in text


def test_a_database_that_is_not_there_is_a_sentence(config, server) -> None:
    content = json.loads(config.read_text())
    content["postgres"]["dsn"] = server.dsn("none")
    config.write_text(json.dumps(content))
    assert 'it refuses (database "none" does not exist)' in run(
        "status", "--config", str(config), status=2
    )


def test_a_postgres_out_of_reach_is_a_sentence(config, server) -> None:
    content = json.loads(config.read_text())
    content["postgres"]["dsn"] = "postgresql://postgres@127.0.0.1:1/none"
    config.write_text(json.dumps(content))
    for command in ("migrate", "status"):
        assert "PostgreSQL cannot be reached" in run(command, "--config", str(config), status=4)
