"""Circuits of ChargePoint's service, whose limits take five minutes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.demand_response.schedule.devices import AccountDevices
from chargepoint_driver.demand_response.schedule.runner import Scheduler
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.world.state_json import world_json

PORTS = [(f"1:{number}", port) for number in (34001, 34002) for port in (1, 2)]
SITE_KW, LEFT_KW = 14.0, 8.0
EFFECT_S, LOOK_S = 300, 100
HOURS = 2


def config() -> ScheduleConfig:
    ports = {
        f"{station} {port}": {
            "device": {"station": station, "port": port},
            "phases": [1],
            "max_a": 32,
            "effect_s": EFFECT_S,
            "limit_unit": "W",
        }
        for station, port in PORTS
    }
    names = list(ports)
    # Above the circuit's own limit.
    evening = {"name": "evening", "kw": 25, "from": "17:00", "until": "20:00"}
    return ScheduleConfig.from_dict(
        {
            "timezone": "UTC",
            "groups": {"all": {"rules": [evening]}},
            "circuits": {
                "site": {
                    "kw": SITE_KW,
                    "group": "all",
                    "ports": {name: ports[name] for name in names[2:]},
                },
                "left": {
                    "kw": LEFT_KW,
                    "parent": "site",
                    "ports": {name: ports[name] for name in names[:2]},
                },
            },
        }
    )


class Site:
    """Two stations of a service with its delays; the clock is moved by hand."""

    def __init__(self) -> None:
        settings = config()
        self.clock = ManualClock()
        self.sim = Simulator(clock=self.clock, shed_delay_s=EFFECT_S, clear_delay_s=600.0).start()
        self.accounts = Accounts()
        account = {
            "username": self.sim.username,
            "password": self.sim.password,
            "endpoint": self.sim.soap_url,
            "currencies": {"getLoad": 0, "getStationStatus": 0},
            "calls_per_minute": 100_000,
        }
        assert self.accounts.configure({"accounts": {"yard": account}}) == []
        self.scheduler = Scheduler(settings, AccountDevices(self.accounts), self.now)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_s(), timezone.utc)

    def loads_kw(self) -> list[float]:
        """What flows at each port."""
        stations = {each["stationID"]: each for each in world_json(self.sim.world)["stations"]}
        return [stations[station]["ports"][port - 1]["load_kw"] for station, port in PORTS]

    def close(self) -> None:
        self.accounts.close()
        self.sim.stop()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def test_no_circuit_is_above_its_limit_once_the_first_limits_are_in_force(site: Site) -> None:
    chance = random.Random(5)
    peaks = [0.0, 0.0]
    steps = HOURS * 3600 // LOOK_S
    for step in range(steps):
        for station, port in PORTS:
            if chance.random() < 0.06:
                try:
                    site.sim.world.plug_in(station, port, stay_s=chance.randrange(1_200, 9_000))
                except ValueError:
                    site.sim.world.unplug(station, port)
        site.scheduler.run_due()
        for _ in range(2):
            site.clock.advance(LOOK_S / 2)
            loads = site.loads_kw()
            if step * LOOK_S > EFFECT_S + LOOK_S:
                assert sum(loads) <= SITE_KW + 1e-6, (step, loads)
                assert sum(loads[:2]) <= LEFT_KW + 1e-6, (step, loads)
                peaks = [max(peaks[0], sum(loads)), max(peaks[1], sum(loads[:2]))]
    # The room was used. Each raise waits for the lower limit of another port to take effect.
    assert peaks[0] > 0.6 * SITE_KW
    assert peaks[1] > 0.6 * LEFT_KW
    commands = [each for each in site.scheduler.records if "port" in each]
    assert all(each["done"] for each in commands)
