"""Alerts for stations go to the host's health system, from both hosts' drivers."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest
from volttron.client.messaging import health as modern

from chargepoint_driver.simulator import Simulator

from ..devices import device
from ..test_classic_interface import ONE, Classic, Modular, classic

__all__ = ["classic"]  # a fixture

STATION = "1:34001"


@pytest.fixture(params=["modular", "classic"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[Any]]:
    """A host, and what its health system is given: (key, status)."""
    raised: list[Any] = []
    health = types.SimpleNamespace(
        send_alert=lambda key, status: raised.append((key, status)), set_status=lambda *_: None
    )
    if request.param == "modular":
        driver = request.getfixturevalue("driver")
        driver.agent.vip.health = health
        return Modular(driver), raised
    module = request.getfixturevalue("classic")
    for name in ("volttron.platform", "volttron.platform.messaging"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "volttron.platform.messaging.health", modern)
    interface = module.Interface

    def make(vip: Any, **rest: Any) -> Any:
        vip.health = health
        return interface(vip=vip, **rest)

    monkeypatch.setattr(module, "Interface", make)
    return Classic(module), raised


def test_an_alarm_and_a_station_out_of_reach(host: tuple[Any, list[Any]], sim: Simulator) -> None:
    driver, raised = host
    driver.start({ONE: device(sim, STATION)})
    driver.poll(ONE)
    assert raised == []
    sim.world.raise_alarm(STATION, "GFCI Trip", 1)
    driver.poll(ONE)
    sim.clock.advance(600)
    driver.poll(ONE)
    ((key, status),) = raised
    assert key == f"chargepoint/station/station {STATION} port 1"
    assert "alarm GFCI Trip" in _words(status)
    # Once until it is resolved.
    driver.poll(ONE)
    assert len(raised) == 1
    # The simulated last contact lies months before the clock of this machine.
    sim.world.set_reachable(STATION, False)
    driver.poll(ONE)
    driver.poll(ONE)
    assert [key for key, _ in raised[1:]] == [f"chargepoint/station/station {STATION}"]
    assert "out of reach for" in _words(raised[-1][1])


def _words(status: Any) -> str:
    return str(status.as_json())
