"""A device whose password is wrong does not stop the other devices of its account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chargepoint_driver.backend import Request
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.registry import build
from chargepoint_driver.service import Service, take_over
from chargepoint_driver.simulator import Simulator

STATION = "1:34001"
PROBE = Request("getStations", (STATION,))


def account_of(sim: Simulator, **changes: Any) -> AccountConfig:
    fields = {
        "username": sim.username,
        "password": sim.password,
        "endpoint": sim.soap_url,
        "timeout": 5,
    }
    return AccountConfig(**{**fields, **changes})


def is_read(service: Service) -> bool:
    row = {
        "Volttron Point Name": "load",
        "Attribute Name": "portLoad",
        "Register Name": "LoadRegister",
        "Port #": "1",
        "Writable": "FALSE",
        "Currency": "0",
    }
    return "load" in service.read(build([(2, row)], "test", STATION).points).values


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Callable[[AccountConfig], Service]:
    def make(account: AccountConfig) -> Service:
        service = Service.of_account(account)
        request.addfinalizer(service.close)
        return service

    return make


def test_a_wrong_password_is_not_taken_over(serve: Any, caplog: Any) -> None:
    with Simulator() as sim:
        good, wrong = account_of(sim), account_of(sim, password="hunter2")
        service = serve(good)
        assert take_over(service, good, wrong, "device b", PROBE) is good
        assert is_read(service)
        assert "device b: its password is not used" in caplog.text
        assert "hunter2" not in caplog.text


def test_a_right_one_is(serve: Any) -> None:
    with Simulator() as sim:
        good, wrong = account_of(sim), account_of(sim, password="hunter2")
        for is_read_first in (False, True):
            service = serve(wrong)
            assert not (is_read_first and is_read(service))
            assert take_over(service, wrong, good, "device b", PROBE) is good
            assert is_read(service)


def test_one_that_cannot_be_tried_is_not(serve: Any) -> None:
    with Simulator() as sim:
        good, other = account_of(sim), account_of(sim, password="other")
        service = serve(good)
        sim.faults.set("getStations", "http", status=503)
        assert take_over(service, good, other, "device b", PROBE) is good
        assert is_read(service)


def test_one_that_is_not_there_yet_is_not(serve: Any) -> None:
    with Simulator() as sim:
        good = account_of(sim)
        unset = account_of(sim, password=None, password_env="NO_SUCH_VARIABLE")
        service = serve(good)
        assert take_over(service, good, unset, "device b", PROBE) is good
        assert is_read(service)


def test_other_settings_are_taken_without_a_question(serve: Any) -> None:
    with Simulator() as sim:
        good, slow = account_of(sim), account_of(sim, timeout=9)
        service = serve(good)
        assert take_over(service, good, slow, "device b", PROBE) is slow
        assert sim.calls.total == 0
