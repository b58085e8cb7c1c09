"""Alarms and maintenance over time."""

from __future__ import annotations

import pytest

from chargepoint_driver.errors import InvalidValueError, NotFoundError
from chargepoint_driver.web.api.schemas import Alarm, Maintenance
from chargepoint_driver.web.store.incidents import Incidents

from .conftest import Clock

HERE = {("a", "S")}


@pytest.fixture
def clock():
    return Clock(1_600_000_000.0)


@pytest.fixture
def incidents(database, clock):
    return Incidents(database, clock)


def trip(kind="GFCI Trip", **more):
    return Alarm("a", "S", "S", 1, kind, "2020-09-13T12:00:00+00:00", **more)


def test_first_and_last_seen(incidents, clock):
    first = trip()
    incidents.see([first], [], HERE)
    clock.now_s += 3_600
    second = trip()
    incidents.see([second], [], HERE)
    assert first.firstSeen == second.firstSeen == "2020-09-13T12:26:40+00:00"
    assert second.lastSeen == "2020-09-13T13:26:00+00:00"
    (found,) = incidents.found(0.0)[0]
    last_seen = "2020-09-13T13:26:40+00:00"
    assert (found.what, found.lastSeen, found.ended) == ("GFCI Trip", last_seen, None)


def test_an_alarm_is_over_when_its_station_is_read_without_it(incidents, clock):
    incidents.see([trip()], [], HERE)
    clock.now_s += 60
    incidents.see([], [], set())  # the station cannot be read: nobody knows
    assert incidents.found(0.0)[0][0].ended is None
    incidents.see([], [], HERE)
    assert incidents.found(0.0)[0][0].ended is not None
    # The same alarm again is another one.
    incidents.see([trip()], [], HERE)
    assert len(incidents.found(0.0)[0]) == 2


def test_one_that_is_known_from_before_was_not_seen_now(incidents, clock):
    incidents.see([trip()], [], HERE)
    clock.now_s += 3_600
    old = trip(asOf="2020-09-13T12:26:40+00:00")
    incidents.see([old], [], set())
    assert old.lastSeen == "2020-09-13T12:26:40+00:00"


def test_acknowledging_is_kept_over_a_restart(incidents, database, clock):
    incidents.see([trip()], [Maintenance("a", "S", "S", None, "out of reach")], HERE)
    place = "a", "S"
    incidents.acknowledge("alarm", *place, 1, "GFCI Trip", by="Kim", note="on Monday")
    incidents.acknowledge("maintenance", *place, None, "out of reach", by="Kim", note="")
    again = Incidents(database, clock)
    alarm = trip()
    again.see([alarm], [], set())
    assert (alarm.acknowledgedBy, alarm.note) == ("Kim", "on Monday")
    assert alarm.acknowledged
    assert {found.note for found in again.found(0.0)[0]} == {"on Monday", None}


def test_what_is_not_open_cannot_be_acknowledged(incidents):
    with pytest.raises(NotFoundError, match="may be over meanwhile"):
        incidents.acknowledge("alarm", "a", "S", 1, "GFCI Trip", by="Kim", note="")


def test_they_are_found_by_station_and_time(incidents, clock):
    incidents.see([trip()], [], HERE)
    incidents.save()
    assert incidents.found(clock.now_s + 1)[0] == []
    assert incidents.found(0.0, "a", "T")[0] == []
    assert len(incidents.found(0.0, "a", "S")[0]) == 1


def test_pages_have_each_incident_once(incidents, clock):
    names = ["one", "two", "three"]  # seen first in the same moment
    incidents.see([trip(name) for name in names], [], HERE)
    clock.now_s += 60
    incidents.see([trip(name) for name in (*names, "four")], [], HERE)
    found, after = [], None
    for _ in range(4):
        (one,), after = incidents.found(0.0, limit=1, after=after)
        found.append(one.what)
    assert (found[0], sorted(found), after) == ("four", ["four", "one", "three", "two"], None)
    with pytest.raises(InvalidValueError, match="not of this list"):
        incidents.found(0.0, after=("x", 1))
