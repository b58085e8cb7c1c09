"""Retention and the questions of busy hours: what is due goes, and no step reads the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.storage.transaction_table import End

DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "kept.sqlite", lambda: NOW_S)
    yield made
    made.close()


def add(store: Store, received_s: float, action: str = "MeterValues") -> None:
    store.event(received_s, received_s, "CP1", 1, action, b"{}")


def kept(store: Store) -> list[tuple[float, str]]:
    rows = store._db.execute("SELECT received, action FROM events ORDER BY id")
    return [(row[0], row[1]) for row in rows]


def sweep(store: Store, kind: str, before_s: float) -> int:
    """Delete what is due. Returns the number of steps."""
    walk, steps = store.sweep(kind, before_s), 0
    while store.sweep_step(walk):
        store.flush()
        steps += 1
    store.end_sweep(walk)
    return steps


def instructions(store: Store, work: Callable[[], object]) -> int:
    """How many hundreds of SQLite's instructions a piece of work takes."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    store._db.set_progress_handler(tick, 100)
    try:
        work()
    finally:
        store._db.set_progress_handler(None, 0)
    return count


def test_each_kind_goes_at_its_own_age_and_nothing_else_does(store) -> None:
    for each in range(1_200):
        add(store, NOW_S + each, "MeterValues" if each % 3 else "StatusNotification")
    store.flush()
    assert sweep(store, "meter_values", NOW_S + 900) == 2
    left = kept(store)
    assert [at for at, action in left if action == "MeterValues"] == [
        NOW_S + each for each in range(900, 1_200) if each % 3
    ]
    assert sum(action == "StatusNotification" for _, action in left) == 400
    sweep(store, "events", NOW_S + 30)
    assert sum(action == "StatusNotification" for _, action in kept(store)) == 390
    sweep(store, "meter_values", NOW_S + 5_000)
    sweep(store, "events", NOW_S + 5_000)
    assert kept(store) == []


def test_ids_go_on_after_all_events_were_deleted(tmp_path) -> None:
    path = tmp_path / "emptied.sqlite"
    with closing(Store(path, lambda: NOW_S)) as first:
        for each in range(3):
            add(first, NOW_S + each)
        first.flush()
        sweep(first, "meter_values", NOW_S + DAY_S)
    with closing(Store(path, lambda: NOW_S)) as again:
        add(again, NOW_S + DAY_S)
        again.flush()
        assert queries.events(path)[0]["id"] == 4


def test_a_clock_that_was_ahead_delays_a_deletion_and_causes_none(store) -> None:
    for at in (*range(5), *range(100_000, 100_005), *range(10, 60)):
        add(store, NOW_S + at)
    store.flush()
    for before in (3, 20, 40, 60, 100):
        sweep(store, "meter_values", NOW_S + before)
        expected = {NOW_S + at for at in range(100_000, 100_005)}
        assert expected <= {at for at, _ in kept(store)}
        assert {NOW_S + at for at in range(before, 60) if at >= 10} <= {at for at, _ in kept(store)}
    assert kept(store) == [(NOW_S + at, "MeterValues") for at in range(100_000, 100_005)]
    sweep(store, "meter_values", NOW_S + 200_000)
    assert kept(store) == []


def test_a_session_that_runs_stays_and_goes_when_it_has_ended(store) -> None:
    ids = []
    for each in range(60):
        started, _ = store.start("CP1", each, "T", NOW_S, 0.0, NOW_S + each, request=str(each))
        ids.append(started.transaction_id)
    ends = [End(str(own), "T", NOW_S + 100, 5.0, "Local", str(own)) for own in ids]
    for own_id, end in zip(ids[1:], ends[1:], strict=True):
        store.stop(own_id, end, NOW_S + 100)
    store.flush()
    assert sweep(store, "transactions", NOW_S + DAY_S) == 2
    assert [each.transaction_id for _, each in store.active()] == ids[:1]
    store.stop(ids[0], ends[0], NOW_S + 200)
    store.flush()
    sweep(store, "transactions", NOW_S + DAY_S)
    assert store._db.execute("SELECT count(*) FROM transactions").fetchone() == (0,)


