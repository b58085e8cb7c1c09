"""Stores of commands, in a file and in PostgreSQL: one contract; and the fence of the second."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import FencedError, StoreError, TransientError
from chargepoint_driver.service import CommandFile, CommandStore, ShedOptions
from chargepoint_driver.service.shed_control.records.command_state import (
    CommandState,
    UnconfirmedCommand,
)
from chargepoint_driver.service.shed_control.writers import Write
from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.fleet.command_store import PostgresCommandStore

ACCOUNT = ("http://127.0.0.1/", "user")
PORT, GROUP = Target("1:34001", 1), Target("", group="7")
SHED = CommandState(
    Limit(allowed_load_kw=3.0),
    ShedOptions(writer="agent", lease_s=60.0),
    commanded_s=5.0,
    sent_s=6.0,
)
DOUBT = UnconfirmedCommand(Limit(percent_shed=20), ShedOptions(), 7.0, 4.2, "7", (0, 1))


@pytest.fixture(params=["file", "postgres"])
def opened(request, tmp_path) -> Callable[[str], CommandStore]:
    """Open the store of an account, as the process that has it next does."""
    before: list[CommandStore] = []

    def open_next(account: str = "user") -> CommandStore:
        for each in before:
            each.close()
        if request.param == "file":
            store = CommandFile(tmp_path / "commands.sqlite", (ACCOUNT[0], account))
        else:
            store = PostgresCommandStore(request.getfixturevalue("holders").next(), account)
        before.append(store)
        return store

    yield open_next
    for each in before:
        each.close()


def test_the_next_process_has_what_was_saved(opened) -> None:
    store = opened()
    assert store.load() == ({}, {})
    store.save({PORT: SHED, GROUP: replace(SHED, doubt=DOUBT), Target("1:34002"): SHED})
    store.save({Target("1:34002"): None, PORT: replace(SHED, seen=True), Target("no"): None})
    store.save({})
    store.save_period("1:34001", {1: Limit(allowed_load_kw=5.0), 2: None}, {1: 6.4, 2: None})
    store.save_period("1:34002", {0: None})
    store.save_period("1:34001", {2: Limit(percent_shed=10)}, {2: 0.0})
    store.save_period("1:34002", None)
    store.save_lease(PORT, 60)
    store.save_lease(PORT, 90.5)
    store.save_lease(GROUP, 0)
    store = opened()
    commands, before = store.load()
    assert commands == {PORT: replace(SHED, seen=True), GROUP: replace(SHED, doubt=DOUBT)}
    assert before == {"1:34001": {2: Limit(percent_shed=10)}}
    assert store.load_more() == ({PORT: 90.5, GROUP: 0.0}, {"1:34001": {2: 0.0}})
    assert opened("somebody else").load() == ({}, {})


def test_writes_are_kept_the_newest_first(opened) -> None:
    store = opened()
    writes = [
        Write("2026-01-01T00:00:00+00:00", "1:34001", 1, "", "allowedLoad", str(n), "agent", "sent")
        for n in range(3)
    ]
    for each in writes:
        store.save_write(tuple(asdict(each).values()))
    found = [Write(*row) for row in opened().writes(2)]
    assert found == [writes[2], writes[1]]


def test_a_damaged_row_hides_no_other(opened, request, tmp_path) -> None:
    store = opened()
    store.save({PORT: SHED, GROUP: SHED})
    spoil = "UPDATE commands SET held = '{\"limit\": 3' WHERE station = '1:34001'"
    if isinstance(store, CommandFile):
        store._db.execute(spoil)
    else:
        holders = request.getfixturevalue("holders")
        request.getfixturevalue("postgres").rows(spoil, database=holders._dsn)
    assert opened().load()[0] == {GROUP: SHED}


# ---- the fence ---------------------------------------------------------------------------------


def test_a_node_that_lost_the_account_writes_nothing(holders) -> None:
    one = PostgresCommandStore(holders.next(), "user")
    one.save({PORT: SHED})
    one.check()
    other = PostgresCommandStore(holders.next(), "user")
    one.check()  # it does not know yet
    for write in (
        lambda: one.save({PORT: None}),
        lambda: one.save_period("1:34001", {1: None}),
        lambda: one.save_lease(PORT, 5),
        lambda: one.save_write(("",) * 2 + (1,) + ("",) * 5),
        one.load,
        one.check,
    ):
        with pytest.raises(FencedError):
            write()
    assert other.load()[0] == {PORT: SHED}


def test_postgres_that_does_not_answer_is_an_error_in_time(holders, postgres) -> None:
    store = PostgresCommandStore(holders.next(), "user")
    postgres.stop()
    try:
        with pytest.raises(StoreError, match="PostgreSQL") as refused:
            store.save({PORT: SHED})
        assert not isinstance(refused.value, FencedError)
    finally:
        postgres.start()
    store.save({PORT: SHED})
    assert store.load()[0] == {PORT: SHED}


def test_a_closed_store_is_fenced(holders) -> None:
    store = PostgresCommandStore(holders.next(), "user")
    store.close()
    with pytest.raises(FencedError):
        store.save({PORT: SHED})


def test_a_command_is_marked_right_before_its_call(holders) -> None:
    store = PostgresCommandStore(holders.next(), "user", marks_each_call=True)
    marked: list[int] = []
    with store.sending(lambda: marked.append(1)):
        assert not marked
        store.before_call()
        store.before_call()  # another page, or another call of the same thread
    with store.sending(lambda: marked.append(2)):
        pass  # it was refused before anything was sent
    store.before_call()
    assert marked == [1]
    with PostgresCommandStore(holders.next(), "user").sending(lambda: marked.append(3)):
        assert marked == [1, 3]
    with store.sending(lambda: marked.append(4)):
        store.close()
        with pytest.raises(TransientError, match="nothing was sent"):
            store.before_call()
    assert marked == [1, 3]
