"""The samples for historians, and the dashboard's queries on SQLite and on PostgreSQL."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.examples.grafana.__main__ import PANELS, dashboard

from .blocks import ROOT
from .grafana import HOUR, filled

SAMPLES = ROOT / "chargepoint_driver" / "examples" / "historians"
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
# Topic, minute, value as stored. Port 1 is shed in the end, port 2 not reported.
ROWS = (
    ("campus/garage/s1/port1/portLoad", 0, "6.5"),
    ("campus/garage/s1/port1/portLoad", 1, "3.0"),
    ("campus/garage/s1/port2/portLoad", 0, "0.0"),
    ("campus/garage/s1/port2/portLoad", 1, "null"),
    ("campus/garage/s1/port1/shedState", 0, "0"),
    ("campus/garage/s1/port1/shedState", 1, "1"),
    ("campus/garage/s1/port2/shedState", 1, "0"),
    ("campus/garage/s1/port1/allowedLoad", 0, "0.0"),
    ("campus/garage/s1/port1/allowedLoad", 1, "3.0"),
    ("campus/garage/s1/port1/Energy", 1, "8.25"),
    ("campus/garage/s1/port1/Status", 1, '"INUSE"'),
    ("campus/garage/s1/port2/Status", 1, '"UNREACHABLE"'),
    ("campus/garage/s1/port1/portLoad", 90, "9.9"),  # later than what is looked at
    ("elsewhere/garage/s1/port1/portLoad", 1, "7.0"),
)
WANTED: dict[str, list[tuple[Any, ...]]] = {
    "Load of the site": [("port1", 6.5), ("port2", 0.0), ("port1", 3.0)],
    "Load now": [(3.0,)],
    "Ports without a reading": [(1,)],
    "Ports shed now": [(1,)],
    "Limits in force": [("port1", 3.0)],
    "Sheds": [("port1", 0.0), ("port1", 1.0), ("port2", 0.0)],
    "Energy of the session": [("port1", 8.25)],
    "Ports": [("port1", "INUSE"), ("port2", "UNREACHABLE")],
}
Ask = Callable[[str], list[tuple[Any, ...]]]


def at(minute: int) -> str:
    return f"2026-11-21T{12 + minute // 60}:{minute % 60:02d}:00.014998+00:00"


# ---- the files ----------------------------------------------------------------------------


def in_a_process_of_its_own(code: str, *arguments: str) -> str:
    """What the code prints; the host's modules patch the standard library of who imports them."""
    if importlib.util.find_spec("historian") is None:
        pytest.skip("needs the SQLite historian: pip install '.[demo]'")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


@pytest.fixture(scope="module")
def keys() -> set[str]:
    """The keys that an SQL historian reads."""
    said = in_a_process_of_its_own(
        "import inspect, json, historian.base as base, historian.sql.historian as sql;"
        "of = lambda kind: list(inspect.signature(kind.__init__).parameters);"
        "print(json.dumps(of(base.BaseHistorianAgent) + of(sql.SQLHistorian)))"
    )
    return set(json.loads(said))


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.config").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_the_samples_of_sql_historians_have_the_keys_that_the_agent_reads(name, keys):
    assert set(sample(name)) <= keys
    assert sample(name)["connection"]["type"] == name
    assert sample(name)["connection"]["params"].keys() & {"database", "dbname"}


def test_the_forward_historian_s_sample_has_the_keys_that_its_agent_reads(keys):
    # Of volttron-forward-historian 2.0.0rc0; the rest are those of every historian.
    own = {
        "destination-vip",
        "destination-serverkey",
        "required_target_agents",
        "topic_replace_list",
        "custom_topic_list",
        "cache_only",
    }
    forward = sample("forward")
    assert set(forward) <= own | keys
    assert {"destination-vip", "destination-serverkey"} <= set(forward)
    assert [set(one) for one in forward["topic_replace_list"]] == [{"from", "to"}]


