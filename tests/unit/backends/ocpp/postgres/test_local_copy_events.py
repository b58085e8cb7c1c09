"""Events of a node: in PostgreSQL with the change that they belong to, and under its fence."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import json
from pathlib import Path

from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.store import PostgresStore

from ..conftest import eventually
from .test_store import START, _nothing, closing_code, send


def events(postgres, records, *actions: str) -> list[tuple[str, str]]:
    """Return (charger, action) of the events in PostgreSQL, in the order of ids."""
    rows = postgres.rows("SELECT charge_point, action FROM events ORDER BY id", database=records)
    return [row for row in rows if not actions or row[1] in actions]


def test_the_event_of_what_is_acknowledged_is_in_postgres(
    start_node, postgres, records, clock
) -> None:
    charger = start_node().charger()
    charger.boot()
    assert events(postgres, records, "BootNotification") == [("CP1", "BootNotification")]
    charger.status("Preparing")
    assert events(postgres, records, "StatusNotification") == [("CP1", "StatusNotification")]
    one = charger.start(clock.iso(60))
    charger.meter(clock.iso(30), one, Power_Active_Import="3500")
    charger.stop(one, clock.iso(), 10)
    actions = [action for _, action in events(postgres, records)]
    assert actions == [
        "Connected", "BootNotification", "StatusNotification", "StartTransaction",
        "StopTransaction",
    ]  # fmt: skip
    run, seqs, text = zip(
        *postgres.rows("SELECT run, seq, data FROM events ORDER BY id", database=records),
        strict=True,
    )
    assert list(seqs) == sorted(seqs)
    assert json.loads(text[3])["transactionId"] == one
    assert postgres.rows("SELECT run, node, account FROM event_runs", database=records) == [
        (run[0], "node-1", "ocpp")
    ]


def test_an_event_without_a_change_follows_by_itself(start_node, postgres, records) -> None:
    charger = start_node().charger()
    charger.ask("Authorize", {"idTag": "tag"})
    eventually(lambda: events(postgres, records, "Authorize"))


def test_an_alarm_is_acknowledged_when_postgres_has_it(start_node, postgres, records) -> None:
    site = start_node()
    charger = site.charger(subprotocols=["ocpp2.0.1"])
    alarm = {"type": "TamperDetectionActivated", "timestamp": site.clock.iso()}
    charger.ask("SecurityEventNotification", alarm)
    assert events(postgres, records, "SecurityEventNotification")


def test_no_event_of_an_old_socket_is_written(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    monkeypatch.setattr(PostgresStore, "_renew", _nothing)
    first, second = start_node("node-1"), start_node("node-2")
    old, other = first.charger("CP1"), first.charger("CP2")
    transaction = old.start(clock.iso(60))
    second.charger("CP1").ask("Heartbeat", {})
    send(old, "StopTransaction", {"transactionId": transaction, "timestamp": clock.iso(),
                                  "meterStop": 5})  # fmt: skip
    assert closing_code(old) == 1012
    other.ask("StartTransaction", {**START, "timestamp": clock.iso(60)})
    found = events(postgres, records, "StartTransaction", "StopTransaction")
    assert found == [("CP1", "StartTransaction"), ("CP2", "StartTransaction")]


def test_events_wait_for_postgres(start_node, postgres, records, clock) -> None:
    charger = start_node(lease_s=2).charger()
    charger.boot()
    postgres.stop()
    try:
        begin = {**START, "timestamp": clock.iso(60)}
        assert charger.request("StartTransaction", begin)[0] == 4
        charger.ask("Authorize", {"idTag": "tag"})
    finally:
        postgres.start()
    found = eventually(lambda: events(postgres, records, "Authorize", "StartTransaction")[1:])
    assert found == [("CP1", "Authorize")]


def test_events_of_a_refused_row_come_when_it_is_let_in(
    start_node, postgres, records, clock
) -> None:
    site = start_node()
    one, other = site.charger("CP1"), site.charger("CP2")
    for each in (one, other):
        each.boot()
    postgres.script(
        "ALTER TABLE transactions ADD CONSTRAINT odd CHECK (id_tag <> 'odd')", database=records
    )
    begin = {**START, "timestamp": clock.iso(60)}
    assert one.request("StartTransaction", {**begin, "idTag": "odd"})[0] == 4
    assert other.ask("StartTransaction", begin)["transactionId"]
    assert events(postgres, records, "StartTransaction") == [("CP2", "StartTransaction")]
    postgres.script("ALTER TABLE transactions DROP CONSTRAINT odd", database=records)
    assert one.ask("StartTransaction", {**begin, "idTag": "odd"})["transactionId"]
    # With an id of its own: a sink that has got the other one gets them too.
    wanted = [("CP2", "StartTransaction"), *2 * [("CP1", "StartTransaction")]]
    assert events(postgres, records, "StartTransaction") == wanted


def test_runs_are_of_one_process(start_node, postgres, records, clock) -> None:
    for name in ("node-1", "node-2", "node-1"):
        site = start_node(name)
        site.charger(f"CP-{name}").boot()
        site.stop()
    rows = postgres.rows("SELECT run, node FROM event_runs ORDER BY run", database=records)
    assert [node for _, node in rows] == ["node-1", "node-2", "node-1"]
    assert len({run for run, _ in rows}) == 3
    assert rows[0][0] >= int(clock.start_s * 1_000)


def test_a_node_sends_meter_values_from_its_file_and_the_rest_from_postgres(
    start_node, postgres, records, clock, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    site = start_node(sinks={"out": {"type": "file", "path": path}})
    charger = site.charger()
    charger.boot()
    one = charger.start(clock.iso(60))
    charger.meter(clock.iso(30), one, Power_Active_Import="3500")
    charger.stop(one, clock.iso(), 10)

    def got() -> list[dict]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    found = eventually(lambda: path.exists() and len(got()) >= 5 and got())
    assert sorted(each["action"] for each in found) == sorted(
        ["Connected", "BootNotification", "StartTransaction", "MeterValues", "StopTransaction"]
    )
    assert len({each["id"] for each in found}) == 5
    assert len({each["run"] for each in found}) == 1
    eventually(lambda: [each.waiting for each in site.system.sinks()] == [0])
