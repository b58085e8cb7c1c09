"""Reservations, overrides and the failsafe revert of the real platform driver, over a shed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import gevent
import pytest
from volttron.utils import format_timestamp, get_aware_utc_now

from chargepoint_driver.adapters.driver import override_patterns
from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.world.ceilings import Limit
from chargepoint_driver.simulator.world.state_json import world_json

from ..conftest import Driver, writes
from ..devices import device, row, rows

ONE, OTHER = "a/one", "a/other"


@pytest.fixture
def two(driver: Driver, sim: Simulator) -> Driver:
    """Two devices: a port of the first station, and one of another; the host can spawn."""
    driver.agent.core.spawn = lambda function, *args: _kept(driver, gevent.spawn(function, *args))
    driver.agent.core.spawn_later = lambda after, function, *args: _kept(
        driver, gevent.spawn_later(after, function, *args)
    )
    return driver.start(
        {
            ONE: device(sim, "1:34001", shed_on_write=True),
            OTHER: device(sim, "1:34004", shed_on_write=True),
        }
    )


def _kept(driver: Driver, greenlet: gevent.Greenlet) -> gevent.Greenlet:
    driver.agent.core.greenlets.append(greenlet)
    return greenlet


def held(sim: Simulator, station: str = "1:34001", port: int = 1) -> float | None:
    """What a port is held to in kW, None for nothing."""
    (found,) = (s for s in world_json(sim.world)["stations"] if s["stationID"] == station)
    return found["ports"][port - 1]["ceiling_kw"]


@pytest.mark.parametrize("staggered", [False, True])
def test_an_override_with_failsafe_revert_clears_the_shed(
    two: Driver, sim: Simulator, staggered: bool
) -> None:
    two.set(ONE, "allowedLoad", 2.0)
    two.set(OTHER, "allowedLoad", 3.0)
    two.agent.set_override_on(f"devices/{ONE}", 0.0, True, staggered)
    two.wait_for(lambda: held(sim) is None)
    assert held(sim, "1:34004") == 3.0
    gevent.joinall(two.agent.core.greenlets[-1:], timeout=60)
    assert sim.calls.count("clearShedState") == 1  # not once for each point


def test_nobody_writes_under_an_override(two: Driver, sim: Simulator) -> None:
    two.agent.set_override_on(f"devices/{ONE}", 0.0, False, False)
    two.wait_for(lambda: f"devices/{ONE}" in two.agent.get_override_devices())
    with pytest.raises(Exception, match=r"(?i)overrid"):
        two.set(ONE, "allowedLoad", 2.0)
    assert writes(sim) == 0


def test_the_failsafe_revert_puts_back_what_others_had_made(two: Driver, sim: Simulator) -> None:
    """The host reverts one point of the device after the other."""
    sim.world.shed([sim.world.stations[0]], limit=Limit(allowed_kw=8.0))
    two.set(ONE, "allowedLoad", 2.0)
    assert held(sim) == 2.0
    two.agent.set_override_on(f"devices/{ONE}", 0.0, True, False)
    two.wait_for(lambda: held(sim) == 4.0)
    gevent.joinall(two.agent.core.greenlets[-1:], timeout=60)
    assert held(sim) == 4.0
    assert writes(sim) == 2


@pytest.mark.parametrize("how", ["revert_device", "revert_point", "revert"])
def test_other_ways_to_revert(two: Driver, sim: Simulator, how: str) -> None:
    two.set(ONE, "allowedLoad", 2.0)
    if how == "revert_device":
        two.agent.revert_device(ONE)
    elif how == "revert_point":
        two.agent.revert_point(ONE, "shedState")
    else:
        two.agent.revert(f"devices/{ONE}")
    assert held(sim) is None
    assert writes(sim) == 2


def test_a_station_group_is_reverted_too(driver: Driver, sim: Simulator) -> None:
    registry = rows()[:0]
    for name in ("allowedLoad", "shedState"):
        columns = {"Volttron_Point_Name": name, "Attribute_Name": name, "Writable": "TRUE"}
        registry.append(row(**columns, Port="", Type="float"))
    driver.agent.core.spawn = lambda function, *args: _kept(driver, gevent.spawn(function, *args))
    group: dict[str, Any] = device(sim, "", registry, shed_on_write=True, stationGroup="39491")
    del group["driver_config"]["stationID"]
    driver.start({"a/site": group})
    driver.set("a/site", "allowedLoad", 16.0)
    assert held(sim, "1:34004", 2) == 2.0
    driver.agent.set_override_on("devices/a/*", 0.0, True, False)
    driver.wait_for(lambda: held(sim, "1:34004", 2) is None)
    gevent.joinall(driver.agent.core.greenlets[-1:], timeout=60)
    assert sim.calls.counts()["shedLoad"] == sim.calls.counts()["clearShedState"] == 1


def test_a_reservation_of_somebody_else_keeps_writes_from_the_service(
    two: Driver, sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This version of the host reserves points, from the next tick of its clock on."""
    context = two.agent.vip.rpc.context.vip_message
    now = get_aware_utc_now()
    topic = f"devices/{ONE}/allowedLoad"
    span = [topic, format_timestamp(now), format_timestamp(now + timedelta(hours=1))]
    monkeypatch.setattr(context, "peer", "owner")
    assert two.agent.request_new_schedule("owner", "task", "HIGH", [span]).success
    manager = two.agent.reservation_manager
    manager._device_states = manager.get_reservation_state(get_aware_utc_now())
    monkeypatch.setattr(context, "peer", "stranger")
    with pytest.raises(Exception, match=r"reserved by another party"):
        two.set(ONE, "allowedLoad", 1.0)
    assert writes(sim) == 0


def test_an_override_that_guards_nothing_is_warned_about(
    two: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    tree = two.agent.equipment_tree
    two.agent.set_override_on(ONE, 0.0, False, False)  # without devices/
    two.agent.set_override_on("devices/b/*", 0.0, False, False)
    two.agent.set_override_on("devices/a/*", 0.0, False, False)
    two.wait_for(lambda: len(two.agent.override_manager.patterns) == 3)
    for _ in range(3):
        override_patterns.check(tree)
    said = [r.getMessage() for r in caplog.records if "matches no device" in r.getMessage()]
    assert len(said) == 2
    assert f"write 'devices/{ONE}'" in said[0]
    assert "'devices/b/*'" in said[1]
    assert f"devices/{ONE}, devices/{OTHER}" in said[1]
    two.agent.override_manager.clear()
    override_patterns.check(tree)
    two.agent.set_override_on(ONE, 0.0, False, False)
    two.wait_for(lambda: ONE in two.agent.override_manager.patterns)
    override_patterns.check(tree)
    said = [r.getMessage() for r in caplog.records if "matches no device" in r.getMessage()]
    assert len(said) == 3
