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

from chargepoint_driver.backends.ocpp.postgres import fleet_status
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


def test_leases_are_shown_held_or_ended(config, server) -> None:
    run("migrate", "--config", str(config))
    server.script(
        "INSERT INTO leases VALUES ('account:a', 'node-1/1', 3, now() + interval '1 hour'),"
        " ('account:b', 'node-2/2', 1, now() - interval '1 minute')",
        database=json.loads(config.read_text())["postgres"]["dsn"],
    )
    found = json.loads(run("status", "--config", str(config), "--json"))["leases"]
    rows = [(row["name"], row["holder"], row["epoch"], row["is_held"]) for row in found]
    assert rows == [("account:a", "node-1/1", 3, True), ("account:b", "node-2/2", 1, False)]
    assert found[0]["ends_in_s"] > 3_500
    text = run("status", "--config", str(config))
    assert "lease account:a: node-1/1, ends in 3" in text
    assert "lease account:b: node-2/2, has ended" in text


def test_accounts_are_shown_with_their_holders_and_alerts(config, server) -> None:
    run("migrate", "--config", str(config))
    server.script(
        "INSERT INTO nodes SELECT 'node-' || n, n, '', '1', now(), now(), now() + interval '1 h'"
        " FROM generate_series(1, 3) AS n;"
        " UPDATE nodes SET lease_until = now() WHERE id = 'node-3';"
        " INSERT INTO account_nodes VALUES ('a', 'node-1', 1, 'x'), ('a', 'node-2', 2, 'x'),"
        " ('b', 'node-1', 1, 'y'), ('b', 'node-2', 2, 'z'), ('b', 'node-3', 3, 'y'),"
        " ('c', 'node-2', 2, 'y');"
        " INSERT INTO leases VALUES ('account:a', 'node-1/1', 3, now() + interval '1 hour');"
        " INSERT INTO account_alerts VALUES"
        " ('x', '1:34001', 'cannot be renewed', '2026-01-01T00:00Z')",
        database=json.loads(config.read_text())["postgres"]["dsn"],
    )
    found = json.loads(run("status", "--config", str(config), "--json"))["accounts"]
    rows = [(row["account"], row["nodes"], row["holder"], row["is_alike"]) for row in found]
    assert rows == [
        ("a", ["node-1", "node-2"], "node-1", True),
        ("b", ["node-1", "node-2"], None, False),
        ("c", ["node-2"], None, False),
    ]
    assert [each["what"] for each in found[0]["alerts"]] == ["cannot be renewed"]
    assert not found[1]["alerts"]
    text = run("status", "--config", str(config))
    assert "account a: node-1 holds it; in the config of node-1, node-2" in text
    assert "  1:34001: cannot be renewed (since 2026-01-01" in text
    assert "account b: no node holds it" in text


def test_without_nats_here_what_nodes_report_is_not_known(config, server, monkeypatch) -> None:
    monkeypatch.setattr(fleet_status, "_CONNECT_S", 0.1)
    run("migrate", "--config", str(config))
    content = json.loads(config.read_text())
    server.script(
        "INSERT INTO nodes VALUES"
        " ('node-1', 1, '0.0.0.0:9000', '1', now(), now(), now() + interval '1 hour')",
        database=content["postgres"]["dsn"],
    )
    unasked = json.loads(run("status", "--config", str(config), "--json"))
    content["nats"] = {"servers": ["nats://127.0.0.1:1"]}
    config.write_text(json.dumps(content))
    found = json.loads(run("status", "--config", str(config), "--json"))
    for each, error in ((unasked, None), (found, "no server of `nats` answers here")):
        assert (each["nats_error"], each["connected"], each["counters"]) == (error, None, None)
        (row,) = each["nodes"]
        fields = (row["is_on_nats"], row["connected"], row["counters"], row["sinks"])
        assert fields == (None, None, None, None)
    assert "what nodes report is not known" in run("status", "--config", str(config))


@pytest.mark.parametrize("group", ["fleet", "node"])
def test_a_node_that_does_not_run_cannot_be_drained(config, group) -> None:
    run("migrate", "--config", str(config))
    words = [group, "drain", "node-9", "--config", str(config)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "no node 'node-9' runs" in result.output


def test_a_node_takes_its_options_or_those_of_a_command(config) -> None:
    for words, part in (
        (["node"], "Missing option '--config'"),
        (["node", "--config", str(config), "drain", "node-1"], "give options behind drain"),
        (["node", "--log-file", "x", "drain", "node-1"], "give options behind drain"),
        (["node", "drain"], "Missing argument 'NODE'"),
    ):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2
        assert part in result.output, words


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
