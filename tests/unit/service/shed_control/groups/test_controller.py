"""Station groups: one total or percentage, one call where one can say it, never above the total."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransientError,
)
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import OTHER, STATION, Rig

STATIONS = ("1:34001", "1:34002", "1:34003", "1:34004")
GROUP = "39491"
LOAD = ShedOptions(on_write=True, division="load")


@pytest.fixture
def many(make_rig: Callable[..., Rig]) -> Rig:
    """Four stations with two ports each in one group; every port charges for hours."""
    rig = make_rig()
    for station in STATIONS:
        for port in (1, 2):
            if not rig.actual(port, station)["plugged_in"]:
                rig.sim.world.plug_in(station, port, stay_s=24 * 3_600, full_kwh=200)
    assert rig.sim.world.members(rig.sim.world.groups[0])[0].station_id == STATION
    return rig


def hold(rig: Rig, kw: float, **options: Any) -> None:
    rig.write("allowedLoad", kw, group=GROUP, options=ShedOptions(on_write=True, **options))


def ceilings(rig: Rig) -> dict[str, float]:
    """Station to the sum of its ports' limits, infinite where one has none."""
    found = {}
    for station in STATIONS:
        each = [rig.ceiling(port, station) for port in (1, 2)]
        found[station] = sum(float("inf") if kw is None else kw for kw in each)
    return found


def live_below(rig: Rig, total_kw: float, minutes: float) -> None:
    """Time passes, and at no moment is more allowed than the total."""
    for _ in range(int(minutes * 2)):
        rig.live(0.5)
        assert sum(ceilings(rig).values()) <= total_kw + 1e-6


def test_a_point_of_a_group_within_its_own_currency_is_a_value(many: Rig) -> None:
    """Also when a stricter row of the group, or of one of its stations, fails."""
    point = many.point("siteLoad", group=GROUP)
    wanted = {
        "strict": replace(point, currency_s=10.0),
        "patient": replace(point, currency_s=60.0),
    }
    good = many.service.read(wanted)
    assert good.errors == {}
    many.sim.faults.set("getLoad", "http", status=503)
    many.pass_(40.0)
    for station in ({}, {"station": replace(many.point("portLoad"), currency_s=10.0)}):
        reading = many.service.read({**wanted, **station})
        assert set(reading.errors) == {"strict", *station}
        assert reading.values == {"patient": good.values["patient"]}
        assert reading.ages_s["patient"] == 40.0
    many.pass_(21.0)
    assert set(many.service.read(wanted).errors) == {"strict", "patient"}


def test_a_value_of_a_group_is_as_old_as_its_oldest_station(many: Rig) -> None:
    whole = {
        name: replace(many.point(name, group=GROUP), currency_s=60.0)
        for name in ("siteLoad", "commandedLoad")
    }
    many.read("portLoad")
    many.pass_(45.0)
    for station in STATIONS[1:]:
        many.read("portLoad", station=station)
    reading = many.service.read(whole)
    assert reading.ages_s == pytest.approx({"siteLoad": 45.0, "commandedLoad": 0.0})
    many.pass_(30.0)
    assert many.service.read(whole).ages_s["siteLoad"] == pytest.approx(30.0)


