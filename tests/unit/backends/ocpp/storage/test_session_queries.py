"""Pages of sessions from the database, and the meter values within them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.backends.ocpp.storage.session_queries import (
    energy_readings,
    session_page,
)
from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.backends.ocpp.storage.transaction_table import End
from chargepoint_driver.errors import NotFoundError
from chargepoint_driver.process import sqlite
from chargepoint_driver.records import EnergyReading, SessionQuery

HOUR_S = 3_600.0
T0 = 1_800_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "sessions.sqlite", lambda: T0)
    yield made
    made.close()


def session(
    store: Store,
    begin_s: float | None,
    end_s: float | None = None,
    *,
    station: str = "CP1",
    connector: int = 1,
    tag: str = "tag",
    wh: float | None = 1_000.0,
) -> str:
    started, _ = store.start(
        station, connector, tag, begin_s, 100.0, begin_s or T0, request=None, wire_id=None
    )
    if end_s is not None:
        stop_wh = None if wh is None else 100.0 + wh
        end = End(started.wire_id, tag, end_s, stop_wh, "Local", f"end {started.transaction_id}")
        store.stop(started.transaction_id, end, end_s)
    return str(started.transaction_id)


def pages(path: Path, query: SessionQuery) -> list[str]:
    """The ids of all pages, each of them short."""
    found: list[str] = []
    while True:
        page = session_page(path, query)
        assert len(page) <= query.limit
        found += [each.session_id for each in page]
        if len(page) < query.limit:
            return found
        before = page[-1].place_s, page[-1].session_id
        query = SessionQuery(
            query.since_s,
            query.until_s,
            query.station_id,
            query.port,
            query.id_tag,
            query.is_by_end,
            before,
            query.limit,
        )


def test_pages_have_what_the_listing_has_newest_first(store: Store) -> None:
    for number in range(25):
        # Three of each begin share a moment.
        begin_s = T0 + number // 3 * HOUR_S
        session(store, begin_s, begin_s + 2 * HOUR_S, connector=number % 2 + 1)
    running = session(store, T0 - 48 * HOUR_S, connector=9)
    old = session(store, T0 - 90 * HOUR_S, T0 - 80 * HOUR_S, connector=8)
    store.flush()
    for since_s, until_s in (
        (T0 - 100 * HOUR_S, None),
        (T0 + 3 * HOUR_S, T0 + 5 * HOUR_S),
        (T0 + 99 * HOUR_S, None),
        (T0 - 85 * HOUR_S, T0 - 84 * HOUR_S),
    ):
        listed = queries.sessions(store._path, None, since_s, until_s)
        found = pages(store._path, SessionQuery(since_s, until_s, limit=4))
        assert found == [str(row["id"]) for row in reversed(listed)]
    assert pages(store._path, SessionQuery(T0 + 99 * HOUR_S)) == [running]
    assert old in pages(store._path, SessionQuery(T0 - 85 * HOUR_S))


@settings(max_examples=40, deadline=None)
@given(
    times=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12),
    since=st.integers(-1, 13),
    length=st.none() | st.integers(0, 6),
    limit=st.integers(1, 5),
)
def test_no_session_is_left_out_or_twice(
    tmp_path_factory: pytest.TempPathFactory,
    times: list[tuple[int, int]],
    since: int,
    length: int | None,
    limit: int,
) -> None:
    with closing(Store(tmp_path_factory.mktemp("h") / "s.sqlite", lambda: T0)) as store:
        for begin, lasts in times:
            session(store, T0 + begin, T0 + begin + lasts)
        store.flush()
        until_s = None if length is None else T0 + since + length
        listed = queries.sessions(store._path, None, T0 + since, until_s)
        found = pages(store._path, SessionQuery(T0 + since, until_s, limit=limit))
        assert found == [str(row["id"]) for row in reversed(listed)]
        by_end = pages(store._path, SessionQuery(T0 + since, until_s, is_by_end=True, limit=limit))
        ended = [
            begin + lasts
            for begin, lasts in times
            if since <= begin + lasts and (length is None or begin + lasts < since + length)
        ]
        assert len(by_end) == len(set(by_end)) == len(ended)


def test_station_connector_and_tag_choose(store: Store) -> None:
    mine = session(store, T0, T0 + 60, tag=" Card-Ä ")
    other = session(store, T0, T0 + 60, tag="card-b", connector=2)
    elsewhere = session(store, T0, T0 + 60, tag="card-ä", station="CP2")
    nobody = session(store, T0, T0 + 60, tag="", connector=3)
    store.flush()
    ask = lambda **filters: set(pages(store._path, SessionQuery(T0 - 1, **filters)))  # noqa: E731
    assert ask() == {mine, other, elsewhere, nobody}
    assert ask(station_id="CP1") == {mine, other, nobody}
    assert ask(station_id="CP1", port=2) == {other}
    assert ask(id_tag="CARD-ä") == {mine, elsewhere}
    assert ask(id_tag="nobody") == set()
    (found,) = session_page(store._path, SessionQuery(T0 - 1, station_id="CP1", port=1))
    assert (found.id_tag, found.energy_wh, found.is_minimum) == ("Card-Ä", 1_000.0, False)
    assert (found.start_s, found.end_s, found.has_ended) == (T0, T0 + 60, True)
    (found,) = session_page(store._path, SessionQuery(T0 - 1, station_id="CP1", port=3))
    assert found.id_tag is None


def test_places_of_other_accounts(store: Store) -> None:
    """A page goes on behind a session of another account."""
    first, second = session(store, T0, T0 + 60), session(store, T0 + 5, T0 + 60, connector=2)
    store.flush()
    ask = lambda before: pages(store._path, SessionQuery(T0 - 1, before=before))  # noqa: E731
    assert ask((T0 + 5, None)) == [second, first]
    assert ask((T0 + 5, "")) == [first]
    assert ask((T0 + 5, second)) == [first]
    assert ask((T0 + 5, "9" * 30)) == [first]


def test_what_is_not_known_is_not_zero(store: Store) -> None:
    running = session(store, T0, None)
    session(store, T0 + 1, T0 + 60, wh=None, connector=2)
    store.record_orphan_stop("CP1", 3, End("7", "t", T0 + 70, 5.0, None, "k"), T0 + 70)
    store.flush()
    orphan, unknown, still = session_page(store._path, SessionQuery(T0 - 1))
    assert still.session_id == running
    assert (still.has_ended, still.end_s, still.energy_wh) == (False, None, 0.0)
    assert (unknown.has_ended, unknown.energy_wh) == (True, None)
    assert (orphan.start_s, orphan.end_s, orphan.energy_wh) == (None, T0 + 70, None)


def test_first_and_last_register_of_each_quarter_hour(store: Store) -> None:
    begin_s = T0 // 900 * 900 + 60
    own = session(store, begin_s)
    for minute in range(20):
        store.register(int(own), 100.0 + minute, begin_s + minute * 60)
        if minute % 3 == 0:
            store.flush()
    # One that comes late.
    store.register(int(own), 99.0, begin_s - 30)
    store.flush()
    assert energy_readings(store._path, [own, "1", "x", "9" * 40]) == {
        own: [
            EnergyReading(begin_s - 30, -1.0),
            EnergyReading(begin_s + 13 * 60, 13.0),
            EnergyReading(begin_s + 14 * 60, 14.0),
            EnergyReading(begin_s + 19 * 60, 19.0),
        ]
    }


def test_readings_stay_in_a_commit_that_waits(store: Store) -> None:
    own = session(store, T0)
    store.register(int(own), 150.0, T0 + 60)
    store.register(int(own), 160.0, T0 + 7_200)
    store.flush()
    assert [each.energy_wh for each in energy_readings(store._path, [own])[own]] == [50.0, 60.0]


def test_meter_values_of_a_charger_are_readings_of_its_session(site, clock) -> None:
    charger = site.charger()
    charger.boot()
    own = charger.start(clock.iso(3_600), meter=1_000)
    for ago_s, wh in ((3_000, 1_500), (1_800, 3_000), (900, 4_000)):
        charger.meter(clock.iso(ago_s), own, Energy_Active_Import_Register=str(wh))
    charger.stop(own, clock.iso(), 5_000)
    (session_,) = site.system.session_page(SessionQuery(clock() - 7_200))
    assert (session_.session_id, session_.energy_wh) == (str(own), 4_000.0)
    readings = site.system.energy_readings([str(own)])[str(own)]
    found = {round(clock() - each.time_s): each.energy_wh for each in readings}
    assert {ago_s: found[ago_s] for ago_s in (3_000, 1_800, 900)} == {
        3_000: 500.0,
        1_800: 2_000.0,
        900: 3_000.0,
    }


def test_a_register_that_was_reset_gives_no_readings(store: Store) -> None:
    own = session(store, T0)
    store.register(int(own), 150.0, T0 + 60)
    store._write("UPDATE transactions SET register_resets = 1", ())
    store.flush()
    assert energy_readings(store._path, [own]) == {}


def test_readings_go_with_their_session(store: Store) -> None:
    gone, kept = session(store, T0), session(store, T0 + 1, connector=2)
    for own in (gone, kept):
        store.register(int(own), 150.0, T0 + 60)
    store.stop(int(gone), End(None, "t", T0 + 90, 160.0, None, "k"), T0 + 90)
    store.flush()
    walk = store.sweep("transactions", T0 + 1_000)
    while store.sweep_step(walk):
        store.flush()
    store.end_sweep(walk)
    rows = store._db.execute("SELECT DISTINCT transaction_id FROM session_registers").fetchall()
    assert rows == [(int(kept),)]


def test_a_page_reads_a_part_of_a_long_history(store: Store) -> None:
    store.flush()
    store._db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO transactions (charge_point, connector, id_tag, start_time, meter_start,"
        " stop_time, meter_stop, state, origin, received)"
        " SELECT 'CP1', 1, 'tag', ? + i, 0, ? + i + 30, 10, 'completed', 'start', ? + i FROM n",
        (T0, T0, T0),
    )
    with closing(sqlite.connect(store._path)) as db:
        db.create_function("tag_key", 1, str)
        plans: list[str] = []
        for name in ("transactions_begin", "transactions_stop"):
            is_by_end = name.endswith("stop")
            place = "stop_time" if is_by_end else "coalesce(start_time, received)"
            rows = db.execute(
                f"EXPLAIN QUERY PLAN {queries.select(db, place)} WHERE {place} >= 5"
                f" AND {place} < 9 ORDER BY {place} DESC, id DESC LIMIT 10"
            ).fetchall()
            plans.append(" ".join(row[-1] for row in rows))
            assert name in plans[-1]
            assert "TEMP B-TREE" not in plans[-1]
    assert len(session_page(store._path, SessionQuery(T0 + 10, T0 + 19_000, limit=50))) == 50


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no database"):
        session_page(tmp_path / "none.sqlite", SessionQuery(0.0))
