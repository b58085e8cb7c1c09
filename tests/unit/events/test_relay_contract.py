"""Relays of events in a file and in PostgreSQL: each sink on its own, at least once, in order,
within its limits."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.config.fleet import PostgresConfig
from chargepoint_driver.events import Event, EventStream
from chargepoint_driver.events.outbox import Outbox
from tests.postgres_server import Postgres, postgres_server
from tests.unit.events import conftest
from tests.unit.events.conftest import SINKS, Sink, check_complete, delivered, settings, state
from tests.unit.events.engines import until

POSTGRES = "chargepoint_driver.backends.ocpp.postgres"


class FileSource:
    """Events in a file of their own."""

    def __init__(self, folder: Path) -> None:
        self.clock: list[float] | None = None
        self._outbox = Outbox(folder / "events.sqlite", now=self.now)
        self._running: list[EventStream] = []

    def now(self) -> float:
        return time.time() if self.clock is None else self.clock[0]

    def fill(self, count: int, begin: int = 0) -> None:
        conftest.fill(self._outbox, count, begin=begin)

    def start(self, sinks: dict[str, dict[str, Any]], **options: Any) -> EventStream:
        made = EventStream(
            self._outbox.path, "a", SINKS.validate_python(sinks), now=self.now, **options
        )
        self._running.append(made)
        made.start()
        return made

    def end(self) -> None:
        for each in self._running:
            each.stop()
        self._outbox.close()


class PostgresSource(FileSource):
    """Events of one run of a node, in PostgreSQL; its own file has none."""

    def __init__(self, folder: Path, dsn: str) -> None:
        super().__init__(folder)
        with closing(sqlite3.connect(self._outbox.path)) as db, db:
            db.execute("CREATE TABLE outbox (first_id INTEGER NOT NULL)")
        self._config = PostgresConfig(dsn=dsn)
        self._names: set[str] = set()
        self._seq = 0
        self._connect = import_module(f"{POSTGRES}.connections").connect
        self._outbox_of = import_module(f"{POSTGRES}.event_outbox").EventOutbox
        self._run = self._on_postgres(self._begin)

    def _on_postgres(self, work: Callable[[Any], Any]) -> Any:
        async def run() -> Any:
            connections = await self._connect(self._config)
            try:
                return await work(connections)
            finally:
                await connections.close()

        return asyncio.run(run())

    async def _begin(self, connections: Any) -> int:
        async with connections.get() as db:
            await db.execute(
                "INSERT INTO owners SELECT '1:' || n, 'node', 1, 1, now()"
                " FROM generate_series(0, 4) AS n"
            )
        return int(await self._outbox_of(connections).begin_run(7, "node", 1, "a"))

    def fill(self, count: int, begin: int = 0) -> None:
        batch = import_module(f"{POSTGRES}.changes").Batch()
        rows = batch.rows["events"] = []
        for number in range(begin, begin + count):
            self._seq += 1
            station, content = f"1:{number % 5}", f'{{"number":{number}}}'
            row = (self._seq, self.now(), self.now(), station, 1, "StatusChange", content)
            rows.append((station, row))

        async def write(connections: Any) -> None:
            tables = import_module(f"{POSTGRES}.schema").TABLES
            columns = {name: dict.fromkeys(table.key, "TEXT") for name, table in tables.items()}
            writer = import_module(f"{POSTGRES}.writer").Writer(connections, columns)
            writer.event_run = self._run
            outcome = await writer.write(batch, 1, {f"1:{number}": 1 for number in range(5)})
            assert (outcome.fenced, outcome.refused) == (set(), {})

        self._on_postgres(write)

    def start(self, sinks: dict[str, dict[str, Any]], **options: Any) -> EventStream:
        self._on_postgres(lambda connections: self._outbox_of(connections).add_sinks(sinks))
        name = f"node-{len(self._running)}"

        async def shared(outlets: Sequence[Any]) -> Any:
            connections = await self._connect(self._config)
            leases = import_module(f"{POSTGRES}.leases").Leases(connections, name, 5.0)
            return import_module(f"{POSTGRES}.fleet_relay").FleetRelay(
                connections, leases, outlets, "a", 1.0, now=self.now, alert=options.get("alert")
            )

        return super().start(sinks, shared=shared, **options)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["file", "postgres"])
def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FileSource]:
    if request.param == "file":
        made = FileSource(tmp_path)
    else:
        dsn = request.getfixturevalue("postgres").database()
        import_module("tests.unit.backends.ocpp.nodes").make_tables(dsn)
        monkeypatch.setattr(f"{POSTGRES}.fleet_relay._MEASURE_S", 0.05)
        monkeypatch.setattr(f"{POSTGRES}.fleet_relay._POLL_S", 0.02)
        made = PostgresSource(tmp_path, dsn)
    yield made
    made.end()


def test_every_sink_gets_every_event(tmp_path, source, sinks):
    running = source.start(settings(tmp_path, "one", "two"))
    source.fill(95)
    for name in ("one", "two"):
        until(lambda name=name: delivered(running, name, 95).lag_s == 0)
        check_complete(sinks[name].got, 95)


def test_a_sink_that_is_away_costs_the_others_nothing(tmp_path, source, sinks):
    sinks["away"] = Sink("away")
    sinks["away"].is_away.set()
    running = source.start(settings(tmp_path, "away", "there"))
    source.fill(50)
    delivered(running, "there", 50)
    waits = until(lambda: (found := state(running, "away")).error and found.waiting == 50 and found)
    assert "nobody listens" in waits.error
    sinks["away"].is_away.clear()
    assert delivered(running, "away", 50).error is None
    check_complete(sinks["away"].got, 50)
    assert state(running, "there").retries == 0


def test_a_batch_that_fails_half_way_comes_again_whole(tmp_path, source, sinks):
    sinks["one"] = Sink("one")
    sinks["one"].fails_after = 7
    running = source.start(settings(tmp_path, "one"))
    source.fill(30)
    delivered(running, "one", 30)
    assert len(sinks["one"].got) > 30
    check_complete(sinks["one"].got, 30)


def test_a_new_sink_begins_with_what_comes_then(tmp_path, source, sinks):
    source.fill(5)
    running = source.start(settings(tmp_path, "one"))
    source.fill(5, begin=5)
    delivered(running, "one", 5)
    assert [event["data"]["number"] for event in sinks["one"].got] == [5, 6, 7, 8, 9]


def test_a_sink_goes_on_where_it_was(tmp_path, source, sinks):
    for begin in (0, 10):
        running = source.start(settings(tmp_path, "one"))
        source.fill(10, begin=begin)
        delivered(running, "one", 10)
        running.stop()
    check_complete(sinks["one"].got, 20)
    assert len(sinks["one"].got) == 20


def test_too_many_waiting_events_are_skipped_and_counted(tmp_path, source, sinks):
    alerts: list[tuple[str, str]] = []
    sinks["one"] = Sink("one")
    sinks["one"].is_away.set()
    running = source.start(
        settings(tmp_path, "one", max_waiting_events=100),
        alert=lambda about, text: alerts.append((about, text)),
    )
    source.fill(60)
    until(lambda: alerts)
    assert alerts[0][0] == "sink one"
    assert "half" in alerts[0][1]
    source.fill(140, begin=60)
    until(lambda: len(alerts) == 2)
    assert "--after 0" in alerts[1][1]
    sinks["one"].is_away.clear()
    delivered(running, "one", 101)
    until(lambda: state(running, "one").lost == 100)
    first = sinks["one"].got[0]
    assert (first["kind"], first["data"]) == ("lost", {"lost": 100, "after": 0, "through": 100})
    assert [event["data"]["number"] for event in sinks["one"].got[1:]] == [*range(100, 200)]
    assert len(alerts) == 2


def test_events_that_wait_too_long_are_skipped(tmp_path, source, sinks):
    source.clock = [1_000_000.0]
    sinks["one"] = Sink("one")
    sinks["one"].is_away.set()
    running = source.start(settings(tmp_path, "one", max_waiting_hours=1))
    source.fill(10)
    source.clock[0] += 3_000.0
    source.fill(10, begin=10)
    source.clock[0] += 1_000.0
    until(lambda: (state(running, "one").waiting, state(running, "one").lag_s) == (10, 1_000.0))
    sinks["one"].is_away.clear()
    delivered(running, "one", 11)
    until(lambda: state(running, "one").lost == 10)
    assert [event["data"].get("number") for event in sinks["one"].got] == [None, *range(10, 20)]


def test_what_a_client_raises_costs_its_sink_only(tmp_path, source, sinks):
    class Broken(Sink):
        async def put(self, events: Sequence[Event]) -> None:
            raise RuntimeError("a defect of a client")

    sinks["broken"] = Broken("broken")
    running = source.start(settings(tmp_path, "broken", "good"))
    source.fill(10)
    delivered(running, "good", 10)
    assert "a defect of a client" in until(lambda: state(running, "broken").error)
