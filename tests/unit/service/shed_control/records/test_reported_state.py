"""What was commanded, what is reported, and the resulting status."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.service import ShedOptions
from chargepoint_driver.simulator.world.ceilings import Limit

from ..conftest import AT_ONCE, STATION, Rig


def test_nothing_was_commanded(rig: Rig) -> None:
    assert rig.status() == "none"
    for name in ("commandedLoad", "commandedPercent", "commandedTime"):
        assert rig.read(name) is None
    assert rig.read("shedReason") == ""


def test_the_life_of_a_shed(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    assert rig.status() == "pending"
    assert (rig.read("commandedLoad"), rig.read("commandedPercent")) == (3.0, None)
    assert rig.read("commandedTime") == "2027-01-15T08:00:00+00:00"
    # The specified attributes go on showing what getLoad reports.
    assert (rig.read("shedState"), rig.read("allowedLoad")) == (0, 0.0)
    rig.live(5.5)
    assert rig.status() == "in force"
    assert (rig.read("shedState"), rig.read("allowedLoad")) == (1, 3.0)
    rig.write("shedState", 0)
    assert rig.status() == "pending"
    assert rig.read("commandedLoad") is None
    rig.live(10.5)
    assert rig.status() == "released"
    assert rig.alerts == []


def test_a_shed_that_never_shows_has_failed_and_raises_an_alert(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(shed_delay_s=10_000.0)
    rig.write("allowedLoad", 3.0)
    rig.live(9.5)
    assert (rig.status(), rig.alerts) == ("pending", [])
    rig.live(1)
    assert rig.alerts[0][0] == f"{STATION} port 1"
    assert "allowedLoad 3 kW was commanded, and no shed is reported" in rig.alerts[0][1]
    # It is sent again, and is in force no sooner than it shows.
    for _ in range(60):
        assert rig.status() == "failed"
        rig.live(0.5)
    assert rig.sent("shedLoad") > 1
    assert len(rig.alerts) == 1


def test_a_clear_that_never_shows_has_failed_until_it_shows(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(shed_delay_s=0.0, clear_delay_s=10_000.0)
    rig.write("allowedLoad", 3.0, options=ShedOptions(minutes=0, on_write=True))
    rig.live(1)
    rig.write("shedState", 0)
    assert rig.status() == "pending"
    rig.live(11)
    for _ in range(100):
        assert rig.status() == "failed"
        rig.live(0.5)
    assert len(rig.alerts) == 1
    assert 1 < rig.sent("clearShedState") <= 5


def test_a_shed_that_somebody_else_made(rig: Rig) -> None:
    rig.sim.world.shed([rig.sim.world.stations[0]], limit=Limit(allowed_kw=4.0))
    rig.pass_(301)
    assert rig.status() == "adopted"
    assert "not commanded here" in str(rig.read("shedReason"))
    assert rig.read("commandedLoad") is None


def test_a_refused_shed_has_failed_and_says_why(rig: Rig) -> None:
    rig.sim.faults.set("shedLoad", "refused", code="126", times=1)
    with pytest.raises(ChargePointError):
        rig.write("allowedLoad", 3.0)
    assert rig.status() == "failed"
    assert "allowedLoad 3 kW failed" in str(rig.read("shedReason"))
    rig.write("allowedLoad", 3.0)
    assert rig.status() == "pending"


def test_a_refused_limit_leaves_the_one_before_in_force(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.live(6)
    rig.sim.faults.set("shedLoad", "refused", code="126", times=1)
    with pytest.raises(ChargePointError):
        rig.write("allowedLoad", 2.0)
    assert (rig.status(), rig.read("commandedLoad")) == ("in force", 3.0)
    assert "allowedLoad 2 kW failed" in str(rig.read("shedReason"))


def test_what_is_commanded_needs_no_service(rig: Rig) -> None:
    rig.write("allowedLoad", 3.0)
    rig.sim.faults.set("getLoad", "http", status=503)
    rig.pass_(1)
    assert rig.read("commandedLoad") == 3.0
    reading = rig.service.read({"shedStatus": rig.point("shedStatus")})
    assert reading.values == {}
    assert reading.errors["shedStatus"].code == "try_later"


def test_site_load_and_headroom(rig: Rig) -> None:
    load_kw = rig.read("siteLoad", port=None)
    assert load_kw == pytest.approx(12.8, abs=0.2)
    assert rig.read("siteHeadroom", port=None) is None
    rig.write("allowedLoad", 20.0, port=None, options=AT_ONCE)
    assert rig.read("siteHeadroom", port=None) == pytest.approx(20.0 - load_kw)
