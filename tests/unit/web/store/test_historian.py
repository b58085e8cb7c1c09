"""Charts from a database as VOLTTRON's SQLite historian writes it."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timezone

import pytest

from chargepoint_driver.config.web import HistorianConfig, WebConfig
from chargepoint_driver.errors import ConfigurationError, TransientError
from chargepoint_driver.web.store.historian import Historian
from chargepoint_driver.web.store.samples import Series

START = 1_600_000_200.0
TOPIC = "Org/Garage/S-001"


@pytest.fixture
def paths(tmp_path):
    devices = tmp_path / "driver_configs"
    devices.mkdir()
    for port in (1, 2):
        config = {"driver_config": {"stationID": "1:34001", "portNumber": port}}
        (devices / f"Org.Garage.S-001.port{port}.config").write_text(json.dumps(config))
    group = {"driver_config": {"stationGroup": "7"}}
    (devices / "Org.Garage.group_7.config").write_text(json.dumps(group))
    return {"database": tmp_path / "historian.sqlite", "devices": devices}


@pytest.fixture
def rows(paths):
    """Adds rows as the historian does."""
    db = sqlite3.connect(paths["database"])
    db.execute(
        "CREATE TABLE data (ts timestamp NOT NULL, topic_id INTEGER NOT NULL,"
        " value_string TEXT NOT NULL, UNIQUE(ts, topic_id))"
    )
    db.execute(
        "CREATE TABLE topics (topic_id INTEGER PRIMARY KEY, topic_name TEXT NOT NULL,"
        " metadata TEXT, UNIQUE(topic_name))"
    )

    def add(port, point, after_s, value):
        name = f"{TOPIC}/port{port}/{point}"
        db.execute("INSERT OR IGNORE INTO topics (topic_name) VALUES (?)", (name,))
        (number,) = db.execute(
            "SELECT topic_id FROM topics WHERE topic_name = ?", (name,)
        ).fetchone()
        ts = datetime.fromtimestamp(START + after_s, timezone.utc).isoformat()
        db.execute("INSERT INTO data VALUES (?, ?, ?)", (ts, number, json.dumps(value)))
        db.commit()

    yield add
    db.close()


@pytest.fixture
def historian(paths, rows):
    return Historian(HistorianConfig(**paths), lambda account, group: ["1:34001"])


def test_a_port(historian, rows):
    for after_s, load in ((0, 5.0), (20, 7.0), (60, 4.0)):
        rows(1, "portLoad", after_s, load)
    rows(1, "limit", 0, 6.6)
    rows(1, "siteHeadroom", 0, None)
    step, found = historian.read(Series.port("a", "1:34001", 1), START, START + 600)
    assert step == 60
    assert [(s.start - START, s.load, s.peak) for s in found] == [(0, 6.0, 7.0), (60, 4.0, 4.0)]
    assert (found[0].allowed, found[1].allowed, found[0].headroom) == (6.6, None, None)
    assert found[0].unknown == 0


def test_a_total_of_which_a_port_is_missing_says_so(historian, rows):
    rows(1, "portLoad", 0, 5.0)
    rows(2, "portLoad", 0, 3.0)
    rows(1, "portLoad", 60, 5.0)
    rows(2, "portLoad", 60, None)
    for series in (Series("site"), Series("group", "a", "7")):
        found = historian.read(series, START, START + 600)[1]
        assert [(s.load, s.unknown) for s in found] == [(8.0, 0), (5.0, 1)]


def test_a_gap_and_a_long_range(historian, rows):
    rows(1, "portLoad", 0, 5.0)
    rows(1, "portLoad", 86_400, 6.0)
    step, found = historian.read(Series.port("a", "1:34001", 1), START, START + 31 * 86_400)
    assert step == 3_600
    assert len(found) == 2
    assert found[1].start - found[0].until > 80_000


def test_a_port_that_is_no_device_has_nothing(historian):
    assert historian.read(Series.port("a", "1:9", 1), START, START + 600)[1] == []


def test_a_database_that_is_away_is_said(paths):
    historian = Historian(HistorianConfig(**paths), lambda account, group: [])
    with pytest.raises(TransientError, match=r"web\.historian"):
        historian.read(Series("site"), START, START + 600)
    assert not paths["database"].exists()


def test_a_folder_without_devices_is_a_fault(tmp_path):
    config = {"database": str(tmp_path / "h"), "devices": str(tmp_path)}
    historian = WebConfig.from_dict({"web": {"historian": config}}).historian
    with pytest.raises(ConfigurationError, match="has no driver config"):
        Historian(historian, lambda account, group: [])


def test_it_is_what_the_page_shows(paths, rows, make_site):
    rows(1, "portLoad", 0, 5.0)
    site = make_site(web={"historian": {name: str(path) for name, path in paths.items()}})
    times = {"start": "2020-09-13T12:00:00Z", "end": "2020-09-13T13:00:00Z"}
    query = {"cpid": "1:34001", "connectorId": 1, **times}
    found = site.get("/series", params=query)
    assert found["source"] == "historian"
    assert [sample[2] for sample in found["samples"]] == [5.0]
