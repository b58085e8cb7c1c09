"""What every store of a central system must do, over each implementation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.backends.ocpp.storage.file_queries import FileQueries
from chargepoint_driver.backends.ocpp.storage.interfaces import Queries, TransactionStore
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import InvalidValueError, NotFoundError
from chargepoint_driver.simulator.ocpp import Twins

from ..conftest import Site, eventually


@pytest.fixture(params=["sqlite", "postgres"])
def run(request) -> Callable[..., Site]:
    """Start a central system on one set of records, again and again."""
    return request.getfixturevalue({"sqlite": "start", "postgres": "start_node"}[request.param])


def test_the_implementations_have_what_the_interfaces_name() -> None:
    for interface, made in ((TransactionStore, Store), (Queries, FileQueries)):
        wanted = {name for name in vars(interface) if not name.startswith("_")}
        assert wanted
        assert {name for name in wanted if not callable(getattr(made, name, None))} == set()


def test_a_central_system_on_a_file_needs_no_engine() -> None:
    program = "import sys, chargepoint_driver.backends.ocpp; print('asyncpg' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.strip() == b"False"


def test_a_session_goes_on_after_a_restart(run, clock) -> None:
    first = run()
    charger = first.charger()
    charger.boot()
    charger.status("Charging")
    transaction = charger.start(clock.iso(60), meter=100)
    assert transaction > 0
    first.stop()
    again = run()
    charger = again.charger()
    charger.meter(clock.iso(30), transaction, Energy_Active_Import_Register="150")
    found = eventually(lambda: again.connector().transaction)
    assert (found.transaction_id, found.energy_wh) == (transaction, 50)
    (running,) = again.system.running_transactions()
    assert (running["id"], running["charge_point"]) == (transaction, "CP1")
    assert again.point().boot["vendor"] == "Test Works"
    assert again.connector().ocpp_status == "Charging"
    charger.stop(transaction, clock.iso(), 300)
    assert [row["energy_wh"] for row in again.month()] == [200]


def test_a_repeated_begin_is_the_same_session_after_a_restart(run, clock) -> None:
    at = clock.iso(60)
    first = run()
    transaction = first.charger().start(at)
    assert first.chargers[0].start(at) == transaction
    first.stop()
    again = run()
    assert again.charger().start(at) == transaction
    assert [row["id"] for row in again.system.running_transactions()] == [transaction]


def test_a_repeated_end_changes_nothing_after_a_restart(run, clock) -> None:
    begin, end = clock.iso(60), clock.iso(30)
    first = run()
    charger = first.charger()
    transaction = charger.start(begin, meter=0)
    charger.stop(transaction, end, 40)
    charger.stop(transaction, end, 40)
    first.stop()
    again = run()
    again.charger().stop(transaction, end, 40)
    rows = again.month()
    assert [(row["id"], row["energy_wh"], row["state"]) for row in rows] == [
        (transaction, 40, "completed")
    ]


def test_an_end_without_a_begin_is_kept_once(run, clock) -> None:
    site = run()
    charger = site.charger()
    for _ in range(2):
        charger.stop(77, clock.iso(30), 500)
    site.stop()
    again = run()
    again.charger().stop(77, clock.iso(30), 500)
    assert [(row["state"], row["wire_id"]) for row in again.month()] == [("orphan", "77")]


def test_ids_of_sessions_rise(run, clock) -> None:
    first = run()
    charger = first.charger()
    ids = [charger.start(clock.iso(100 - each)) for each in range(5)]
    first.stop()
    ids.append(run().charger().start(clock.iso(1)))
    assert ids == sorted(set(ids))


def test_another_begin_closes_the_session_before(run, clock) -> None:
    site = run()
    charger = site.charger()
    first = charger.start(clock.iso(600), meter=0)
    second = charger.start(clock.iso(60), meter=500)
    rows = {row["id"]: row["state"] for row in site.system.sessions(None, 0, None)}
    assert rows == {first: "lost", second: "active"}


def test_a_limit_is_known_after_a_restart(run) -> None:
    first = run()
    with Twins(first.system.ocpp_url, [{"id": "CP1"}], speed=1) as twins:
        twins.wait_connected()
        first.system.shed(Target("CP1", 1), Limit(3.0), 30)
        given = first.connector().limit
        assert given["accepted_kw"] is not None
    first.stop()
    again = run()
    again.charger().ask("Heartbeat", {})
    assert again.connector().limit["accepted_kw"] == given["accepted_kw"]


def test_the_questions(run, clock) -> None:
    site = run()
    charger = site.charger()
    done = charger.start(clock.iso(600), meter=0, tag="Anna")
    charger.stop(done, clock.iso(300), 1_500)
    runs = charger.start(clock.iso(200), meter=1_500, tag="ben")
    system, month = site.system, clock.iso()[:7]
    assert [row["id"] for row in system.sessions("CP1", clock() - 700, None)] == [done, runs]
    assert [row["id"] for row in system.sessions("CP1", clock() - 250, None)] == [runs]
    assert system.sessions("CP2", 0, None) == []
    assert [row["id"] for row in system.sessions(None, 0, clock() - 500)] == [done]
    assert [row["id"] for row in system.running_transactions("CP1")] == [runs]
    assert system.running_transactions("CP2") == []
    assert [(row["id_tag"], row["energy_wh"]) for row in system.usage(month)] == [("Anna", 1_500)]
    assert system.newest_sessions(["CP1", "CP2"])["CP1"][1]["id"] == runs
    assert system.newest_sessions(["CP2"]) == {"CP2": {}}
    one = system.transaction(done)
    assert (one["energy_wh"], one["duration_s"], one["reason"]) == (1_500, 300, "Local")
    assert system.last_energy(done)["energy_wh"] == 1_500
    for wrong in (5, 1 << 70, -1):
        with pytest.raises(NotFoundError):
            system.transaction(wrong)
    with pytest.raises(InvalidValueError):
        system.transactions("2026-13")
    actions = [event["action"] for event in system.events()]
    assert actions[:2] == ["Connected", "StartTransaction"]
    messages, _ = system.stored_messages("CP1", None, 2, None)
    assert [each["action"] for each in messages] == ["StartTransaction", "StopTransaction"]


def test_a_forgotten_charger_is_a_new_one_after_a_restart(run, clock) -> None:
    first = run()
    charger = first.charger()
    charger.boot()
    charger.status("Available")
    done = charger.start(clock.iso(60))
    first.system.forget("CP1")
    first.stop()
    again = run()
    again.charger().ask("Heartbeat", {})
    assert again.point().boot == {}
    assert [(row["id"], row["state"]) for row in again.month()] == [(done, "lost")]


def test_id_tags_that_were_added_are_known_after_a_restart(run) -> None:
    first = run()
    first.system.put_id_tag("Anna", status="Blocked")
    first.system.put_id_tag("ben")
    first.system.remove_id_tag("BEN")
    first.stop()
    again = run()
    assert [(row["id_tag"], row["status"]) for row in again.system.id_tags()] == [
        ("Anna", "Blocked")
    ]


def test_text_that_an_engine_may_not_store_does_no_harm(run, clock) -> None:
    """A NUL in an idTag, and what no JSON parser likes."""
    site = run()
    charger = site.charger()
    transaction = charger.start(clock.iso(60), tag="a\0b")
    other = site.charger("CP2").start(clock.iso(60), tag="\u2028'\"\\")
    ids = {row["id"] for row in site.system.running_transactions()}
    assert ids == {transaction, other}
