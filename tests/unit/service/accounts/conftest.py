"""A caching agent's accounts, without the agent, on simulators and a clock that stand still."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.simulator import ManualClock, Simulator

from ..conftest import STATION, Time

PASSWORD = "a-very-special-password"


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def make_sim() -> Iterator[Callable[..., Simulator]]:
    sims: list[Simulator] = []

    def make(**options: Any) -> Simulator:
        sims.append(Simulator(clock=ManualClock(), password=PASSWORD, **options))
        return sims[-1].start()

    yield make
    for sim in sims:
        sim.stop()


@pytest.fixture
def sim(make_sim: Callable[..., Simulator]) -> Simulator:
    return make_sim()


@pytest.fixture
def accounts(clock: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    """None is configured."""
    original = Service.__init__
    monkeypatch.setattr(
        Service, "__init__", lambda self, *a, **o: original(self, *a, **{**o, "clock": clock})
    )
    accounts = Accounts()
    yield accounts
    accounts.close()


def account(sim: Simulator, **fields: Any) -> dict[str, Any]:
    return {
        "username": sim.username,
        "password": PASSWORD,
        "endpoint": sim.soap_url,
        "timeout": 10,
        **fields,
    }


@pytest.fixture
def garage(accounts: Accounts, sim: Simulator) -> Accounts:
    """One account, `garage`."""
    assert accounts.configure({"accounts": {"garage": account(sim)}}) == []
    return accounts


def load(station: str = STATION, port: int = 1, **fields: Any) -> dict[str, Any]:
    return {"attribute": "portLoad", "station": station, "port": port, **fields}


def asked(accounts: Accounts, points: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """What a read answers, as JSON carries it."""
    answer = accounts.read(json.loads(json.dumps(points)), name)
    assert set(answer["values"]) | set(answer["errors"]) == set(points)
    assert not set(answer["values"]) & set(answer["errors"])
    assert set(answer["ages_s"]) == set(answer["values"])
    return json.loads(json.dumps(answer))
