"""Writing shedState and clearAlarms, and taking back what this driver did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chargepoint_driver.errors import ChargePointError, InvalidValueError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from .conftest import OTHER, STATION, Rig


def shed(rig: Rig, port: int | None = 1, kw: float = 3.0, station: str = STATION) -> None:
    rig.write("allowedLoad", kw, port, station)
    rig.write("shedState", 1, port, station)


def test_true_sheds_and_false_clears(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    spelled = ((1, 0), (True, False), ("1", "0"), ("true", "false"), ("TRUE", "False"), (1.0, 0.0))
    for true, false in spelled:
        assert rig.write("shedState", true) == 1
        assert rig.write("shedState", false) == 0
        assert rig.commands[-1] == ("clearShedState", {"stationID": STATION, "ports": [1]})
        assert rig.actual(1)["shedState"] == 0


def test_what_is_no_truth_value_is_refused(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    for value in (2, -1, 0.5, "on", "", None, [], {}, float("nan")):
        with pytest.raises(InvalidValueError, match="shedState"):
            rig.write("shedState", value)
    assert rig.sent() == 0


def test_true_without_any_limit_is_refused(rig: Rig) -> None:
    with pytest.raises(InvalidValueError, match="write allowedLoad"):
        rig.write("shedState", 1)
    assert rig.sim.calls.total == 0


def test_the_limit_is_there_for_the_next_shed(rig: Rig) -> None:
    shed(rig)
    rig.write("shedState", 0)
    assert rig.write("shedState", 1) == 1
    assert rig.commands[-1][1]["ports"] == [{"portNumber": 1, "allowedLoadPerPort": 3.0}]


def test_clearing_one_port_leaves_the_other_shed(rig: Rig) -> None:
    shed(rig, port=1)
    shed(rig, port=2)
    rig.write("shedState", 0, port=1)
    assert (rig.actual(1)["shedState"], rig.actual(2)["shedState"]) == (0, 1)
    # And it is still known to be ours.
    assert rig.revert("shedState", port=2)
    assert rig.actual(2)["shedState"] == 0


def test_clearing_the_station_clears_its_ports(rig: Rig) -> None:
    shed(rig, port=1)
    shed(rig, port=2)
    assert rig.write("shedState", 0, port=None) == 0
    assert rig.commands[-1] == ("clearShedState", {"stationID": STATION})
    assert (rig.actual(1)["shedState"], rig.actual(2)["shedState"]) == (0, 0)
    assert not rig.revert("shedState", port=1)


def test_clearing_where_nothing_is_shed_is_sent_all_the_same(rig: Rig) -> None:
    """A writer of false wants to be sure."""
    assert rig.write("shedState", 0) == 0
    assert rig.sent("clearShedState") == 1


def test_a_station_is_shed_when_any_port_is(rig: Rig) -> None:
    shed(rig, port=2)
    assert rig.read("shedState", port=None) == 1
    assert rig.read("shedState", port=1) == 0


class TestClearAlarms:
    def test_true_clears_all_alarms_of_the_station(self, rig: Rig) -> None:
        rig.sim.world.raise_alarm(STATION, "GFCI Trip", 1)
        rig.sim.world.raise_alarm(OTHER, "GFCI Trip", 1)
        assert rig.read("alarmType") == "GFCI Trip"
        assert rig.write("clearAlarms", 1, port=None) == 0
        assert rig.commands[-1][0] == "clearAlarms"
        assert rig.read("alarmType") is None
        assert rig.read("alarmType", station=OTHER) == "GFCI Trip"

    def test_false_sends_nothing_and_says_so(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert rig.write("clearAlarms", 0, port=None) == 0
        assert rig.sim.calls.total == 0
        assert f"clearAlarms 0: nothing is sent; write 1 to clear the alarms of {STATION}" in (
            caplog.text
        )

    def test_false_answers_with_its_own_value_whatever_is_staged(self, rig: Rig) -> None:
        rig.write("allowedLoad", 5.0, port=None)
        assert rig.write("clearAlarms", 0, port=None) == 0

    def test_it_always_reads_zero(self, rig: Rig) -> None:
        assert rig.read("clearAlarms", port=None) == 0


class TestRevert:
    @pytest.mark.parametrize("name", ["allowedLoad", "percentShed", "shedState"])
    @pytest.mark.parametrize("port", [1, None])
    def test_clears_a_shed_that_this_driver_made(
        self, rig: Rig, name: str, port: int | None
    ) -> None:
        before_kw = rig.actual(1)["load_kw"]
        shed(rig, port)
        assert rig.revert(name, port)
        assert [operation for operation, _ in rig.commands] == ["shedLoad", "clearShedState"]
        assert rig.actual(1)["load_kw"] == pytest.approx(before_kw)

    @pytest.mark.parametrize("name", ["allowedLoad", "percentShed", "shedState", "clearAlarms"])
    def test_sends_nothing_otherwise(self, rig: Rig, name: str) -> None:
        port = None if name == "clearAlarms" else 1
        rig.write("allowedLoad", 3.0)
        rig.sim.calls.reset()
        assert not rig.revert(name, port)
        assert rig.sim.calls.total == 0

    def test_leaves_a_shed_that_somebody_else_made(self, rig: Rig) -> None:
        rig.sim.world.shed([rig.sim.world.stations[0]], limit=Limit(allowed_kw=4.0))
        assert not rig.revert("shedState")
        assert rig.sent() == 0
        assert rig.actual(1)["shedState"] == 1

    def test_once(self, rig: Rig) -> None:
        shed(rig)
        assert [rig.revert(name) for name in ("allowedLoad", "percentShed", "shedState")] == [
            True,
            False,
            False,
        ]
        assert rig.sent("clearShedState") == 1

    def test_leaves_the_other_port_s_shed(self, rig: Rig) -> None:
        shed(rig, port=1)
        shed(rig, port=2)
        rig.revert("allowedLoad", port=1)
        assert (rig.actual(1)["shedState"], rig.actual(2)["shedState"]) == (0, 1)

    def test_a_shed_sent_by_the_write_of_a_limit_is_ours_too(self, rig: Rig) -> None:
        rig.write("allowedLoad", 3.0, options=ShedOptions(on_write=True))
        assert rig.revert("allowedLoad")

    def test_a_shed_that_has_ended_is_not_cleared(self, rig: Rig) -> None:
        shed(rig)
        rig.pass_(3_601)
        assert not rig.revert("shedState")
        assert rig.sent("clearShedState") == 0

    def test_forgets_the_staged_limit(self, rig: Rig) -> None:
        shed(rig)
        rig.revert("allowedLoad")
        with pytest.raises(InvalidValueError, match="no limit"):
            rig.write("shedState", 1)

    def test_a_failed_clear_can_be_tried_again(self, rig: Rig) -> None:
        shed(rig)
        rig.sim.faults.set("clearShedState", "http", status=503, times=1)
        with pytest.raises(ChargePointError):
            rig.revert("shedState")
        assert rig.actual(1)["shedState"] == 1
        assert rig.revert("shedState")
        assert rig.actual(1)["shedState"] == 0

    def test_a_shed_whose_answer_was_lost_is_cleared_as_well(self, rig: Rig) -> None:
        """It is in force, and this driver made it."""
        rig.write("allowedLoad", 3.0)
        rig.sim.faults.set("shedLoad", "drop_reply", times=1)
        with pytest.raises(ChargePointError):
            rig.write("shedState", 1)
        assert rig.actual(1)["shedState"] == 1
        assert rig.revert("shedState")
        assert rig.actual(1)["shedState"] == 0

    def test_a_clear_whose_answer_was_lost_may_be_repeated(self, rig: Rig) -> None:
        shed(rig)
        rig.sim.faults.set("clearShedState", "drop_reply", times=1)
        with pytest.raises(ChargePointError):
            rig.revert("shedState")
        rig.revert("shedState")
        assert rig.actual(1)["shedState"] == 0

    def test_a_shed_of_the_station_over_one_of_a_port(self, rig: Rig) -> None:
        shed(rig, port=1)
        shed(rig, port=None, kw=6.0)
        assert rig.revert("shedState", port=None)
        assert (rig.actual(1)["shedState"], rig.actual(2)["shedState"]) == (0, 0)

    def test_while_the_shed_has_not_yet_taken_effect(self, make_rig: Callable[..., Rig]) -> None:
        rig = make_rig(shed_delay_s=300.0)
        shed(rig)
        assert rig.revert("shedState")
        rig.pass_(301)
        assert rig.actual(1)["shedState"] == 0