def test_a_step_that_could_not_be_stored_is_taken_again(store) -> None:
    for each in range(10):
        add(store, NOW_S + each)
    store.flush()
    walk = store.sweep("meter_values", NOW_S + 5)
    assert store.sweep_step(walk)
    store._db.execute("ROLLBACK")
    store._open = False
    sweep(store, "meter_values", NOW_S + 5)
    assert len(kept(store)) == 5


def test_where_nothing_is_due_nothing_is_read(store) -> None:
    """And nothing is written."""
    for each in range(20_000):
        add(store, NOW_S + each, "MeterValues" if each % 10 else "Heartbeat")
    store.flush()
    sweep(store, "meter_values", NOW_S + 15_000)
    before = store._db.total_changes
    looked = instructions(store, lambda: sweep(store, "meter_values", NOW_S + 15_000))
    assert looked <= 10
    assert store._db.total_changes == before
    # A step reads its few hundred rows, whatever else is there.
    walk = store.sweep("meter_values", NOW_S + 19_000)
    assert instructions(store, lambda: store.sweep_step(walk)) < 300


def running(store: Store, number: int, tag: str = "TAG") -> None:
    for each in range(number):
        store.start(f"CP{each}", 1, f"{tag}{each}", NOW_S, 0.0, NOW_S, request=f"{tag}{each}")
    store.flush()


def test_what_a_start_asks_does_not_grow_with_the_sessions_that_run(store) -> None:
    def ask() -> None:
        started, _ = store.start("CP7", 1, "tag7 ", NOW_S, 0.0, NOW_S, request=str(len(asked)))
        store.mark_superseded("CP7", 1, started.transaction_id, NOW_S)
        assert store.running_with("TAG7", started.transaction_id) <= 1

    asked: list[int] = []
    running(store, 20)
    asked.append(instructions(store, ask))
    store.flush()
    running(store, 3_000, "other")
    # History, which is not in question either.
    store._db.execute("UPDATE transactions SET state = 'completed' WHERE id % 3 = 0")
    asked.append(instructions(store, ask))
    assert asked[1] <= asked[0] + 3


@pytest.mark.parametrize("written", ["Straße", "STRASSE", "  strasse\t", "strasse", "STRAẞE"])
def test_sessions_of_an_id_tag_count_however_it_is_written(store, written) -> None:
    for each, tag in enumerate(("strasse", "STRAßE", "Strasse ", "\tSTRASSE", "strass")):
        store.start(f"CP{each}", 1, tag, NOW_S, 0.0, NOW_S, request=tag)
    assert store.running_with(written) == 4


def test_the_newest_session_of_each_connector_by_its_begin(store, tmp_path) -> None:
    for connector, start_s, tag in (
        (1, NOW_S, "a"),
        (1, NOW_S + 50, "newest"),
        (1, NOW_S + 20, "late begin"),
        (2, None, "no begin"),
        (0, NOW_S, "no connector"),
    ):
        store.start("CP1", connector, tag, start_s, 0.0, NOW_S + 30, request=tag)
    store.record_orphan_stop("CP1", 3, End("9", "x", NOW_S, None, None, "x"), NOW_S)
    store.record_orphan_stop("CP1", 1, End("8", "y", NOW_S, None, None, "y"), NOW_S + 900)
    store.start("CP10", 1, "other", NOW_S, 0.0, NOW_S, request="o")
    store.flush()
    found = queries.newest_sessions(tmp_path / "kept.sqlite", ["CP1", "CP2"])
    assert {number: row["id_tag"] for number, row in found["CP1"].items()} == {
        0: "no connector",
        1: "newest",
        2: "no begin",
    }
    assert found["CP2"] == {}
