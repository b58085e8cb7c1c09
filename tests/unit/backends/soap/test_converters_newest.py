"""Of many sessions and alarms the newest of each port counts, by time, in whatever order."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone

import pytest

from chargepoint_driver.backend import Request
from chargepoint_driver.registry import build

from .service import reply


def session(number, port, start, station="1:1"):
    return (
        f"<ChargingSessionData><stationID>{station}</stationID><portNumber>{port}</portNumber>"
        f"<sessionID>{number}</sessionID><startTime>{start}</startTime></ChargingSessionData>"
    )


def alarm(kind, port, time, station="1:1"):
    return (
        f"<Alarms><alarmTime>{time}</alarmTime><alarmType>{kind}</alarmType>"
        f"<stationID>{station}</stationID><portNumber>{port}</portNumber></Alarms>"
    )


@pytest.fixture
def newest(backend, service):
    """(call, elements) -> {port or '': value} of station 1:1."""

    def newest(call, elements, ports=("", 1, 2), station="1:1"):
        service.answers(reply(call, "".join(elements)))
        attribute = "alarmType" if call == "getAlarms" else "sessionID"
        register = "AlarmRegister" if call == "getAlarms" else "ChargingSessionRegister"
        record = backend.fetch(Request(call)).records[station]
        row = {"Attribute Name": attribute, "Register Name": register}
        found = {}
        for port in ports:
            points = build([(2, {**row, "Port #": port})], "rows", station).points
            found[port] = points[attribute].value_of(record)
        return found

    return newest


def test_sessions_in_any_order(newest):
    rows = [
        session(1, 1, "2026-05-01T08:00:00Z"),
        session(2, 2, "2026-05-01T09:00:00Z"),
        session(3, 1, "2026-05-01T10:00:00Z"),
        session(4, 2, "2026-05-01T08:30:00Z"),
    ]
    for order in itertools.permutations(rows):
        assert newest("getChargingSessionData", order) == {"": "3", 1: "3", 2: "2"}


def test_a_session_of_port_2_is_not_port_1s(newest):
    rows = [session(9, 2, "2026-05-01T08:00:00Z")]
    assert newest("getChargingSessionData", rows) == {"": "9", 1: None, 2: "9"}


def test_times_are_compared_as_times(newest):
    rows = [
        session("utc", 1, "2026-05-01T08:00:00Z"),
        session("fraction", 1, "2026-05-01T08:00:00.5Z"),
        session("zone", 1, "2026-05-01T09:30:00+02:00"),
        session("none", 1, ""),
        session("unreadable", 1, "zzz"),
    ]
    for order in itertools.permutations(rows):
        assert newest("getChargingSessionData", order, ports=(1,)) == {1: "fraction"}


def test_an_alarm_without_port_belongs_to_all_ports_when_it_is_the_newest(newest):
    old, new = "2026-05-01T08:00:00Z", "2026-05-01T09:00:00Z"
    for number in ("", "0"):
        rows = [alarm("gfci", 1, old), alarm("reachable", number, new)]
        for order in itertools.permutations(rows):
            found = newest("getAlarms", order, ports=("", 1, 2))
            assert found == {"": "reachable", 1: "reachable", 2: "reachable"}
    rows = [alarm("gfci", 1, new), alarm("reachable", "", old)]
    for order in itertools.permutations(rows):
        found = newest("getAlarms", order, ports=("", 1, 2))
        assert found == {"": "gfci", 1: "gfci", 2: "reachable"}


def test_stations_are_kept_apart(newest):
    rows = [
        alarm("a", 1, "2026-05-01T08:00:00Z"),
        alarm("b", 1, "2026-05-01T09:00:00Z", station="1:2"),
    ]
    assert newest("getAlarms", rows, ports=(1,)) == {1: "a"}
    assert newest("getAlarms", rows, ports=(1,), station="1:2") == {1: "b"}


def test_sessions_of_a_span_come_oldest_first(backend, service):
    rows = [session(n, 1, f"2026-05-01T{n:02}:00:00Z") for n in (9, 7, 8)]
    service.answers(reply("getChargingSessionData", "".join(rows)))
    since = datetime(2026, 5, 1, tzinfo=timezone.utc)
    found = backend.sessions("1:1", since, None)
    assert [event.values["sessionID"] for event in found] == ["7", "8", "9"]
    assert service.requests[0].texts("searchQuery/fromTimeStamp") == ["2026-05-01T00:00:00Z"]
