"""A device that is deleted, or stored without the points that limit, leaves no limit behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.world.state_json import world_json

from .conftest import Driver, Time
from .devices import device, rows

ONE, TWO = "a/one", "b/two"


def is_shed(sim: Simulator, station: str = "1:34001") -> bool:
    (found,) = (s for s in world_json(sim.world)["stations"] if s["stationID"] == station)
    return any(port["shedState"] for port in found["ports"])


def check(driver: Driver, times: int = 3) -> None:
    """What the driver's greenlet does every few seconds."""
    for _ in range(times):
        driver.interface._ownership.check()


@pytest.fixture
def two(driver: Driver, make_device: Callable[..., dict[str, Any]], sim: Simulator) -> Driver:
    sim.world.shed_delay_s = sim.world.clear_delay_s = 0.0
    driver.start({ONE: make_device(), TWO: make_device("1:34004")})
    check(driver)
    driver.set(ONE, "allowedLoad", 2.0)
    driver.set(ONE, "shedState", 1)
    assert is_shed(sim)
    return driver


def test_deleted(two: Driver, sim: Simulator) -> None:
    two.agent._remove_equipment(f"devices/{ONE}", "DELETE", None)
    check(two)
    assert not is_shed(sim)


def test_all_deleted(two: Driver, sim: Simulator) -> None:
    interface = two.interface
    for each in (ONE, TWO):
        two.agent._remove_equipment(f"devices/{each}", "DELETE", None)
    for _ in range(3):
        interface._ownership.check()
    assert not is_shed(sim)


def test_stored_again_as_it_was(
    two: Driver, sim: Simulator, make_device: Callable[..., dict[str, Any]]
) -> None:
    two.agent._remove_equipment(f"devices/{ONE}", "DELETE", None)
    check(two, 1)
    two.add(ONE, make_device())
    check(two)
    assert is_shed(sim)
    assert two.get(ONE, "shedState") == {"shedState": 1}


def test_stored_again_without_the_points_that_limit(
    two: Driver, sim: Simulator, make_device: Callable[..., dict[str, Any]]
) -> None:
    reading = [row for row in rows() if row["Volttron Point Name"] in {"portLoad", "status"}]
    two.update(ONE, make_device(registry=reading))
    check(two)
    assert not is_shed(sim)


def test_it_may_lapse_instead(
    driver: Driver, sim: Simulator, clock: Time, make_device: Callable[..., dict[str, Any]]
) -> None:
    sim.world.shed_delay_s = sim.world.clear_delay_s = 0.0
    driver.start({ONE: make_device(on_delete="lapse"), TWO: make_device("1:34004")})
    check(driver)
    driver.set(ONE, "allowedLoad", 2.0)
    driver.set(ONE, "shedState", 1)
    driver.agent._remove_equipment(f"devices/{ONE}", "DELETE", None)
    check(driver)
    assert is_shed(sim)
    sim.clock.advance(61 * 60)
    assert not is_shed(sim)


def test_what_an_earlier_run_left_and_no_device_owns(
    driver: Driver, sim: Simulator, clock: Time
) -> None:
    sim.world.shed_delay_s = sim.world.clear_delay_s = 0.0
    driver.start({ONE: device(sim, "1:34001"), TWO: device(sim, "1:34004")})
    driver.set(ONE, "allowedLoad", 2.0)
    driver.set(ONE, "shedState", 1)
    ownership = driver.interface._ownership
    driver.agent._remove_equipment(f"devices/{ONE}", "DELETE", None)
    ownership._known.clear()  # as after a restart: it knows of the limit, and of no device
    check(driver, 5)
    assert is_shed(sim)  # devices may still come
    check(driver, 15)
    assert not is_shed(sim)


def test_a_write_may_say_for_how_long(two: Driver, sim: Simulator) -> None:
    two.agent.set_point(TWO, "allowedLoad", 2.0)
    two.agent.set_point(TWO, "shedState", 1, minutes=1)
    (command,) = [c for c in sim.world.commands if c.arguments.get("stationID") == "1:34004"]
    assert command.arguments["timeInterval"] == 1
    with pytest.raises(ValueError, match="minutes"):
        two.agent.set_point(TWO, "shedState", 1, minutes=-1)
