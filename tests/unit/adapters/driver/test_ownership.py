"""A device that moves between the driver and the caching agent takes what is in force along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.adapters.driver import override_patterns
from chargepoint_driver.adapters.driver.ownership import _PATIENCE
from chargepoint_driver.adapters.host.platform import file_of
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.world.state_json import world_json

from ..conftest import Driver
from ..devices import classic_rows, device

ONE = "a/one"
POINT = {"attribute": "allowedLoad", "register": "LoadRegister", "station": "1:34001", "port": 1}
COMMANDED = {**POINT, "attribute": "commandedLoad"}


@pytest.fixture
def agent(sim: Simulator, tmp_path: Path) -> Iterator[Callable[[], Accounts]]:
    """Makes the accounts of a caching agent, with its own file in the platform's home."""
    made: list[Accounts] = []

    def start() -> Accounts:
        file = tmp_path / "chargepoint" / "platform.chargepoint.sqlite"
        accounts = Accounts(lambda account: Service.of_account(account, file))
        account = {"username": sim.username, "password": sim.password, "endpoint": sim.soap_url}
        assert accounts.configure({"accounts": {"garage": account}}) == []
        made.append(accounts)
        return accounts

    yield start
    for accounts in made:
        accounts.close()


def is_shed(sim: Simulator) -> bool:
    (found,) = (s for s in world_json(sim.world)["stations"] if s["stationID"] == "1:34001")
    return bool(found["ports"][0]["shedState"])


def value(accounts: Accounts, point: dict[str, Any]) -> Any:
    return accounts.read({"x": point}, reader="platform.driver")["values"]["x"]


@pytest.fixture(autouse=True)
def _at_once(sim: Simulator) -> None:
    sim.world.shed_delay_s = sim.world.clear_delay_s = 0.0


def test_from_the_driver_to_the_agent(
    driver: Driver, sim: Simulator, agent: Callable[[], Accounts]
) -> None:
    driver.start({ONE: device(sim, "1:34001", shed_on_write=True)})
    driver.set(ONE, "allowedLoad", 2.0)
    accounts = agent()
    assert value(accounts, COMMANDED) is None
    accounts.take_over(file_of)
    assert value(accounts, COMMANDED) is None  # the driver still has the account

    driver.agent.core.onstop.send(driver.agent)  # it is restarted with other devices
    other = agent()
    other.read({"x": COMMANDED}, reader="platform.viewer")
    other.take_over(file_of)  # an agent that reads it as well has not moved it
    assert value(other, COMMANDED) is None
    accounts.take_over(file_of)
    assert value(accounts, COMMANDED) == 2.0
    assert is_shed(sim)
    accounts.write(POINT, 3.0, shed_on_write=True)
    assert accounts.revert(POINT)
    assert not is_shed(sim)


def test_from_the_agent_to_the_driver(
    driver: Driver, sim: Simulator, agent: Callable[[], Accounts]
) -> None:
    accounts = agent()
    accounts.write(POINT, 2.0, shed_on_write=True)
    driver.start({ONE: device(sim, "1:34001")})
    commanded = driver.interface._stations.control
    driver.interface._ownership.check()
    point = driver.interface.get_register_by_name(f"devices/{ONE}/allowedLoad").point
    assert commanded._command_log.state_of(point.target) is None

    accounts.configure({"accounts": {}})  # the agent gives the account up
    driver.interface._ownership.check()
    assert commanded._command_log.state_of(point.target) is None  # it may only restart
    for _ in range(_PATIENCE):
        driver.interface._ownership.check()
    assert commanded._command_log.state_of(point.target).limit.allowed_load_kw == 2.0
    driver.agent.revert_point(ONE, "allowedLoad")
    assert not is_shed(sim)


class _NeverWalked(dict[str, Any]):
    """A mapping for look-ups alone."""

    def __iter__(self) -> Any:
        raise AssertionError("every register of the account is visited")

    items = keys = values = __iter__  # type: ignore[assignment]


class _NoDevices:
    """The host's tree, whose list of devices visits every node."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent

    def devices(self) -> Any:
        raise AssertionError("every node of the host's tree is visited")


def test_a_check_costs_nothing_for_points_that_cannot_limit(driver: Driver, sim: Simulator) -> None:
    """Tens of thousands of new objects every 5 s made Python collect all garbage, which stopped
    the driver for 0.2 s."""
    driver.start({ONE: device(sim, "1:34001", classic_rows())})
    ownership = driver.interface._ownership
    ownership.check()
    owned = dict(ownership._known)
    assert owned
    ownership._registers = _NeverWalked(driver.interface.point_map)
    ownership.check()
    override_patterns.check(_NoDevices(driver.agent))
    assert ownership._known == owned
    assert not ownership._missed


def test_a_point_stored_again_without_a_limit_is_not_owned(driver: Driver, sim: Simulator) -> None:
    """Its topic is there as before."""
    driver.start({ONE: device(sim, "1:34001")})
    ownership = driver.interface._ownership
    assert ownership._owned()
    reading = [{**row, "Writable": "FALSE"} for row in device(sim, "1:34001")["registry_config"]]
    driver.update(ONE, device(sim, "1:34001", reading))
    assert not ownership._owned()
