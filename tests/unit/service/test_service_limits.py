"""Writing allowedLoad and percentShed: staged until a shed is wanted, sent while one is in
force."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from .conftest import OTHER, STATION, Rig

PORT_1_AT_3_KW = {
    "stationID": STATION,
    "ports": [{"portNumber": 1, "allowedLoadPerPort": 3.0}],
    "timeInterval": 60,
}


def test_a_limit_alone_sends_nothing(rig: Rig) -> None:
    assert rig.write("allowedLoad", 3.0) == 3.0
    assert rig.sent() == 0
    assert rig.staged() == "allowedLoad 3 kW"


def test_a_staged_limit_is_not_passed_off_as_reported(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    assert rig.read("allowedLoad") == 0.0
    assert rig.read("shedState") == 0


def test_shed_state_sends_the_limit_written_last(rig: Rig) -> None:
    rig.write("allowedLoad", 5.0)
    rig.write("allowedLoad", 3.0)
    assert rig.write("shedState", 1) == 1
    assert rig.commands == [("shedLoad", PORT_1_AT_3_KW)]
    assert rig.actual(1)["load_kw"] == pytest.approx(3.0)


def test_allowed_load_empties_percent_shed(rig: Rig) -> None:
    rig.write("percentShed", 40)
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1)
    assert rig.commands == [("shedLoad", PORT_1_AT_3_KW)]
    assert rig.read("percentShed") == 0


def test_percent_shed_empties_allowed_load(rig: Rig) -> None:
    before_kw = rig.actual(1)["load_kw"]
    rig.write("allowedLoad", 3.0)
    assert rig.write("percentShed", 40) == 40
    rig.write("shedState", True)
    ((operation, arguments),) = rig.commands
    assert operation == "shedLoad"
    assert arguments["ports"] == [{"portNumber": 1, "percentShedPerPort": 40}]
    assert rig.read("percentShed") == 40
    assert rig.read("allowedLoad") == 0.0
    assert rig.actual(1)["load_kw"] == pytest.approx(0.6 * before_kw, abs=0.01)


def test_a_new_limit_during_a_shed_is_sent_at_once(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1)
    assert rig.write("allowedLoad", 2.0) == 2.0
    assert rig.sent("shedLoad") == 2
    assert rig.actual(1)["allowed_kw"] == 2.0


def test_a_limit_of_the_other_kind_during_a_shed_is_sent_at_once(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1)
    assert rig.write("percentShed", 50) == 50
    assert rig.actual(1)["load_kw"] == pytest.approx(1.5)
    assert rig.staged() == "percentShed 50 %"


def test_a_shed_that_somebody_else_made_counts_too(rig: Rig) -> None:
    rig.sim.world.shed([rig.sim.world.stations[0]], limit=Limit(allowed_kw=4.0), interval_min=0)
    assert rig.write("allowedLoad", 1.0) == 1.0
    assert rig.commands[-1][1]["ports"] == [{"portNumber": 1, "allowedLoadPerPort": 1.0}]


def test_after_the_clear_a_limit_is_only_staged_again(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1)
    assert rig.write("shedState", 0) == 0
    rig.write("allowedLoad", 2.0)
    assert [operation for operation, _ in rig.commands] == ["shedLoad", "clearShedState"]
    assert rig.actual(1)["shedState"] == 0


def test_after_its_end_a_limit_is_only_staged_again(rig: Rig) -> None:
    options = ShedOptions(minutes=30)
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1, options=options)
    assert rig.commands[0][1]["timeInterval"] == 30
    rig.pass_(29 * 60)
    rig.write("allowedLoad", 2.0, options=options)
    assert rig.sent("shedLoad") == 2
    rig.pass_(31 * 60)
    rig.write("allowedLoad", 1.0, options=options)
    assert rig.sent("shedLoad") == 2
    assert rig.actual(1)["shedState"] == 0


def test_a_shed_without_end(rig: Rig) -> None:
    options = ShedOptions(minutes=0)
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1, options=options)
    assert rig.commands[0][1]["timeInterval"] == 0
    rig.pass_(30 * 86_400)
    rig.write("allowedLoad", 2.0, options=options)
    assert rig.sent("shedLoad") == 2


def test_shed_on_write_sends_every_limit(rig: Rig) -> None:
    options = ShedOptions(on_write=True)
    assert rig.write("allowedLoad", 3.0, options=options) == 3.0
    assert rig.write("percentShed", 50, options=options) == 50
    assert rig.sent("shedLoad") == 2
    assert rig.actual(1)["shedState"] == 1
    assert rig.write("shedState", 1, options=options) == 1  # the limit written last
    assert rig.commands[-1][1]["ports"] == [{"portNumber": 1, "percentShedPerPort": 50}]


@pytest.mark.parametrize("value", [0, 0.0, "0"])
def test_a_limit_of_zero_is_a_limit(rig: Rig, value: object) -> None:
    assert rig.write("allowedLoad", value) == 0.0
    assert rig.write("shedState", 1) == 1
    assert rig.actual(1)["load_kw"] == 0.0


@pytest.mark.parametrize("percent", [0, 100, "100", 37.0])
def test_percentages_from_end_to_end(rig: Rig, percent: object) -> None:
    assert rig.write("percentShed", percent) == int(float(str(percent)))


NO_NUMBERS: list[object] = [
    *(-1, -0.001, math.nan, math.inf, -math.inf, 10**400, 1j),
    *("nan", "inf", "-1", "", " ", "full", "1_0", "1e400", b"1"),
    *(None, True, False, [], {}, (1,)),
]


@pytest.mark.parametrize("name", ["allowedLoad", "percentShed"])
def test_what_is_no_limit_is_refused_and_changes_nothing(rig: Rig, name: str) -> None:
    rig.write("allowedLoad", 3.0)
    rig.sim.calls.reset()
    for value in NO_NUMBERS:
        with pytest.raises(InvalidValueError, match=name):
            rig.write(name, value, options=ShedOptions(on_write=True))
        assert rig.staged() == "allowedLoad 3 kW", value
    assert rig.sim.calls.total == 0


def test_what_is_no_percentage_is_refused(rig: Rig) -> None:
    for value in (100.001, 101, "101", 1e9, 50.5):
        with pytest.raises(InvalidValueError, match="percentShed"):
            rig.write("percentShed", value)
    assert (rig.sim.calls.total, rig.staged()) == (0, "None")


def test_no_charger_has_a_gigawatt(rig: Rig) -> None:
    with pytest.raises(InvalidValueError, match="kW"):
        rig.write("allowedLoad", 1e6)


def test_refused_values_cost_no_call_at_all(rig: Rig) -> None:
    for name in ("allowedLoad", "percentShed", "shedState", "clearAlarms"):
        with pytest.raises(InvalidValueError):
            rig.write(name, "rubbish", port=None if name == "clearAlarms" else 1)
    assert rig.sim.calls.total == 0


class TestTargets:
    def test_a_station_row_acts_on_the_station(self, rig: Rig) -> None:
        rig.write("allowedLoad", 6.0, port=None)
        assert rig.write("shedState", 1, port=None) == 1
        assert rig.commands == [
            (
                "shedLoad",
                {"stationID": STATION, "allowedLoadPerStation": 6.0, "timeInterval": 60},
            )
        ]
        assert rig.actual(1)["shedState"] == rig.actual(2)["shedState"] == 1
        assert rig.actual(1)["load_kw"] + rig.actual(2)["load_kw"] == pytest.approx(6.0, abs=0.01)

    def test_a_port_row_acts_on_the_port(self, rig: Rig) -> None:
        before_kw = rig.actual(2)["load_kw"]
        rig.write("allowedLoad", 3.0)
        rig.write("shedState", 1)
        assert rig.actual(2) | {"load_kw": before_kw} == rig.actual(2)
        assert rig.actual(2)["shedState"] == 0

    def test_what_is_staged_belongs_to_its_target(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0, port=1)
        for port, station in ((2, STATION), (None, STATION), (1, OTHER)):
            with pytest.raises(InvalidValueError, match="no limit"):
                rig.write("shedState", 1, port=port, station=station)
        assert rig.sent() == 0

    def test_a_limit_of_the_station_while_one_port_is_shed(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0)
        rig.write("shedState", 1)
        rig.write("allowedLoad", 4.0, port=None)
        assert rig.commands[-1][1]["allowedLoadPerStation"] == 4.0

    def test_a_limit_of_a_port_while_the_station_is_shed(self, rig: Rig) -> None:
        rig.write("allowedLoad", 6.0, port=None)
        rig.write("shedState", 1, port=None)
        assert rig.write("allowedLoad", 1.0) == 1.0
        assert rig.commands[-1][1]["ports"] == [{"portNumber": 1, "allowedLoadPerPort": 1.0}]

    def test_a_port_s_shed_does_not_send_the_limit_of_another_port(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0, port=1)
        rig.write("shedState", 1, port=1)
        rig.write("allowedLoad", 2.0, port=2)
        assert rig.sent("shedLoad") == 1
        assert rig.actual(2)["shedState"] == 0


def test_a_shed_that_takes_effect_late_is_in_force_from_the_command_on(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shed_delay_s=300.0)
    rig.write("allowedLoad", 3.0)
    rig.write("shedState", 1)
    rig.write("allowedLoad", 2.0)
    assert rig.sent("shedLoad") == 2
    rig.pass_(301)
    assert rig.actual(1)["allowed_kw"] == 2.0


def test_a_station_s_shed_that_takes_effect_late_is_in_force_for_its_ports(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shed_delay_s=300.0)
    rig.write("allowedLoad", 6.0, port=None)
    rig.write("shedState", 1, port=None)
    rig.write("allowedLoad", 1.0, port=1)
    assert rig.sent("shedLoad") == 2
