"""Reverting restores exactly what was in force before the first write of the control period."""

from __future__ import annotations

import pytest

from chargepoint_driver.errors import TransientError
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import Rig


def foreign(rig: Rig, kw: float | None = None, percent: int | None = None, port: int = 0) -> None:
    """Somebody sheds the station, or one port of it, and that is in force."""
    station = rig.sim.world.stations[0]
    limit = Limit(allowed_kw=kw, percent=percent)
    ports = [(station.port(port), limit)] if port else []
    rig.sim.world.shed([station], limit, 0, ports)
    rig.live(6)


def both(rig: Rig) -> list[float | None]:
    return [rig.ceiling(port) for port in (1, 2)]


def test_nothing_was_in_force(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    rig.write("percentShed", 10)
    rig.live(6)
    assert rig.revert()
    rig.live(11)
    assert (both(rig), rig.status()) == ([None, None], "released")
    assert rig.commands[-1] == ("clearShedState", {"stationID": "1:34001", "ports": [1]})


def test_a_limit_of_somebody_else(rig: Rig) -> None:
    foreign(rig, kw=4.0, port=1)
    rig.write("allowedLoad", 3.0)
    rig.write("allowedLoad", 2.0)
    rig.live(6)
    assert rig.revert()
    rig.live(100)
    assert both(rig) == [4.0, None]
    assert rig.status() == "in force"
    assert "it was in force before" in str(rig.read("shedReason"))


def test_a_station_s_limit_over_one_at_one_port(rig: Rig) -> None:
    foreign(rig, kw=4.0, port=2)
    rig.write("allowedLoad", 3.0, None)
    rig.live(6)
    assert rig.revert(None)
    rig.live(12)
    assert both(rig) == [None, 4.0]


def test_a_percentage_of_somebody_else_comes_back_as_what_it_came_to(rig: Rig) -> None:
    foreign(rig, percent=50)
    came_to = both_loads(rig)
    rig.write("allowedLoad", 6.0, None)
    rig.live(6)
    assert rig.revert(None)
    rig.live(12)
    assert [rig.ceiling(port) for port in (1, 2)] == pytest.approx(came_to, abs=0.06)


def both_loads(rig: Rig) -> list[float]:
    return [rig.actual(port)["load_kw"] for port in (1, 2)]


def test_the_period_survives_a_restart(rig: Rig) -> None:
    foreign(rig, kw=8.0)
    rig.write("allowedLoad", 1.0)
    rig.live(6)
    rig.restart(after_s=300)
    rig.write("allowedLoad", 2.0)
    rig.live(6)
    assert rig.revert()
    rig.live(12)
    assert both(rig) == [4.0, 4.0]


def test_the_next_period_begins_with_what_is_then_in_force(rig: Rig) -> None:
    rig.write("allowedLoad", 1.0)
    rig.live(6)
    assert rig.revert()
    rig.live(11)
    foreign(rig, kw=5.0, port=1)
    assert rig.status() == "adopted"
    rig.write("allowedLoad", 2.0)
    rig.live(6)
    assert rig.revert()
    rig.live(12)
    assert both(rig) == [5.0, None]


def test_after_ours_expired_what_somebody_else_made_counts(rig: Rig) -> None:
    rig.write("allowedLoad", 1.0)
    rig.live(6)
    rig.revert()
    rig.live(11)
    rig.write("allowedLoad", 1.0)
    rig.restart(after_s=3 * 3_600)
    rig.revert()
    foreign(rig, kw=5.0, port=1)
    rig.write("allowedLoad", 2.0)
    rig.live(6)
    assert rig.revert()
    rig.live(12)
    assert both(rig) == [5.0, None]


def test_what_was_restored_is_not_held_against_who_made_it(rig: Rig) -> None:
    foreign(rig, kw=4.0, port=1)
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    rig.revert()
    rig.live(6)
    rig.sim.world.clear_shed(rig.sim.world.stations[:1])
    rig.live(120)
    assert both(rig) == [None, None]
    assert rig.alerts == []


def test_twice_is_once(rig: Rig) -> None:
    foreign(rig, kw=8.0)
    rig.write("allowedLoad", 3.0, None)
    rig.live(6)
    assert rig.revert(None)
    sent = rig.sent()
    assert not rig.revert(1)
    rig.live(12)
    assert both(rig) == [4.0, 4.0]
    assert rig.sent() == sent


def test_a_revert_that_fails_can_be_repeated(rig: Rig) -> None:
    foreign(rig, kw=8.0)
    rig.write("allowedLoad", 3.0, None)
    rig.live(6)
    rig.sim.faults.set("shedLoad", "http", status=503, times=1)
    with pytest.raises(TransientError):
        rig.revert(None)
    rig.live(6)
    assert both(rig) == [1.5, 1.5]
    assert rig.revert(None)
    rig.live(12)
    assert both(rig) == [4.0, 4.0]


def test_ours_at_the_other_port_is_left(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0, 1)
    rig.write("allowedLoad", 2.0, 2)
    rig.live(6)
    assert rig.revert(1)
    rig.live(60)
    assert both(rig) == [None, 2.0]
