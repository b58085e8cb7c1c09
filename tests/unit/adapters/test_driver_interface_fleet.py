"""Devices whose account nodes of a fleet hold: what is the driver's own besides the points."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.simulator import Simulator

from .conftest import Driver
from .devices import device
from .fleet_node import TOKEN, FleetNode

ONE = "garage/one"
STATION = "1:34001"


@pytest.fixture
def account(sim: Simulator) -> dict[str, Any]:
    return {"username": sim.username, "password": sim.password, "endpoint": sim.soap_url}


@pytest.fixture
def node(account, monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetNode]:
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    made = FleetNode(account)
    yield made
    made.stop()


def on_fleet(sim: Simulator, node: FleetNode, **fields: Any) -> dict[str, Any]:
    given = {**node.access, "stationID": STATION, **fields}
    return {**device(sim, STATION), "driver_config": given}


def test_nothing_is_kept_in_the_drivers_own_file(driver: Driver, sim, node, tmp_path: Path) -> None:
    driver.start({ONE: on_fleet(sim, node, shed_on_write=True)})
    assert driver.set(ONE, "allowedLoad", 2.0) == 2.0
    assert sim.calls.count("shedLoad") == 1
    assert not list(tmp_path.rglob("*.sqlite"))
    (write,) = node.accounts.writes("garage")
    assert write["writer"] == "tester"


def test_limits_from_before_the_fleet_are_named(
    driver: Driver, sim, node, tmp_path: Path, caplog
) -> None:
    driver.start({ONE: device(sim, STATION, shed_on_write=True)})
    driver.set(ONE, "allowedLoad", 2.0)
    assert (tmp_path / "chargepoint" / "platform.driver.sqlite").is_file()
    with caplog.at_level(logging.WARNING):
        driver.add("garage/two", on_fleet(sim, node))
    assert f"{STATION}: this driver limited it before the fleet had the account" in caplog.text


def test_a_deleted_device_ends_its_limit_in_the_fleet(driver: Driver, sim, node) -> None:
    driver.start({ONE: on_fleet(sim, node, shed_on_write=True)})
    driver.set(ONE, "allowedLoad", 2.0)
    ownership = driver.interface._ownership
    ownership.check()
    driver.agent._remove_equipment(f"devices/{ONE}", "DELETE", None)
    for _ in range(3):
        ownership.check()
    assert node.asked[-1] == "release"
    assert sim.calls.count("clearShedState") == 1


def test_a_corrected_token_counts_at_once(driver: Driver, sim, node, caplog) -> None:
    driver.start({ONE: on_fleet(sim, node, token_env="NO_SUCH")})
    assert "NO_SUCH" in caplog.text
    values, errors = driver.poll()
    assert values == {}
    assert all("NO_SUCH" in text for text in errors.values())
    driver.update(ONE, on_fleet(sim, node))
    values, errors = driver.poll()
    assert errors == {}
    assert values[f"devices/{ONE}/portLoad"] > 0
