"""What must not happen: 0 kW by accident, an idle port shed in silence, less than the floor."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from chargepoint_driver.errors import InvalidValueError, TransientError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from .conftest import STATION, Rig

FLOOR = ShedOptions(on_write=True, floor_kw=1.4)


def idle(rig: Rig, port: int = 1) -> None:
    rig.sim.world.unplug(STATION, port)


def zeros(rig: Rig) -> int:
    """How often 0 kW was commanded."""
    return str(rig.commands).count("allowedLoadPerPort': 0.0") + str(rig.commands).count(
        "allowedLoadPerStation': 0.0"
    )


def test_an_explicit_zero_stops_charging(rig: Rig) -> None:
    rig.write("allowedLoad", 0)
    rig.live(100)
    assert (rig.ceiling(), rig.actual()["load_kw"], rig.status()) == (0.0, 0.0, "in force")
    assert rig.read("commandedLoad") == 0.0


@pytest.mark.parametrize("value", [None, "", False, "nothing", float("nan"), -1, [], {}])
def test_nothing_else_is_taken_for_zero(rig: Rig, value: object) -> None:
    with pytest.raises(InvalidValueError):
        rig.write("allowedLoad", value)
    assert rig.sim.calls.total == 0


def test_a_percentage_of_an_idle_port_says_that_it_is_held_at_zero(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    idle(rig)
    with caplog.at_level(logging.WARNING):
        rig.write("percentShed", 50)
    said = "percentShed 50 % of an idle port, which is held at zero until cleared"
    assert said in caplog.text
    rig.live(6)
    assert said in str(rig.read("shedReason"))
    assert rig.status() == "in force"
    rig.live(100)
    assert zeros(rig) == 0


def test_a_percentage_of_a_load_that_is_not_known_is_not_sent(rig: Rig) -> None:
    rig.sim.faults.set("getLoad", "http", status=503)
    with pytest.raises(TransientError):
        rig.write("percentShed", 50)
    assert rig.sent() == 0


def test_a_station_of_which_one_port_is_idle(rig: Rig) -> None:
    idle(rig, 2)
    before_kw = rig.actual(1)["load_kw"]
    rig.write("percentShed", 50, None)
    rig.live(100)
    held_kw = sum(rig.actual(port)["ceiling_kw"] for port in (1, 2))
    assert held_kw == pytest.approx(before_kw / 2, abs=0.01)
    assert rig.status(None) == "in force"
    assert zeros(rig) == 0


def test_100_percent_is_an_explicit_stop(rig: Rig) -> None:
    rig.write("percentShed", 100, options=FLOOR)
    rig.live(6)
    assert (rig.actual()["load_kw"], rig.status()) == (0.0, "in force")


def test_a_restored_percentage_never_becomes_zero(rig: Rig) -> None:
    """Somebody else's percentage is reported as allowedLoad 0."""
    idle(rig)
    rig.sim.world.shed([rig.sim.world.stations[0]], limit=Limit(percent=30))
    rig.pass_(301)
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    assert rig.revert()
    rig.live(60)
    assert rig.actual()["percent_shed"] == 30
    assert zeros(rig) == 0


class TestFloor:
    @pytest.mark.parametrize(
        ("name", "value", "port"),
        [("allowedLoad", 1.3, 1), ("allowedLoad", 2.7, None), ("percentShed", 90, 1)],
    )
    def test_less_is_refused(self, rig: Rig, name: str, value: float, port: int | None) -> None:
        with pytest.raises(InvalidValueError, match=r"floor_kw \(1.4 kW for each of"):
            rig.write(name, value, port, options=FLOOR)
        assert rig.sent() == 0

    @pytest.mark.parametrize(
        ("name", "value", "port"),
        [("allowedLoad", 1.4, 1), ("allowedLoad", 2.8, None), ("allowedLoad", 0, 1)],
    )
    def test_as_much_and_an_explicit_zero_are_taken(
        self, rig: Rig, name: str, value: float, port: int | None
    ) -> None:
        rig.write(name, value, port, options=FLOOR)
        assert rig.sent("shedLoad") == 1

    def test_a_percentage_of_an_idle_port_would_cut_off(self, rig: Rig) -> None:
        idle(rig)
        with pytest.raises(InvalidValueError, match="floor_kw"):
            rig.write("percentShed", 50, options=FLOOR)
        assert rig.sent() == 0

    def test_a_refused_write_begins_no_control_period(self, make_rig: Callable[..., Rig]) -> None:
        rig = make_rig(shed_delay_s=0.0)
        with pytest.raises(InvalidValueError):
            rig.write("allowedLoad", 1.0, options=FLOOR)
        rig.sim.world.shed([rig.sim.world.stations[0]], limit=Limit(allowed_kw=8.0))
        rig.pass_(200)
        rig.write("allowedLoad", 2.0, options=FLOOR)
        rig.live(1)
        assert rig.revert()
        assert rig.ceiling() == 4.0


def test_a_write_is_sent_once_whatever_happens(rig: Rig) -> None:
    """No retry hides below: one write, one request."""
    for kind in ("drop", "drop_reply", "malformed_xml"):
        rig.sim.faults.set("shedLoad", kind, times=1)
        sent = rig.sent()
        with pytest.raises(TransientError):
            rig.write("allowedLoad", 3.0)
        assert rig.sent() == sent + 1
