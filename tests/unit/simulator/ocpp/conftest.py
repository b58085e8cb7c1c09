"""Twins against a tiny central system; nothing may be left running, no twin may fail inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chargepoint_driver.simulator import ManualClock
from chargepoint_driver.simulator.ocpp import Twins

from .central import Central

ANSWERS_201 = {
    "Authorize": {"idTokenInfo": {"status": "Accepted"}},
    "TransactionEvent": {},
}


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def central() -> Iterator[Central]:
    with Central() as running:
        yield running


@pytest.fixture
def twins_of(central: Central) -> Iterator[Callable[..., Twins]]:
    """Makes twins that are connected and stand still until a test moves them."""
    made: list[Twins] = []

    def make(charge_points: Any = 1, **options: Any) -> Twins:
        if options.get("ocpp") == "2.0.1":
            central.answers |= ANSWERS_201
        connects = options.pop("connects", True)
        default = {
            "clock": ManualClock(),
            "shared_clock": True,
            "backoff_s": 0.02,
            "reboot_s": 0.02,
        }
        twins = Twins(central.url, charge_points, **{**default, **options})
        twins.start()
        made.append(twins)
        if connects:
            twins.wait_connected()
        return twins

    yield make
    for twins in made:
        errors = twins.errors
        twins.stop()
        assert errors == []


def values(payload: dict[str, Any], measurand: str) -> list[float]:
    """The values of a measurand in a meter value message, in order."""
    return [
        float(one["value"])
        for meter_value in payload["meterValue"]
        for one in meter_value["sampledValue"]
        if one.get("measurand", "Energy.Active.Import.Register") == measurand
    ]
