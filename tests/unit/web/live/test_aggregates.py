"""Totals of a site: what is not known never counts as nothing."""

from __future__ import annotations

from chargepoint_driver.web.api.schemas import Group, LastKnown, Port, Problem, Site, Station
from chargepoint_driver.web.live.aggregates import alarms, alarms_unknown, maintenance, site
from chargepoint_driver.web.live.load_history import LoadHistory

FREE = {"portLoad": 5.0, "shedState": 0, "allowedLoad": 0.0, "percentShed": 0}


def port(number=1, power=6.6, **values):
    return Port("a", "S", number, "S", {"Power": power}, values, {}, {}, {})


def station(*ports, cpid="S", **values):
    for each in ports:
        each.cpid = cpid
    return Station("a", cpid, cpid, ["7"], {}, values, {}, {}, {}, list(ports))


def group(**values):
    return Group("a", "7", "Garage", ["S"], values, {}, {}, {})


def allowed(*stations, groups=()):
    return site(stations, groups).allowed


def test_ratings_where_nothing_is_held():
    assert allowed(station(port(1, **FREE), port(2, power=7.2, **FREE))) == 13.8


def test_a_limit_counts_only_while_it_is_in_force():
    ours = {"shedStatus": "in force", "siteLoad": 3.0, "siteHeadroom": 0.5}
    held = {**FREE, "shedState": 1, "allowedLoad": 3.5}
    assert allowed(station(port(1, **held, **ours), port(2, **FREE))) == 10.1
    assert allowed(station(port(1, **FREE, **{**ours, "shedStatus": "pending"}))) == 6.6
    # Somebody else's: as it is reported.
    assert allowed(station(port(1, **held, shedStatus="adopted"))) == 3.5


def test_a_percentage_of_ours_has_a_number_and_one_of_others_has_none():
    values = {**FREE, "shedState": 1, "percentShed": 40}
    assert allowed(station(port(1, **values))) is None
    ours = {"shedStatus": "in force", "siteLoad": 3.0, "siteHeadroom": 0.8}
    assert allowed(station(port(1, **values, **ours))) == 3.8


def test_a_whole_station_and_a_group_count_once():
    ours = {"shedStatus": "in force", "siteLoad": 8.0, "siteHeadroom": 2.0}
    held = {**FREE, "shedState": 1, "allowedLoad": 5.0, **ours}
    ports = port(1, **held), port(2, **held)
    assert allowed(station(*ports, **ours)) == 10.0
    other = station(port(1, **FREE), cpid="T")
    assert allowed(station(*ports), other, groups=[group(**ours)]) == 16.6


def test_what_is_not_known_of_a_port_is_not_known_of_the_site():
    assert allowed(station(port(1, **FREE), port(2))) is None
    assert allowed(station(port(1, power=None, **FREE))) is None
    found = site([station(port(1, **FREE), port(2))], [])
    assert (found.load, found.portsUnknown, found.portsCharging) == (5.0, 1, 1)
    assert (found.portsShed, found.portsShedUnknown) == (0, 1)


def test_a_site_that_draws_nothing_draws_zero():
    found = site([station(port(1, portLoad=0.0, shedState=0))], [])
    assert (found.load, found.portsCharging, found.portsUnknown) == (0.0, 0, 0)
    empty = site([], [])
    assert (empty.load, empty.ports, empty.portsCharging) == (None, 0, 0)


def test_nothing_is_known_of_an_account_that_was_never_listed():
    found = site([], [], 1)
    assert found.load is found.allowed is found.headroom is None
    assert found.portsCharging is found.portsShed is None
    # With another account the load is that of some ports, and the limit is unknown.
    some = site([station(port(1, **FREE))], [], 1)
    assert (some.load, some.allowed, some.headroom, some.accountsUnknown) == (5.0, None, None, 1)


def test_the_load_of_a_port_out_of_reach_is_unknown():
    found = site([station(port(1, **FREE), port(2, Status="UNREACHABLE", **FREE))], [])
    assert (found.load, found.portsUnknown, found.portsCharging) == (5.0, 1, 1)