def test_the_dashboard_in_the_repository_is_the_one_that_is_made():
    stored = json.loads(
        (ROOT / "chargepoint_driver" / "examples" / "grafana" / "chargers.json").read_text("utf-8")
    )
    assert stored == dashboard()
    for panel in stored["panels"]:
        (target,) = panel["targets"]
        assert target["queryText"] == target["rawQueryText"] == target["rawSql"]
    assert set(WANTED) == {panel.title for panel in PANELS}


# ---- the queries --------------------------------------------------------------------------


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ask]:
    """The tables as the SQLite historian makes them, in a process of their own: importing it
    patches the standard library."""
    path = tmp_path / "historian.sqlite"
    make = (
        "import sys, historian.sqlite.sqlitefuncts as made;"
        "names = {f'{name}_table': name for name in "
        "('data', 'topics', 'meta', 'agg_topics', 'agg_meta')};"
        "made.SqlLiteFuncts({'database': sys.argv[1]}, names).setup_historian_tables()"
    )
    in_a_process_of_its_own(make, str(path))
    with closing(sqlite3.connect(path)) as database:
        fill(database.execute)
        yield lambda sql: database.execute(sql).fetchall()


def fill(execute: Callable[[str], object]) -> None:
    topics = {topic: number for number, topic in enumerate(dict.fromkeys(row[0] for row in ROWS))}
    for topic, number in topics.items():
        execute(f"INSERT INTO topics (topic_id, topic_name) VALUES ({number}, '{topic}')")
    for topic, minute, value in ROWS:
        execute(f"INSERT INTO data VALUES ('{at(minute)}', {topics[topic]}, '{value}')")


def tools() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them out of PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A server of its own, with the tables that the PostgreSQL historian makes."""
    bin_ = tools()
    if bin_ is None or not (bin_ / "initdb").exists() or shutil.which("psql") is None:
        pytest.skip("needs PostgreSQL's initdb, postgres and psql")
    # It refuses root too.
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")
    prefix = () if os.getuid() else prefix
    folder = tmp_path_factory.mktemp("pg")
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [*prefix, bin_ / "initdb", "-D", data, "-U", "volttron", "-A", "trust", "--no-sync"],
        check=True,
        timeout=60,
        **quiet,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    options = ["-h", "127.0.0.1", "-p", port, "-k", "", "-F"]
    server = subprocess.Popen([*prefix, bin_ / "postgres", "-D", data, *options], **quiet)

    def psql(sql: str) -> subprocess.CompletedProcess[str]:
        shown = ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql]
        return subprocess.run(
            ["psql", "-h", "127.0.0.1", "-p", port, "-U", "volttron", "-d", "postgres", *shown],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask(sql: str) -> list[tuple[Any, ...]]:
        done = psql(sql)
        assert done.returncode == 0, done.stderr
        return [tuple(line.split("\t")) for line in done.stdout.splitlines()]

    try:
        for _ in range(200):
            if psql("SELECT 1").returncode == 0:
                break
            assert server.poll() is None, "the server ended"
        statements = [
            "CREATE TABLE data (ts TIMESTAMP NOT NULL, topic_id INTEGER NOT NULL, "
            "value_string TEXT NOT NULL, UNIQUE (ts, topic_id))",
            "CREATE TABLE topics (topic_id SERIAL PRIMARY KEY NOT NULL, "
            "topic_name VARCHAR(512) NOT NULL, metadata TEXT, UNIQUE (topic_name))",
        ]
        fill(statements.append)
        ask(";".join(statements))
        yield ask
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_every_panel_asks_for_what_it_shows(source: str, request: pytest.FixtureRequest):
    ask: Ask = request.getfixturevalue(source)
    for panel in PANELS:
        rows = ask(filled(panel.sql, "campus", NOON, NOON + HOUR))
        assert [shown(row) for row in rows] == WANTED[panel.title], panel.title


def shown(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row without its time, with ports by their last part and numbers as such."""
    cells = [cell for cell in row if not str(cell).startswith("2026-11-21")]
    return tuple(_cell(cell) for cell in cells)


def _cell(cell: Any) -> Any:
    try:
        return float(cell)
    except ValueError:
        return str(cell).rpartition("/")[2]
