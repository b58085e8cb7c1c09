"""`plot`: what a historian stored, with its gaps."""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from chargepoint_driver.cli.support.history import day_of, last_day, merged, read, total
from chargepoint_driver.errors import ConfigurationError, NotFoundError

UTC = timezone.utc
BEGIN = datetime(2026, 11, 21, 8, tzinfo=UTC)
DAY = day_of("2026-11-21", UTC)
# As the SQL historian creates them.
TABLES = """
CREATE TABLE data (ts timestamp NOT NULL, topic_id INTEGER NOT NULL, value_string TEXT NOT NULL,
                   UNIQUE(topic_id, ts));
CREATE TABLE topics (topic_id INTEGER PRIMARY KEY, topic_name TEXT NOT NULL, metadata TEXT,
                     UNIQUE(topic_name));
"""
Store = Callable[..., Path]


@pytest.fixture
def store(tmp_path) -> Store:
    """Writes a historian's database: topic to values a minute apart; `...` is a missing row."""

    def store(begin: datetime = BEGIN, **points: list[object]) -> Path:
        path = tmp_path / "historian.sqlite"
        database = sqlite3.connect(path)
        database.executescript(TABLES)
        for number, (name, values) in enumerate(points.items(), start=1):
            topic = "campus/garage/" + name.replace("__", "/")
            database.execute("INSERT INTO topics VALUES (?, ?, '{}')", (number, topic))
            database.executemany(
                "INSERT INTO data VALUES (?, ?, ?)",
                [
                    ((begin + timedelta(minutes=minute)).isoformat(), number, json.dumps(value))
                    for minute, value in enumerate(values)
                    if value is not ...
                ],
            )
        database.commit()
        database.close()
        return path

    return store


def test_nothing_is_drawn_over_what_was_not_reported(store):
    (port_history,) = read(store(port1__portLoad=[7.0, None, 7.0, 0.0, 7.0]), *DAY)
    times, values = port_history.load_kw.with_gaps()
    assert len(times) == 5
    assert [math.isnan(value) for value in values] == [False, True, False, False, False]
    assert values[3] == 0.0
    assert port_history.load_kw.gaps() == [(BEGIN, BEGIN + timedelta(minutes=2))]


def test_a_gap_in_the_record_is_a_gap_in_the_line(store):
    loads = [7.0, 7.0, 7.0, ..., ..., ..., 3.0, 3.0]
    (port_history,) = read(store(port1__portLoad=loads), *DAY)
    times, values = port_history.load_kw.with_gaps()
    assert [value for value in values if not math.isnan(value)] == [7.0, 7.0, 7.0, 3.0, 3.0]
    assert math.isnan(values[3])
    # One missing value is not worth a gap.
    assert len(times) == 6
    assert port_history.load_kw.gaps() == [
        (BEGIN + timedelta(minutes=2), BEGIN + timedelta(minutes=6))
    ]
    assert port_history.load_kw.at(BEGIN + timedelta(minutes=2)) == 7.0
    assert port_history.load_kw.at(BEGIN + timedelta(minutes=5)) is None
    assert port_history.load_kw.at(BEGIN - timedelta(minutes=1)) is None


def test_the_sum_is_of_all_ports_or_none(store):
    histories = read(
        store(port1__portLoad=[1.0, 2.0, None, 4.0], port2__portLoad=[10.0, 20.0, 30.0, 40.0]), *DAY
    )
    assert total(histories).values == [11.0, 22.0, None, 44.0]


def test_limits_and_sheds(store):
    (port_history,) = read(
        store(
            port1__portLoad=[7.0] * 6,
            port1__allowedLoad=[0.0, 3.0, 3.0, 0.0, 0.0, 0.0],
            port1__percentShed=[0, 0, 0, 50, 0, 0],
            port1__shedState=[0, 1, 1, 1, 1, 0],
        ),
        *DAY,
    )
    # An allowed load of 0 with a shed by per cent is not a limit of 0 kW; without one it is.
    assert port_history.limit_kw().values == [None, 3.0, 3.0, None, 0.0, None]
    assert port_history.sheds() == [(BEGIN + timedelta(minutes=1), BEGIN + timedelta(minutes=5))]


def test_a_shed_that_lasts_ends_with_the_record(store):
    (port_history,) = read(store(port1__portLoad=[7.0] * 3, port1__shedState=[0, 1, 1]), *DAY)
    assert port_history.sheds() == [(BEGIN + timedelta(minutes=1), BEGIN + timedelta(minutes=2))]


