"""Accounts of the simulator on nodes, and clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.fleet_client import FleetAccount
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import ManualClock, Simulator
from tests.unit.fleet.plain_nodes import TOKEN, PlainFleet

PASSWORD = "secret"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    made = Simulator(clock=ManualClock(), password=PASSWORD)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def fleet(sim: Simulator) -> Iterator[PlainFleet]:
    """Two nodes; the first one holds the account `garage`."""
    accounts = Accounts()
    garage = {"username": sim.username, "password": PASSWORD, "endpoint": sim.soap_url}
    assert accounts.configure({"accounts": {"garage": garage}}) == []
    made = PlainFleet(accounts)
    yield made
    made.close()
    accounts.close()


@pytest.fixture
def connect(
    fleet: PlainFleet, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., FleetAccount]]:
    monkeypatch.setenv("FLEET_TOKEN", TOKEN)
    made: list[FleetAccount] = []

    def one(**fields: Any) -> FleetAccount:
        given = {"nodes": fleet.urls, "token_env": "FLEET_TOKEN", "account": "garage", **fields}
        made.append(FleetAccount(FleetAccountConfig.model_validate(given)))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture
def account(connect: Callable[..., FleetAccount]) -> FleetAccount:
    return connect()
