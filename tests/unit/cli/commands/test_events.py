"""`events`: stored events as JSON lines, and sent to a sink again."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module

import pytest

from chargepoint_driver.events.outbox import Outbox
from tests.postgres_server import postgres_server
from tests.unit.events import engines
from tests.unit.events.conftest import fill
from tests.unit.events.consumers import from_nats


@pytest.fixture
def database(tmp_path):
    clock = [1_795_000_000.0]
    outbox = Outbox(tmp_path / "events.sqlite", now=lambda: clock[0])
    for begin in (0, 10):
        fill(outbox, 10, begin=begin)
        clock[0] += 3_600
    outbox.close()
    return outbox.path


def lines(done):
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_events_after_an_id(run, database):
    found = lines(run("events", "--database", database, "--after", "15"))
    assert [event["seq"] for event in found] == [16, 17, 18, 19, 20]
    assert found[0]["id"].endswith("-16")


def test_events_since_a_time(run, database):
    found = lines(run("events", "--database", database, "--since", "2026-11-18T11:30:00Z"))
    assert [event["seq"] for event in found] == [*range(11, 21)]


def test_events_are_sent_to_a_sink_again(run, database, tmp_path):
    with engines.nats_server(tmp_path) as server:
        url = f"nats://127.0.0.1:{server.port}"
        config = tmp_path / "csms.json"
        config.write_text(json.dumps({"sinks": {"nats": {"type": "nats", "servers": [url]}}}))
        options = ("--database", database, "--config", config, "--sink", "nats")
        done = run("events", *options, "--after", "0")
        assert done.exit_code == 0, done.output
        assert "20 events" in done.stderr
        assert len(asyncio.run(from_nats(url))) == 20


def test_a_sink_that_is_away_is_said(run, database, tmp_path):
    config = tmp_path / "csms.json"
    sink = {"type": "nats", "servers": ["nats://127.0.0.1:9"]}
    config.write_text(json.dumps({"sinks": {"nats": sink}}))
    done = run(
        "events", "--database", database, "--config", config, "--sink", "nats", "--after", "0"
    )
    assert done.exit_code != 0
    assert "0 events were sent before" in done.output


def test_an_account_of_several_is_asked_for(run, tmp_path, database):
    config = tmp_path / "accounts.json"
    account = {"username": "u", "password": "p", "endpoint": "http://127.0.0.1:9/x"}
    accounts = {"a": account, "b": {**account, "username": "v", "events_file": str(database)}}
    config.write_text(json.dumps({"accounts": accounts}))
    done = run("events", "--config", config, "--after", "19")
    assert done.exit_code == 2
    assert "--account: one of a, b" in done.output
    found = lines(run("events", "--config", config, "--account", "b", "--after", "19"))
    assert [event["account"] for event in found] == ["chargepoint"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--after or --since"),
        (("--after", "1", "--since", "1h"), "--after or --since"),
        (("--after", "1", "--sink", "x"), "--config"),
        (("--after", "1"), "--database"),
    ],
)
def test_what_is_missing_is_asked_for(run, options, said):
    done = run("events", *options)
    assert done.exit_code == 2
    assert said in done.output


def test_events_of_all_nodes_come_from_postgres(run, tmp_path):
    with postgres_server() as postgres:
        dsn = postgres.database()
        config = tmp_path / "fleet.json"
        out = {"type": "file", "path": str(tmp_path / "out.jsonl")}
        central = {"database": str(tmp_path / "node.db"), "sinks": {"out": out}}
        config.write_text(
            json.dumps({"node": "a", "postgres": {"dsn": dsn}, "central_system": central})
        )
        done = run("events", "--config", config, "--after", "0")
        assert done.exit_code != 0
        assert "fleet migrate" in done.output
        # The module needs asyncpg, without which there is no server.
        import_module("tests.unit.backends.ocpp.nodes").make_tables(dsn)
        postgres.script(
            "INSERT INTO event_runs VALUES (5, 'a', 1, 'garage'), (6, 'b', 1, 'garage');"
            "INSERT INTO events (run, seq, received, time, charge_point, action, data)"
            " SELECT 5 + n % 2, n, 1795000000 + n, 1795000000, 'CP1', 'Odd', '{}'"
            " FROM generate_series(1, 600) AS n",
            database=dsn,
        )
        found = lines(run("events", "--config", config, "--after", "596"))
        assert [event["id"] for event in found] == ["6-597", "5-598", "6-599", "5-600"]
        assert {event["account"] for event in found} == {"garage"}
        found = lines(run("events", "--config", config, "--since", "2026-11-18T11:16:30Z"))
        assert [event["seq"] for event in found] == [*range(590, 601)]
        done = run("events", "--config", config, "--after", "0", "--sink", "out")
        assert "600 events were sent to out" in done.stderr
        sent = (tmp_path / "out.jsonl").read_text().splitlines()
        assert [json.loads(line)["seq"] for line in sent] == [*range(1, 601)]