class TestOneCall:
    def test_equal_shares_are_one_call(self, many: Rig) -> None:
        hold(many, 16.0)
        assert many.commands == [
            (
                "shedLoad",
                {"sgID": 39491, "allowedLoadPerStation": 4.0, "timeInterval": 60},
            )
        ]
        many.live(6)
        assert set(ceilings(many).values()) == {4.0}
        assert (many.status(group=GROUP), many.read("commandedLoad", group=GROUP)) == (
            "in force",
            16.0,
        )

    def test_renewal_and_clear_are_one_call_each(self, many: Rig) -> None:
        hold(many, 16.0)
        many.live(100)
        assert many.sent("shedLoad") == 1 + 3
        many.write("shedState", 0, group=GROUP)
        assert many.sent("clearShedState") == 1
        many.live(11)
        assert many.status(group=GROUP) == "released"
        many.live(60)
        assert many.sent() == 5

    def test_reading_and_looking_cost_one_call_for_the_group(self, many: Rig) -> None:
        hold(many, 16.0)
        many.live(2)
        many.sim.calls.reset()
        many.live(10)
        counts = many.sim.calls.counts()
        assert counts.pop("getStations", 0) <= 1  # who belongs to the group
        assert counts.keys() == {"getLoad"}
        assert counts["getLoad"] <= 20

    def test_a_percentage_is_one_call_and_is_renewed_as_what_it_came_to(self, many: Rig) -> None:
        before_kw = sum(many.actual(p, s)["load_kw"] for s in STATIONS for p in (1, 2))
        many.write("percentShed", 50, group=GROUP)
        assert many.sent("shedLoad") == 1
        many.live(6)
        assert many.status(group=GROUP) == "in force"
        assert many.read("commandedPercent", group=GROUP) == 50
        many.live(120)
        assert sum(ceilings(many).values()) == pytest.approx(before_kw / 2, abs=0.05)
        load_kw = many.read("siteLoad", group=GROUP)
        headroom_kw = many.read("siteHeadroom", group=GROUP)
        assert headroom_kw == pytest.approx(before_kw / 2 - load_kw, abs=0.05)

    def test_a_revert_is_one_call(self, many: Rig) -> None:
        hold(many, 16.0)
        many.live(6)
        assert many.revert(group=GROUP)
        assert many.sent("clearShedState") == 1
        many.live(11)
        assert set(ceilings(many).values()) == {float("inf")}
        assert not many.revert(group=GROUP)


