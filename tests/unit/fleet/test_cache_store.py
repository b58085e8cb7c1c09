"""What was read of an account is there for the next node, and never younger than it is."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import time

from chargepoint_driver.records import DAMAGED, StationRecord, Unreadable
from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.fleet.cache_store import PostgresCacheStore

RECORD = StationRecord(
    "1:34001", {"sgID": "1, 2", "x": None, "bad": DAMAGED}, {1: {"load": 6.4, "y": Unreadable("?")}}
)


class Clock:
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def stored(holders, store) -> PostgresCacheStore:
    """Wait until all is written, and return the store of the next node."""
    holders.run(store.settled)
    return PostgresCacheStore(holders.next(), "user")


def ages(store) -> dict[tuple[str, str], float]:
    return {(each.call, each.station): each.age_s for each in store.load()}


def test_the_next_node_has_what_was_read_with_its_age(holders) -> None:
    clock = Clock()
    store = PostgresCacheStore(holders.next(), "user", clock)
    read_s = clock()
    store.keep("getLoad", {"1:34001": RECORD}, read_s - 40)
    store.keep("getLoad", {f"1:{n}": StationRecord(f"1:{n}") for n in range(4_500)}, read_s)
    store.keep("getLoad", {}, read_s)
    again = stored(holders, store)
    found = {each.station: each for each in again.load()}
    assert len(found) == 4_501
    assert found["1:34001"].record == RECORD
    late_s = clock() - read_s
    assert 40.0 <= found["1:34001"].age_s <= 40 + late_s + 0.1
    assert 0.0 <= found["1:7"].age_s <= late_s + 0.1
    # A newer record takes the place of the older one.
    again.keep("getLoad", {"1:34001": RECORD}, again._clock())
    assert ages(stored(holders, again))["getLoad", "1:34001"] < 10


def test_a_write_and_a_whole_reply_leave_nothing_old(holders) -> None:
    store = PostgresCacheStore(holders.next(), "user")
    now_s = time.monotonic()
    records = {name: StationRecord(name) for name in ("a", "b", "c")}
    for call in ("getLoad", "getAlarms"):
        store.keep(call, records, now_s)
    store.keep_whole("getAlarms", ["a", "b"], now_s)
    store.forget(("getLoad", "a"))
    store = stored(holders, store)
    assert set(ages(store)) == {
        ("getLoad", "b"), ("getLoad", "c"),
        ("getAlarms", ""), ("getAlarms", "a"), ("getAlarms", "b"),
    }  # fmt: skip
    store.forget(("getAlarms", "a"))
    store = stored(holders, store)
    assert ("getAlarms", "") not in ages(store)
    assert list(PostgresCacheStore(holders.next(), "another").load()) == []


def test_a_node_that_lost_the_account_stores_nothing(holders) -> None:
    old = PostgresCacheStore(holders.next(), "user")
    new = PostgresCacheStore(holders.next(), "user")
    old.keep("getLoad", {"a": StationRecord("a")}, time.monotonic())
    holders.run(old.settled)
    assert list(new.load()) == []
    assert list(old.load()) == []


def test_what_is_older_than_a_week_is_deleted(holders, postgres) -> None:
    store = PostgresCacheStore(holders.next(), "user")
    now_s = store._clock()
    store.keep("getLoad", {"old": StationRecord("old")}, now_s - 7 * 86_400 - 60)
    store.keep("getLoad", {"new": StationRecord("new")}, now_s - 7 * 86_400 + 60)
    assert set(ages(stored(holders, store))) == {("getLoad", "new")}
    rows = postgres.rows("SELECT station FROM account_cache", database=holders._dsn)
    assert rows == [("new",)]