def test_headroom_is_the_sum_of_the_point_siteheadroom():
    def room(*stations, groups=()):
        found = site(stations, groups)
        return found.headroom, found.portsUnlimited

    held = {**FREE, "siteHeadroom": 1.5}
    assert room(station(port(1, **FREE), port(2, **FREE))) == (None, 2)
    assert room(station(port(1, **held), port(2, **FREE))) == (None, 1)
    assert room(station(port(1, **held), port(2, **held))) == (3.0, 0)
    assert room(station(port(1, **held), port(2, **held), siteHeadroom=2.0)) == (2.0, 0)
    assert room(station(port(1, **held)), groups=[group(siteHeadroom=-0.5)]) == (-0.5, 0)
    assert room() == (None, 0)


def test_alarms_of_a_charger_that_is_not_connected_are_unknown():
    assert alarms_unknown([station(port(1), port(2), connected=0), station(port(1))]) == 2
    failed = port(1)
    failed.errors["alarmType"] = Problem("try_later", "down")
    assert alarms_unknown([station(failed, port(2), connected=1)]) == 1


def test_alarms_are_newest_first_and_of_the_station_where_all_ports_have_it():
    trip = {"alarmType": "GFCI Trip", "alarmTime": "2026-01-01T00:00:00+00:00"}
    later = {"alarmType": "Fault", "alarmTime": "2026-01-02T00:00:00+00:00"}
    found = alarms(
        [
            station(port(1, **trip), port(2, **trip)),
            station(port(1, **later), port(2), cpid="T"),
            station(port(1, alarmType="Reachable"), cpid="U"),
        ]
    )
    assert [(alarm.cpid, alarm.connectorId) for alarm in found] == [("T", 1), ("S", None)]


def test_an_alarm_that_cannot_be_asked_for_is_as_it_was_known():
    old = port(1)
    old.errors["alarmType"] = Problem("try_later", "down")
    old.lastKnown["alarmType"] = LastKnown("GFCI Trip", "2026-01-01T00:00:00+00:00")
    (alarm,) = alarms([station(old)])
    assert (alarm.alarmType, alarm.asOf) == ("GFCI Trip", "2026-01-01T00:00:00+00:00")


def test_maintenance():
    assert maintenance([station(port(1, Status="AVAILABLE", faultReason="NONE"))]) == []
    reasons = {
        "out of reach": port(1, Status="UNREACHABLE"),
        "GroundFailure": port(1, faultReason="GroundFailure"),
        "OtherError, E42": port(
            1, requiresMaintenance=1, errorCode="OtherError", vendorErrorCode="E42"
        ),
        "faulted": port(1, requiresMaintenance=1, errorCode="NoError", ocppStatus="Faulted"),
        "errors in the last hour": port(1, requiresMaintenance=1, errorCode="NoError"),
    }
    for reason, each in reasons.items():
        (found,) = maintenance([station(each, port(2, Status="AVAILABLE"))])
        assert (found.reason, found.connectorId) == (reason, 1)
    both = station(port(1, Status="UNREACHABLE"), port(2, Status="UNREACHABLE"))
    assert [(each.reason, each.connectorId) for each in maintenance([both])] == [
        ("out of reach", None)
    ]
    assert maintenance([station(port(1), networkStatus="Unreachable")])[0].connectorId is None
    assert maintenance([station(port(1), Connected=0)])[0].reason == "not connected"


def samples(loads, spacing_s=20.0, allowed_kw=50.0):
    record = LoadHistory()
    for index, load in enumerate(loads):
        record.add(1_000.0 + index * spacing_s, Site(load, allowed_kw, 8, 0, 1, 0, 0))
    return record


def test_a_record_thins_out_and_keeps_its_peaks():
    record = samples([1.0] * 500 + [9.0] + [1.0] * 500)
    kept = record.since(0, 50)
    assert len(kept) <= 60
    assert max(sample.load for sample in kept) == 9.0
    assert len(record.since(0, 2_000)) == 1_001
    assert record.since(1_000.0 + 1_001 * 20, 50) == []


def test_a_record_keeps_a_day_and_nothing_in_between():
    record = samples([1.0] * 10, spacing_s=2.0)
    assert len(record.since(0, 100)) == 2
    record = samples([1.0] * 4_400, spacing_s=20.0)
    kept = record.since(0, 10_000)
    assert kept[-1].time - kept[0].time <= 24 * 3600


def test_a_change_of_what_is_allowed_is_kept_at_once():
    record = samples([1.0])
    record.add(1_001.0, Site(1.0, 20.0, 8, 0, 1, 1, 0))
    assert [sample.allowed for sample in record.since(0, 10)] == [50.0, 20.0]