class TestTheTotal:
    @pytest.mark.parametrize("division", ["equal", "load", "rated"])
    def test_it_is_never_exceeded_while_vehicles_come_and_go(
        self, many: Rig, division: Any
    ) -> None:
        hold(many, 20.0, division=division)
        many.live(5.5)
        live_below(many, 20.0, 20)
        for port in (1, 2):
            many.sim.world.unplug(STATION, port)
        live_below(many, 20.0, 30)
        idle_kw = ceilings(many)[STATION]
        assert idle_kw > 0
        many.sim.world.unplug(OTHER, 1)
        live_below(many, 20.0, 20)
        many.sim.world.plug_in(STATION, 1, stay_s=8 * 3_600, full_kwh=80)
        live_below(many, 20.0, 45)
        if division == "load":
            assert idle_kw < 2.0
            assert ceilings(many)[STATION] > idle_kw
        assert sum(ceilings(many).values()) > 15.0
        assert many.alerts == []

    @pytest.mark.parametrize("to_kw", [12.0, 28.0])
    def test_another_total(self, many: Rig, to_kw: float) -> None:
        hold(many, 20.0, division="load")
        many.live(30)
        hold(many, to_kw, division="load")
        live_below(many, max(20.0, to_kw), 5.5)
        live_below(many, to_kw, 60)
        assert sum(ceilings(many).values()) > 0.8 * to_kw

    def test_what_is_raised_waits_for_what_is_lowered(
        self, many: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The station that has to give is slow, those that get are quick."""
        hold(many, 20.0, division="load")
        many.live(15)
        world = many.sim.world
        shed = world.shed

        def uneven(stations: Any, *rest: Any, **named: Any) -> None:
            world.shed_delay_s = 300.0 if stations[0].station_id == STATION else 0.0
            shed(stations, *rest, **named)

        monkeypatch.setattr(world, "shed", uneven)
        for port in (1, 2):
            world.unplug(STATION, port)
        live_below(many, 20.0, 20)
        assert ceilings(many)[STATION] < 2.0
        assert sum(ceilings(many).values()) > 18.0

    def test_a_raise_whose_fate_is_unknown_counts_as_in_force(self, many: Rig) -> None:
        hold(many, 20.0, division="load")
        many.live(15)
        for port in (1, 2):
            many.sim.world.unplug(STATION, port)
        for minute in range(60):
            if minute % 7 == 0:
                many.sim.faults.set("shedLoad", "drop_reply", times=1)
            live_below(many, 20.0, 1)

    def test_a_station_that_is_not_told_keeps_its_part_free(self, many: Rig) -> None:
        hold(many, 16.0, division="load")
        many.live(10)
        many.sim.faults.set("shedLoad", "http", status=503)
        many.sim.world.unplug(STATION, 1)
        many.sim.world.unplug(STATION, 2)
        live_below(many, 16.0, 20)
        many.sim.faults.clear()
        live_below(many, 16.0, 60)

    def test_zero_is_for_all(self, many: Rig) -> None:
        hold(many, 0.0)
        many.live(6)
        assert set(ceilings(many).values()) == {0.0}

    def test_floor(self, many: Rig) -> None:
        with pytest.raises(InvalidValueError, match="floor_kw"):
            hold(many, 10.0, floor_kw=1.4)
        assert many.sent() == 0
        hold(many, 12.0, floor_kw=1.4, division="load")
        many.live(60)
        assert min(ceilings(many).values()) >= 2.8 - 1e-6

    def test_headroom_and_load(self, many: Rig) -> None:
        assert many.read("siteHeadroom", group=GROUP) is None
        hold(many, 16.0)
        many.live(6)
        actual_kw = sum(many.actual(p, s)["load_kw"] for s in STATIONS for p in (1, 2))
        assert many.read("siteLoad", group=GROUP) == pytest.approx(actual_kw, abs=0.05)
        assert many.read("siteHeadroom", group=GROUP) == pytest.approx(16.0 - actual_kw, abs=0.05)


class TestMembers:
    def test_a_new_station_gets_a_share_and_the_total_holds(
        self, make_rig: Callable[..., Rig]
    ) -> None:
        rig = make_rig()
        group = rig.sim.world.add_group("part", STATIONS[:3])
        name = str(group.group_id)
        rig.write("allowedLoad", 12.0, group=name)
        rig.live(10)
        assert rig.ceiling(1, STATIONS[3]) is None
        group.station_ids.append(STATIONS[3])
        rig.sim.world._note_members(group)
        rig.live(20)
        assert sum(ceilings(rig).values()) == pytest.approx(12.0, abs=0.01)
        assert rig.status(group=name) == "in force"

    def test_a_station_that_left_is_let_go_and_the_others_get_its_share(
        self, make_rig: Callable[..., Rig]
    ) -> None:
        rig = make_rig()
        group = rig.sim.world.add_group("part", STATIONS)
        name = str(group.group_id)
        rig.write("allowedLoad", 12.0, group=name)
        rig.live(10)
        group.station_ids.remove(STATION)
        rig.sim.world._groups_of[STATION].remove(group)
        rig.live(40)
        left = ceilings(rig)
        assert left.pop(STATION) == float("inf")
        assert set(left.values()) == {4.0}

    def test_a_station_that_a_reply_leaves_out_keeps_its_share(self, many: Rig) -> None:
        """The station list still shows that it belongs to the group."""
        hold(many, 16.0)
        many.live(6)
        many.sim.world.groups[0].station_ids.remove(STATION)
        live_below(many, 16.0, 20)
        assert ceilings(many)[STATION] == 4.0

    def test_single_writes_are_refused_while_the_station_holds_a_share(self, many: Rig) -> None:
        hold(many, 16.0)
        for name, value in (("allowedLoad", 9.0), ("percentShed", 10), ("shedState", 0)):
            for port in (1, None):
                with pytest.raises(RefusedError, match="held as part of station group"):
                    many.write(name, value, port)
        assert not many.revert(1)
        assert many.sent() == 1
        many.write("shedState", 0, group=GROUP)
        many.write("allowedLoad", 9.0)
        assert many.read("commandedLoad") == 9.0


class TestPartialFailure:
    def test_the_others_hold_their_share_and_the_rest_is_tried_again(self, many: Rig) -> None:
        hold(many, 20.0, division="load")
        many.live(15)
        many.sim.faults.set("shedLoad", "http", status=503, times=1)
        with pytest.raises(TransientError, match=r"3 of 4 stations hold their share"):
            hold(many, 10.0, division="load")
        assert many.read("commandedLoad", group=GROUP) == 10.0
        many.live(30)
        assert sum(ceilings(many).values()) <= 10.0 + 1e-6
        assert many.status(group=GROUP) == "in force"

    def test_when_none_takes_it_all_stands_as_before(self, many: Rig) -> None:
        hold(many, 20.0, division="load")
        many.live(15)
        sent = many.sent()
        many.sim.faults.set("shedLoad", "http", status=503)
        with pytest.raises(TransientError):
            hold(many, 10.0, division="load")
        assert many.sent() - sent == 2  # a service that is down is not asked by every station
        many.sim.faults.clear()
        assert many.read("commandedLoad", group=GROUP) == 20.0
        many.live(20)
        assert sum(ceilings(many).values()) == pytest.approx(20.0, abs=2.5)

    def test_a_refused_call_for_all_changes_nothing(self, many: Rig) -> None:
        many.sim.faults.set("shedLoad", "refused", code="126", times=1)
        with pytest.raises(ChargePointError):
            hold(many, 16.0)
        assert many.read("commandedLoad", group=GROUP) is None
        assert many.status(group=GROUP) == "failed"
        many.live(20)
        assert many.sent() == 1

    @pytest.mark.parametrize(
        ("fault", "status", "kw"), [("drop_reply", "in force", 16.0), ("drop", "failed", None)]
    )
    def test_a_call_for_all_that_gets_no_answer(
        self, many: Rig, fault: str, status: str, kw: float | None
    ) -> None:
        many.sim.faults.set("shedLoad", fault, times=1)
        with pytest.raises(OutcomeUnknownError):
            hold(many, 16.0)
        assert many.status(group=GROUP) == "pending"
        many.live(12)
        assert (many.status(group=GROUP), many.read("commandedLoad", group=GROUP)) == (status, kw)
        assert many.sent("shedLoad") == 1
        assert bool(many.alerts) == (kw is None)

    @pytest.mark.parametrize("fault", ["drop_reply", "drop"])
    def test_a_clear_for_all_that_gets_no_answer(self, many: Rig, fault: str) -> None:
        hold(many, 16.0)
        many.live(6)
        many.sim.faults.set("clearShedState", fault, times=1)
        with pytest.raises(OutcomeUnknownError):
            many.write("shedState", 0, group=GROUP)
        many.live(45)
        kw = None if fault == "drop_reply" else 16.0
        assert many.read("commandedLoad", group=GROUP) == kw
        assert set(ceilings(many).values()) == {4.0 if kw else float("inf")}

    def test_a_restart_while_the_fate_is_unknown(self, many: Rig) -> None:
        many.sim.faults.set("shedLoad", "drop_reply", times=1)
        with pytest.raises(OutcomeUnknownError):
            hold(many, 16.0)
        many.restart(after_s=60)
        many.live(8)
        assert many.read("commandedLoad", group=GROUP) == 16.0
        many.live(90)
        assert set(ceilings(many).values()) == {4.0}

    def test_a_renewal_for_all_that_fails_is_tried_again(self, many: Rig) -> None:
        hold(many, 16.0)
        many.live(25)
        many.sim.faults.set("shedLoad", "http", status=503)
        many.live(20)
        many.sim.faults.clear()
        many.live(40)
        assert set(ceilings(many).values()) == {4.0}
        assert [about for about, _ in many.alerts] == [f"station group {GROUP}"]

    def test_a_hundred_stations_are_one_alert(self, many: Rig) -> None:
        hold(many, 16.0, division="load")  # shares that differ are renewed one by one
        many.live(25)
        many.sim.faults.set("shedLoad", "http", status=503)
        many.live(60)
        assert many.status(group=GROUP) == "expired"
        assert {about for about, _ in many.alerts} == {f"station group {GROUP}"}
        assert len(many.alerts) <= 2  # not renewed, and not divided again

    def test_what_cannot_be_read_is_renewed_all_the_same(self, many: Rig) -> None:
        hold(many, 16.0)
        many.live(10)
        many.sim.faults.set("getLoad", "http", status=503)
        many.live(120)
        assert set(ceilings(many).values()) == {4.0}
        assert many.sent("shedLoad") == 1 + 4  # still as one call

    def test_shares_that_differ_are_renewed_all_the_same(self, many: Rig) -> None:
        hold(many, 20.0, division="load")
        many.live(15)
        before = ceilings(many)
        many.sim.faults.set("getLoad", "http", status=503)
        many.live(120)
        assert ceilings(many) == before


class TestRevert:
    def test_what_others_had_made_comes_back(self, many: Rig) -> None:
        stations = {station.station_id: station for station in many.sim.world.stations}
        many.sim.world.shed([stations[STATION]], limit=Limit(allowed_kw=6.0))
        many.pass_(301)
        hold(many, 16.0)
        many.live(6)
        assert many.revert(group=GROUP)
        many.live(15)
        found = ceilings(many)
        assert found.pop(STATION) == 6.0
        assert set(found.values()) == {float("inf")}
        assert many.read("commandedLoad", group=GROUP) is None

    def test_a_revert_that_partly_fails_goes_on(self, many: Rig) -> None:
        stations = {station.station_id: station for station in many.sim.world.stations}
        many.sim.world.shed([stations[STATION]], limit=Limit(allowed_kw=6.0))
        many.pass_(301)
        hold(many, 16.0)
        many.live(6)
        many.sim.faults.set("clearShedState", "http", status=503, times=1)
        with pytest.raises(TransientError, match="3 of 4 stations are as before"):
            many.revert(group=GROUP)
        many.live(20)
        found = ceilings(many)
        assert found.pop(STATION) == 6.0
        assert set(found.values()) == {float("inf")}

    def test_a_clear_ends_the_period(self, many: Rig) -> None:
        hold(many, 16.0)
        many.live(6)
        many.write("shedState", 0, group=GROUP)
        many.live(11)
        stations = {station.station_id: station for station in many.sim.world.stations}
        many.sim.world.shed([stations[STATION]], limit=Limit(allowed_kw=6.0))
        many.live(6)
        hold(many, 16.0)
        many.live(6)
        assert many.revert(group=GROUP)
        many.live(12)
        assert ceilings(many)[STATION] == 6.0


def test_a_group_whose_ports_are_shed_singly_says_so(rig: Rig) -> None:
    group = str(rig.sim.world.groups[0].group_id)
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    assert rig.status(group=group) == "in force"
    assert "port 1: allowedLoad 3 kW" in str(rig.read("shedReason", group=group))


class TestAReplyThatLeavesOutAPort:
    def test_has_no_sum_and_the_others_values_stand(self, many: Rig) -> None:
        whole_kw = many.read("siteLoad", group=GROUP)
        many.pass_(60)
        many.sim.faults.set("getLoad", "missing_port")
        wanted = {
            "group": many.point("siteLoad", group=GROUP),
            "station": many.point("siteLoad", port=None),
            "other": many.point("siteLoad", port=None, station=OTHER),
            "port": many.point("portLoad"),
        }
        reading = many.service.read(wanted)
        assert reading.errors.keys() == {"group", "station"}
        for error in reading.errors.values():
            assert isinstance(error, NotFoundError)
            assert f"port 2 of station {STATION}" in str(error)
        assert 0 < reading.values["other"] < whole_kw

    def test_hinders_no_shed(self, many: Rig) -> None:
        many.read("siteLoad", group=GROUP)
        many.pass_(60)
        many.sim.faults.set("getLoad", "missing_port")
        assert hold(many, 16.0) is None
        assert many.sent("shedLoad") == 1

    def test_costs_one_request_for_the_stations_and_their_group(self, many: Rig) -> None:
        many.read("siteLoad", group=GROUP)
        many.pass_(60)
        many.sim.faults.set("getLoad", "truncated_xml")
        many.sim.calls.reset()
        wanted = {"group": many.point("siteLoad", group=GROUP)}
        wanted |= {station: many.point("portLoad", station=station) for station in STATIONS}
        assert many.service.read(wanted).errors.keys() == wanted.keys()
        assert many.sim.calls.counts() == {"getLoad": 1}
