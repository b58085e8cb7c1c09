"""`sessions`: a time range as table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from chargepoint_driver.cli.commands.sessions import moment
from chargepoint_driver.errors import BadValue

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)


def test_a_table(run, account):
    done = run("sessions")
    assert done.exit_code == 0, done.output
    assert "charging" in done.output
    assert " sessions, " in done.output


def test_json_and_csv_say_the_same(run, account):
    rows = json.loads(run("sessions", "--json").stdout)
    assert rows
    assert {"station", "port", "sessionID", "startTime", "endTime", "Energy"} == set(rows[0])
    assert [row["startTime"] for row in rows] == sorted(row["startTime"] for row in rows)
    text = run("sessions", "--csv").stdout
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["sessionID"] for row in found] == [row["sessionID"] for row in rows]
    # What lasts has no end: an empty cell, never a zero.
    assert [row["endTime"] == "" for row in found] == [row["endTime"] is None for row in rows]


def test_who_charged_is_told_on_demand_only(run, account):
    assert "userID" not in run("sessions", "--csv").stdout
    assert "userID" in run("sessions", "--csv", "--personal").stdout


def test_one_station_and_a_time(run, account):
    rows = json.loads(run("sessions", "--station", "1:34001", "--json").stdout)
    assert {row["station"] for row in rows} == {"1:34001"}
    rows = json.loads(
        run("sessions", "--since", "2001-01-01", "--until", "2001-01-02", "--json").stdout
    )
    assert rows == []
    done = run("sessions", "--since", "2001-01-01", "--until", "2001-01-02")
    assert "0 sessions, 0.00 kWh" in done.output


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=timezone.utc)),
        ("2026-11-01T08:00+02:00", datetime(2026, 11, 1, 6, tzinfo=timezone.utc)),
        ("2026-11-01", datetime(2026, 11, 1).astimezone()),
    ],
)
def test_times(text, wanted):
    assert moment("--since", text, NOW) == wanted


@pytest.mark.parametrize(
    "text", ["", "yesterday", "7w", "-7d", "99999999d", "2026-13-01", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_time(text):
    with pytest.raises(BadValue, match="is no time; write 2026-11-01"):
        moment("--since", text, NOW)


def test_usage(run, account):
    assert run("sessions", "--csv", "--json").exit_code == 2
    assert run("sessions", "--since", "1h", "--until", "2h").exit_code == 2
    done = run("sessions", "--since", "2999-01-01")
    assert (done.exit_code, "is in the future" in done.output) == (2, True)
    assert account.calls.total == 0
