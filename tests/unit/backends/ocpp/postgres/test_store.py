"""Records that nodes share: who owns a charger, what is written, and what PostgreSQL's absence
costs."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import ConfigurationError, NotFoundError, TransientError
from chargepoint_driver.simulator.ocpp import Twins
from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres import local_copy
from chargepoint_driver.backends.ocpp.postgres import store as store_module
from chargepoint_driver.backends.ocpp.postgres.store import PostgresStore

from ..conftest import LIMIT_S, eventually

START = {"connectorId": 1, "idTag": "tag", "meterStart": 0}


def closing_code(charger) -> int:
    """Read until the socket is closed, and return the code. Nothing is acknowledged meanwhile."""
    while True:
        try:
            assert json.loads(charger.ws.recv(LIMIT_S))[0] == 4
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd is not None else 1006


def send(charger, action: str, payload: dict) -> None:
    """Send a request on a socket that may be closed already."""
    with suppress(ConnectionClosed):
        charger.ws.send(json.dumps([2, "late", action, payload]))


def transactions(postgres, records) -> list[tuple[int, str, str]]:
    """Return (id, charger, state) of all transactions in PostgreSQL."""
    sql = "SELECT id, charge_point, state FROM transactions ORDER BY id"
    return postgres.rows(sql, database=records)


def test_what_is_acknowledged_is_in_postgres(start_node, postgres, records, clock) -> None:
    charger = start_node().charger()
    one = charger.start(clock.iso(60))
    assert transactions(postgres, records) == [(one, "CP1", "active")]
    charger.stop(one, clock.iso(), 10)
    assert transactions(postgres, records) == [(one, "CP1", "completed")]


def test_the_newest_socket_of_a_charger_counts_on_whichever_node(
    start_node, postgres, records, clock
) -> None:
    first, second = start_node("node-1"), start_node("node-2")
    old = first.charger()
    old.boot()
    transaction = old.start(clock.iso(60), meter=100)
    new = second.charger()
    new.ask("Heartbeat", {})
    assert closing_code(old) == 1012
    # Only the node that has it shows it.
    with pytest.raises(TransientError, match="node-2 has it, and this node cannot reach it"):
        first.point()
    assert second.connector().transaction.transaction_id == transaction
    assert second.point().boot["vendor"] == "Test Works"
    new.stop(transaction, clock.iso(), 300)
    assert transactions(postgres, records) == [(transaction, "CP1", "completed")]
    assert first.month() == second.month()
    assert [row["energy_wh"] for row in first.month()] == [200]


async def _nothing(store) -> None:
    """Stand for the renewal of the lease: the node is cut off from the news of claims."""


def test_what_an_old_socket_sends_is_not_written(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    monkeypatch.setattr(PostgresStore, "_renew", _nothing)
    first, second = start_node("node-1"), start_node("node-2")
    old = first.charger()
    transaction = old.start(clock.iso(60), meter=100)
    new = second.charger()
    new.ask("Heartbeat", {})
    late = {"transactionId": transaction, "timestamp": clock.iso(), "meterStop": 9_999}
    send(old, "StopTransaction", late)
    assert closing_code(old) == 1012
    assert transactions(postgres, records) == [(transaction, "CP1", "active")]
    new.stop(transaction, clock.iso(), 300)
    assert [row["energy_wh"] for row in second.month()] == [200]


def test_others_are_written_where_one_is_fenced(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    monkeypatch.setattr(PostgresStore, "_renew", _nothing)
    first, second = start_node("node-1"), start_node("node-2")
    old, other = first.charger("CP1"), first.charger("CP2")
    old.ask("Heartbeat", {})
    other.ask("Heartbeat", {})
    second.charger("CP1").ask("Heartbeat", {})
    begin = {**START, "timestamp": clock.iso(60)}
    send(old, "StartTransaction", begin)
    assert other.ask("StartTransaction", begin)["transactionId"]
    assert closing_code(old) == 1012
    assert [row[1:] for row in transactions(postgres, records)] == [("CP2", "active")]


def test_ids_of_a_charger_rise_over_nodes(start_node, clock) -> None:
    nodes = [start_node(f"node-{each}") for each in range(2)]
    ids = []
    for each in range(6):
        charger = nodes[each % 2].charger()
        ids.append(charger.start(clock.iso(100 - each)))
    assert ids == sorted(set(ids))
    states = {row["id"]: row["state"] for row in nodes[0].system.sessions(None, 0, None)}
    assert [states[each] for each in ids] == ["lost"] * 5 + ["active"]


def test_an_old_session_is_found_where_it_is_not_in_memory(
    start_node, postgres, records, clock
) -> None:
    first = start_node("node-1")
    charger = first.charger()
    done = []
    for each in range(15):
        done.append(charger.start(clock.iso(3_000 - 100 * each)))
        charger.stop(done[-1], clock.iso(2_950 - 100 * each), 10)
    before = transactions(postgres, records)
    charger = start_node("node-2").charger()
    charger.stop(done[0], clock.iso(2_950), 10)
    values = {"timestamp": clock.iso(2_960), "sampledValue": [{"value": "5"}]}
    charger.ask("MeterValues", {"connectorId": 1, "transactionId": done[1], "meterValue": [values]})
    assert transactions(postgres, records) == before


def test_the_local_copy_stays_small_and_postgres_keeps_all(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    monkeypatch.setattr(store_module, "_SHRINK_S", 0.0)
    site = start_node()
    charger = site.charger()
    done = charger.start(clock.iso(600))
    charger.stop(done, clock.iso(500), 10)
    runs = charger.start(clock.iso(400))
    charger.meter(clock.iso(300), runs, Energy_Active_Import_Register="5")
    before = transactions(postgres, records)
    clock.ahead_s += 3 * 86_400

    async def ids() -> list[int]:
        tables = "SELECT id FROM transactions UNION ALL SELECT quarter FROM session_registers"
        return [row[0] for row in site.system._running.store._db.execute(tables)]

    def held() -> list[int]:
        return site.system._loop.run(ids, LIMIT_S)

    eventually(lambda: held() == [runs])
    quarters = "SELECT last_wh FROM session_registers ORDER BY quarter"
    assert [row[0] for row in postgres.rows(quarters, database=records)][-1:] == [5.0]
    charger.stop(done, clock.iso(3 * 86_400 + 500), 10)
    charger.ask("Heartbeat", {})
    assert transactions(postgres, records) == before


def test_a_limit_goes_with_its_charger(start_node, postgres) -> None:
    first, second = start_node("node-1"), start_node("node-2")
    with Twins(first.system.ocpp_url, [{"id": "CP1"}], speed=1) as twins:
        twins.wait_connected()
        first.system.shed(Target("CP1", 1), Limit(3.0), 30)
        given = first.connector().limit["accepted_kw"]
        assert given is not None
    eventually(lambda: not first.point().connected)
    second.charger().ask("Heartbeat", {})
    assert second.connector().limit["accepted_kw"] == given
    with pytest.raises((NotFoundError, TransientError)):
        first.system.shed(Target("CP1", 1), Limit(4.0), 30)


def test_nothing_is_acknowledged_while_postgres_is_away(
    start_node, postgres, records, clock
) -> None:
    site = start_node(lease_s=2)
    charger = site.charger()
    charger.boot()
    first = charger.start(clock.iso(600), meter=0)
    postgres.stop()
    try:
        begin = {**START, "timestamp": clock.iso(60)}
        stop = {"transactionId": first, "timestamp": clock.iso(90), "meterStop": 700}
        assert charger.request("StopTransaction", stop)[0] == 4
        assert charger.request("StartTransaction", begin)[0] == 4
        # What needs no record goes on, and so do reads from memory.
        assert charger.ask("Heartbeat", {})["currentTime"]
        assert site.point().connected
        with pytest.raises(TransientError):
            site.month()
        # A new socket cannot be claimed.
        assert closing_code(site.charger("CP2")) == 1013
        # No command leaves once the lease has ended.
        store = site.system._running.store
        eventually(lambda: store.refusal_to_send("CP1"))
        with pytest.raises(TransientError, match="lease of this node has ended"):
            site.system.call("CP1", "ClearCache", {})
    finally:
        postgres.start()
    eventually(lambda: charger.request("StopTransaction", stop)[0] == 3)
    second = charger.ask("StartTransaction", begin)["transactionId"]
    assert transactions(postgres, records) == [
        (first, "CP1", "completed"),
        (second, "CP1", "active"),
    ]
    eventually(lambda: store.refusal_to_send("CP1") is None)
    assert [row["energy_wh"] for row in site.month()] == [700]
    charger = eventually(lambda: _try(site, "CP2"))
    charger.start(clock.iso(30))


def _try(site, station_id: str):
    charger = site.charger(station_id)
    try:
        charger.ask("Heartbeat", {})
    except ConnectionClosed:
        return None
    return charger


def test_a_postgres_that_hangs_costs_a_limited_wait(start_node, postgres, records, clock) -> None:
    site = start_node()
    charger = site.charger()
    charger.boot()
    (pid,) = postgres.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'chargepoint-driver' LIMIT 1",
        database=records,
    )[0]
    lock = "BEGIN; LOCK TABLE transactions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT"
    assert pid
    holder = threading.Thread(target=lambda: postgres.script(lock, database=records))
    holder.start()
    transaction = charger.start(clock.iso(60))
    holder.join(LIMIT_S)
    assert transactions(postgres, records) == [(transaction, "CP1", "active")]


def test_a_row_that_postgres_refuses_costs_that_charger_only(
    start_node, postgres, records, clock
) -> None:
    site = start_node()
    good, bad = site.charger("GOOD"), site.charger("BAD")
    postgres.rows(
        "ALTER TABLE transactions ADD CONSTRAINT refused CHECK (charge_point <> 'BAD')",
        database=records,
    )
    begin = {**START, "timestamp": clock.iso(60)}
    assert bad.request("StartTransaction", begin)[0] == 4
    one = good.start(clock.iso(60))
    assert transactions(postgres, records) == [(one, "GOOD", "active")]
    postgres.rows("ALTER TABLE transactions DROP CONSTRAINT refused", database=records)
    two = eventually(lambda: bad.request("StartTransaction", begin)[2].get("transactionId"))
    assert {row[0] for row in transactions(postgres, records)} == {one, two}


def test_a_charger_that_postgres_refuses_costs_no_other_that_connects(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    monkeypatch.setattr(store_module, "_MAX_CLAIMS", 3)
    site = start_node()
    postgres.rows(
        "ALTER TABLE owners ADD CONSTRAINT refused CHECK (charge_point <> 'BAD')", database=records
    )
    names = ["BAD", *(f"CP{each}" for each in range(10))]
    with ThreadPoolExecutor(len(names)) as pool:
        chargers = dict(zip(names, pool.map(site.charger, names), strict=True))
    assert closing_code(chargers["BAD"]) == 1013
    begun = {chargers[name].start(clock.iso(60)) for name in names[1:]}
    assert len(begun) == len(names) - 1


def test_id_tags_are_those_of_all_nodes(start_node) -> None:
    first, second = start_node("node-1"), start_node("node-2")
    first.system.put_id_tag("Anna", status="Blocked")
    eventually(lambda: [row["status"] for row in second.system.id_tags()] == ["Blocked"])
    answer = second.charger().ask("Authorize", {"idTag": "anna"})
    assert answer["idTagInfo"]["status"] == "Blocked"
    second.system.remove_id_tag("Anna")
    eventually(lambda: first.system.id_tags() == [])


def test_the_limit_of_an_id_tag_counts_the_sessions_of_all_nodes(start_node, clock) -> None:
    first, second = start_node("node-1"), start_node("node-2")
    first.system.put_id_tag("Anna", max_concurrent=1)
    transaction = first.charger("CP1").start(clock.iso(60), tag="anna")
    other = second.charger("CP2")

    def answer() -> str:
        return other.ask("Authorize", {"idTag": "ANNA"})["idTagInfo"]["status"]

    eventually(lambda: answer() == "ConcurrentTx")
    # The charger comes over with its session, which counts once.
    moved = second.charger("CP1")
    moved.ask("Heartbeat", {})
    eventually(lambda: [row["running"] for row in second.system.id_tags()] == [1])
    moved.stop(transaction, clock.iso(), 5)
    eventually(lambda: answer() == "Accepted")


def test_a_name_is_of_one_process(start_node, tmp_path) -> None:
    start_node("node-1", lease_s=2)
    with pytest.raises(ConfigurationError, match="'node-1' runs already"):
        start_node("node-1", lease_s=2, database=tmp_path / "other.db")


def test_a_node_ends_when_its_tables_have_become_too_new(start_node, postgres, records) -> None:
    """They changed while it was frozen."""
    reasons: list[str | None] = []
    site = start_node(on_end=reasons.append)
    charger = site.charger()
    charger.boot()
    postgres.rows("INSERT INTO schema_versions VALUES (99, now(), 99)", database=records)
    assert closing_code(charger) == 1012
    assert "a release of version 99 or later" in eventually(lambda: reasons)[0]
    assert "version 99" in site.system._running.store.refusal_to_send("CP1")


def test_a_file_with_records_is_not_taken_for_a_local_copy(start, start_node, clock) -> None:
    site = start()
    transaction = site.charger().start(clock.iso(60))
    site.stop()
    with pytest.raises(ConfigurationError, match="holds the records of a central system"):
        start_node(database=site.config.database)
    again = start()
    assert [row["id"] for row in again.system.running_transactions()] == [transaction]
    again.stop()


def test_the_local_copy_is_no_database_of_a_central_system(start_node, start) -> None:
    site = start_node()
    site.stop()
    with pytest.raises(ConfigurationError, match="local copy of a node"):
        start(database=site.config.database)


def test_registers_reach_postgres_without_an_end(start_node, postgres, records, clock) -> None:
    site = start_node()
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=0)
    charger.meter(clock.iso(300), transaction, Energy_Active_Import_Register="150")
    sql = "SELECT last_wh FROM transactions"
    eventually(lambda: postgres.rows(sql, database=records) == [(150.0,)])
    readings = eventually(lambda: site.system.energy_readings([str(transaction)]))
    assert [each.energy_wh for each in readings[str(transaction)]] == [150.0]
    assert site.system.last_energy(transaction)["energy_wh"] == 150


def test_registers_of_a_charger_that_disconnects_do_not_wait(
    start_node, postgres, records, clock, monkeypatch
) -> None:
    site = start_node()
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=0)
    store = site.system._running.store
    monkeypatch.setattr(local_copy, "LAZY_S", 1e6)
    store._lazy_at_s = store._clock() + 1e6
    charger.meter(clock.iso(300), transaction, Energy_Active_Import_Register="150")
    charger.close()
    sql = "SELECT last_wh FROM transactions"
    eventually(lambda: postgres.rows(sql, database=records) == [(150.0,)])


def test_a_stopped_node_has_written_everything(start_node, postgres, records, clock) -> None:
    site = start_node()
    charger = site.charger()
    transaction = charger.start(clock.iso(600), meter=0)
    charger.meter(clock.iso(300), transaction, Energy_Active_Import_Register="150")
    site.stop()
    sql = "SELECT last_wh FROM transactions"
    assert postgres.rows(sql, database=records) == [(150.0,)]
    ended = "SELECT lease_until <= now() FROM nodes"
    assert postgres.rows(ended, database=records) == [(True,)]


def test_a_killed_postgres_is_no_end_of_a_node(start_node, postgres, records, clock) -> None:
    site = start_node()
    charger = site.charger()
    charger.ask("Heartbeat", {})
    postgres.stop(signal.SIGKILL)
    postgres.start()
    begin = {**START, "timestamp": clock.iso(60)}
    found = eventually(lambda: charger.request("StartTransaction", begin)[2].get("transactionId"))
    assert [row[0] for row in transactions(postgres, records)] == [found]


def test_a_drained_node_accepts_no_charger(start_node, postgres, records) -> None:
    site = start_node(drain_s=0)
    charger = site.charger()
    charger.ask("Heartbeat", {})
    postgres.rows("UPDATE nodes SET draining = true", database=records)
    assert closing_code(charger) == 1012
    assert closing_code(site.charger()) == 1013


def test_health_is_bad_once_the_lease_has_ended(start_node, postgres) -> None:
    site = start_node(health="127.0.0.1:0", lease_s=2)

    def health() -> tuple[int, str]:
        answer = requests.get(site.system.health_url, timeout=LIMIT_S)
        return answer.status_code, answer.text

    assert health() == (200, "ok\n")
    postgres.stop()
    try:
        text = eventually(lambda: (found := health())[0] == 503 and found[1])
        assert "lease of this node has ended" in text
    finally:
        postgres.start()
    eventually(lambda: health() == (200, "ok\n"))