def test_ports_of_a_station_device(store):
    histories = read(store(**{"a__portLoad.1": [1.0], "a__portLoad.2": [2.0]}), *DAY)
    assert [one.name for one in histories] == ["campus/garage/a port 1", "campus/garage/a port 2"]


def test_only_what_is_below_a_topic(store):
    path = store(station1__port1__portLoad=[1.0], station10__port1__portLoad=[2.0])
    for prefix in ("campus/garage/station1", "devices/campus/garage/station1/"):
        (port_history,) = read(path, *DAY, prefix)
        assert port_history.name == "campus/garage/station1/port1"
    with pytest.raises(NotFoundError, match="no load below campus/other was recorded"):
        read(path, *DAY, "campus/other")


def test_a_day_is_one_of_its_zone(store):
    zone = ZoneInfo("America/Los_Angeles")
    assert day_of("2026-11-01", zone)[1] - day_of("2026-11-01", zone)[0] == timedelta(days=1)
    start, end = (moment.astimezone(UTC) for moment in day_of("2026-11-01", zone))
    assert end - start == timedelta(hours=25)  # clocks are set back that night
    path = store(datetime(2026, 11, 22, 6, tzinfo=UTC), port1__portLoad=[1.0, 1.0])
    assert (last_day(path, zone), last_day(path, UTC)) == ("2026-11-21", "2026-11-22")


def test_spans_that_touch_are_one():
    def at(minute):
        return BEGIN + timedelta(minutes=minute)

    spans = [(at(5), at(9)), (at(0), at(2)), (at(2), at(3)), (at(6), at(7))]
    assert merged(spans) == [(at(0), at(3)), (at(5), at(9))]


@pytest.mark.parametrize("ports", [1, 2, 7])
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture(ports, kind, run, store, tmp_path):
    points = {f"port{number}__portLoad": [7.0, 3.0, None, 0.0] for number in range(ports)}
    path = store(**points, port0__shedState=[0, 1, 1, 0], port0__allowedLoad=[0.0, 3.0, 3.0, 0.0])
    world_json = tmp_path / f"day.{kind}"
    words = ["--day", "2026-11-21", "--zone", "UTC", "--output", world_json, "--json"]
    done = run("plot", path, *words)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (len(said["ports"]), said["values"], said["file"]) == (ports, ports * 4, str(world_json))
    content = world_json.read_bytes()
    if kind == "png":
        assert content.startswith(b"\x89PNG")
    else:
        text = content.decode()
        assert ET.fromstring(text).tag.endswith("svg")
        for words in ("All ports, 2026-11-21, UTC", "time of day (UTC)", "kW", "shed reported"):
            assert f"<!-- {words} -->" in text


def test_the_last_day_and_the_usual_name(run, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("plot", store(port1__portLoad=[1.0, 2.0]), "--zone", "UTC")
    assert done.exit_code == 0, done.output
    assert "load-2026-11-21.png: 1 ports, 2 values of load" in " ".join(done.output.split())
    assert (tmp_path / "load-2026-11-21.png").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--day", "yesterday"), 2, "is not a day; write it like 2026-11-21"),
        (("--day", "2001-01-01"), 1, "choose another --day or --topic"),
        (("--zone", "Mars/Olympus"), 2, "unknown time zone 'Mars/Olympus'"),
        (("--zone", "../etc/passwd"), 2, "unknown time zone"),
        (("--output", "day.pdf"), 2, "ends in neither .png nor .svg"),
        (("--output", "nowhere/day.png"), 2, "cannot be written"),
    ],
)
def test_usage(words, code, said, run, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("plot", store(port1__portLoad=[1.0, 2.0]), *words)
    assert done.exit_code == code
    assert said in " ".join(done.output.split())


def test_what_is_no_historian(run, tmp_path, store):
    done = run("plot", tmp_path / "missing.sqlite")
    assert (done.exit_code, "no such file" in done.output) == (2, True)
    (tmp_path / "text").write_text("hello")
    done = run("plot", tmp_path / "text")
    assert done.exit_code == 2
    assert "as an SQLite historian's database" in " ".join(done.output.split())
    with pytest.raises(NotFoundError, match="is portLoad in the registries"):
        last_day(store(port1__Status=["INUSE"]), UTC)
    with pytest.raises(ConfigurationError):
        last_day(tmp_path / "text", UTC)


def test_without_matplotlib(run, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.dates", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run("plot", store(port1__portLoad=[1.0, 2.0]))
    assert done.exit_code == 2
    assert "pip install 'volttron-lib-chargepoint-driver[plot]'" in " ".join(done.output.split())
