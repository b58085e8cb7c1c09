"""The parts of reports, and questions whose answers hold what cannot be read."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.records import DAMAGED, Event, StationRecord, Unreadable
from chargepoint_driver.reports import as_csv, month_bounds
from chargepoint_driver.service import session_reports


@pytest.mark.parametrize(
    ("month", "begin", "end"),
    [
        ("2026-01", (2026, 1), (2026, 2)),
        ("2026-12", (2026, 12), (2027, 1)),
        ("0001-01", (1, 1), (1, 2)),
        ("9998-12", (9998, 12), (9999, 1)),
    ],
)
def test_months(month, begin, end):
    assert month_bounds(month) == (
        datetime(*begin, 1, tzinfo=timezone.utc),
        datetime(*end, 1, tzinfo=timezone.utc),
    )


@pytest.mark.parametrize(
    "month",
    ["", "2026", "2026-1", "2026-00", "2026-13", "2026-01-01", " 2026-01", "9999-01", 5, None],
)
def test_what_is_no_month(month):
    with pytest.raises(InvalidValueError, match="month must be"):
        month_bounds(month)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_text_of_any_column_is_a_formula(text):
    (row,) = csv.DictReader(io.StringIO(as_csv(("a", "b"), [{"a": text, "b": -1}]), newline=""))
    assert row == {"a": "'" + text.replace("\r", "\\r").replace("\t", "\\t"), "b": "-1"}


def test_what_cannot_be_read_is_not_reported():
    class Source:
        def contacts(self):
            return {}

        def sessions(self, station_id, since, until):
            return [self.session("7")]

        def session(self, session_id):
            values = {
                "sessionID": session_id,
                "startTime": Unreadable("yesterday"),
                "endTime": "2026-01-02T00:00:00+00:00",
                "Energy": Unreadable("much"),
            }
            return Event("1:1", 1, "", values)

    (row,) = session_reports.completed(Source(), "2026-01")
    assert row == session_reports.last_energy(Source(), "7")
    assert (row["energy_kwh"], row["duration_s"], row["start"]) == (None, None, None)


def test_a_status_that_cannot_be_read_does_not_say_that_a_station_is_there():
    values = {"Status": DAMAGED, "TimeStamp": DAMAGED}
    record = StationRecord("1:1", {}, {1: values})
    assert session_reports._contact(record) == (None, False)
    good = StationRecord("1:1", {}, {1: values, 2: {"Status": "AVAILABLE"}})
    assert session_reports._contact(good) == (None, True)
