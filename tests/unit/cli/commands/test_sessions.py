"""`sessions`: a time range as table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from chargepoint_driver.cli.commands.sessions import moment
from chargepoint_driver.cli.support import session_intervals
from chargepoint_driver.errors import InvalidValueError, TransientError
from chargepoint_driver.records import Event, Unreadable

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
    with pytest.raises(InvalidValueError, match="is not a time; write 2026-11-01"):
        moment("--since", text, NOW)


def test_quarter_hours_of_each_session(run, account):
    sessions = json.loads(run("sessions", "--json").stdout)
    before = account.calls.total
    done = run("sessions", "--interval", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    asked = {row["sessionID"] for row in sessions}
    # The cost is said before the calls: the listing is one more.
    assert f"{len(sessions)} sessions: {len(asked)} more calls of get15min" in done.stderr
    assert account.calls.total == before + len(asked) + 1
    assert {row["sessionID"] for row in rows} == asked
    for session in sessions:
        mine = [row for row in rows if row["sessionID"] == session["sessionID"]]
        assert mine[-1]["energyConsumed"] == pytest.approx(session["Energy"], abs=1e-6)
        assert sum(row["intervalEnergy"] for row in mine) == pytest.approx(session["Energy"])
        assert {row["station"] for row in mine} == {session["station"]}
        for row in mine:
            assert row["peakPower"] * 0.25 >= row["intervalEnergy"] - 1e-3
    text = run("sessions", "--interval", "--csv").stdout
    assert len(list(csv.DictReader(io.StringIO(text)))) == len(rows)


def test_quarter_hours_that_fail_are_told_and_the_rest_stands(run, account):
    account.faults.set("get15minChargingSessionData", "refused", code="102", times=1)
    done = run("sessions", "--interval", "--json")
    assert done.exit_code == 1
    assert "[nothing_there]" in done.stderr
    rows = json.loads(done.stdout)
    listed = json.loads(run("sessions", "--json").stdout)
    assert len({row["sessionID"] for row in rows}) == len(listed) - 1


def test_missing_rights_cost_one_call(run, account):
    account.faults.set("get15minChargingSessionData", "refused", code="101")
    before = account.calls.total
    done = run("sessions", "--interval", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, [])
    assert account.calls.total == before + 2


def test_at_a_terminal_it_asks_first(run, account, monkeypatch):
    monkeypatch.setattr("chargepoint_driver.cli.commands.sessions.can_ask", lambda: True)
    before = account.calls.total
    # Nobody answers.
    assert run("sessions", "--interval", "--json").exit_code == 130
    assert account.calls.total == before + 1
    assert run("sessions", "--interval", "--yes", "--json").exit_code == 0


def test_what_was_billed(run, account):
    rows = json.loads(run("sessions", "--transactions", "--json").stdout)
    ended = [row for row in json.loads(run("sessions", "--json").stdout) if row["endTime"]]
    assert {row["transactionID"] for row in rows} == {row["sessionID"] for row in ended}
    for row in rows:
        assert row["netRevenue"] == pytest.approx(row["grossAmount"] - row["flexBillingServiceFee"])
        assert row["Currency"] == "USD"
    assert "grossAmount" in run("sessions", "--transactions").output


def event(at, **values):
    return Event("1:1", 1, at, {"sessionID": "7", **values})


class PutsOff:
    """A service that is busy a few times."""

    def __init__(self, times, events=()):
        self.times, self.events = times, events

    def intervals(self, session_id):
        if self.times:
            self.times -= 1
            raise TransientError("busy", retry_after_s=30.0)
        return list(self.events)


def test_what_is_put_off_is_asked_again():
    waits = []
    service = PutsOff(2, [event("2026-01-01T00:15:00+00:00", energyConsumed=1.0)])
    rows, errors = session_intervals.rows(service, ["7"], waits.append)
    assert ([row["intervalEnergy"] for row in rows], errors, waits) == ([1.0], [], [30.0, 30.0])
    rows, errors = session_intervals.rows(PutsOff(99), ["7"], waits.append)
    assert (rows, [error.code for error in errors]) == ([], ["try_later"])


def test_an_energy_that_is_missing_or_goes_back_gives_no_interval():
    service = PutsOff(
        0,
        [
            event("2026-01-01T00:15:00+00:00", energyConsumed=1.0),
            event("2026-01-01T00:30:00+00:00", energyConsumed=None),
            event("2026-01-01T00:45:00+00:00", energyConsumed=Unreadable("x")),
            event("2026-01-01T01:00:00+00:00", energyConsumed=3.0),
            event("2026-01-01T01:15:00+00:00", energyConsumed=2.0),
            event("2026-01-01T01:30:00+00:00", energyConsumed=2.5),
        ],
    )
    rows, _ = session_intervals.rows(service, ["7"])
    assert [row["intervalEnergy"] for row in rows] == [1.0, None, None, None, None, 0.5]
    assert [row["energyConsumed"] for row in rows] == [1.0, None, None, 3.0, 2.0, 2.5]


def test_what_the_calls_cost():
    assert session_intervals.cost(1, None).startswith("1 more call of get15min")
    assert session_intervals.cost(100, 30).endswith("they take about 5 minutes")


def test_usage(run, account):
    assert run("sessions", "--interval", "--transactions").exit_code == 2
    assert run("sessions", "--yes").exit_code == 2
    assert run("sessions", "--csv", "--json").exit_code == 2
    assert run("sessions", "--since", "1h", "--until", "2h").exit_code == 2
    done = run("sessions", "--since", "2999-01-01")
    assert (done.exit_code, "is in the future" in done.output) == (2, True)
    assert account.calls.total == 0
