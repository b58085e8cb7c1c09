"""A day of ten chargers under two nested circuits, over real sockets: never above a limit."""

from __future__ import annotations

import random
from datetime import datetime, timezone

import pytest

from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.demand_response.schedule.devices import AccountDevices
from chargepoint_driver.demand_response.schedule.runner import Scheduler
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator.ocpp import Twins
from chargepoint_driver.simulator.world.clock import ManualClock

COUNT, VOLTS = 10, 230.0
IDS = [f"CP{number:02}" for number in range(COUNT)]
LIMITS = {"site": (40.0, 63.0), "left": (None, 32.0), "right": (15.0, None)}
# The first line of a single-phase vehicle is another phase of the circuit at each port.
ROTATIONS = [(1, 2, 3), (2, 3, 1), (3, 1, 2)]
STEP_S = 60
DAY_STEPS = 24 * 60


def wired(number: int) -> tuple[int, ...]:
    return ROTATIONS[number % 3]


def circuit_of(number: int) -> str:
    return "left" if number < COUNT // 2 else "right"


def config() -> ScheduleConfig:
    circuits: dict = {
        "site": {"kw": 40, "amps": 63, "group": "all", "rotation_minutes": 10},
        "left": {"amps": 32, "parent": "site", "ports": {}},
        "right": {"kw": 15, "parent": "site", "ports": {}},
    }
    for number, station in enumerate(IDS):
        circuits[circuit_of(number)]["ports"][station] = {
            "device": {"station": station, "port": 1},
            "phases": wired(number),
            "max_a": 32,
            "effect_s": 5,
            "priority": int(number == 3),
        }
    evening = {"name": "evening", "kw": 25, "from": "17:00", "until": "20:00"}
    return ScheduleConfig.from_dict(
        {"timezone": "UTC", "groups": {"all": {"rules": [evening]}}, "circuits": circuits}
    )


class Yard:
    """A central system with ten twins, whose clock is moved by hand."""

    def __init__(self, folder) -> None:
        self.clock = ManualClock(datetime.now(timezone.utc))
        self.accounts = Accounts()
        account = {
            "backend": "ocpp",
            "listen": "127.0.0.1:0",
            "database": str(folder / "ocpp.sqlite"),
            "configuration_delay_s": None,
            "voltage": VOLTS,
            "phases": 3,
            "charge_points": {each: {"quirks": {"rate_unit": "A"}} for each in IDS},
        }
        assert self.accounts.configure({"accounts": {"yard": account}}) == []
        url = self.accounts.service_of()._backend.system.ocpp_url
        self.twins = Twins(
            url,
            [{"id": each} for each in IDS],
            clock=self.clock,
            connectors=[{"kind": "AC", "rated_kw": 22, "phases": 3, "voltage_v": VOLTS}],
        ).start()
        self.twins.wait_connected()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_s(), timezone.utc)

    def drawn(self) -> dict[tuple[str, int], float]:
        """What flows: (circuit, 0) in kW, (circuit, phase) in A."""
        found: dict[tuple[str, int], float] = {}
        for number, station in enumerate(IDS):
            connector = self.twins.state(station)["connectors"][0]
            kw = connector["power_kw"]
            if not kw:
                continue
            lines = min(connector["vehicle"]["ac_phases"], 3)
            for circuit in ("site", circuit_of(number)):
                found[circuit, 0] = found.get((circuit, 0), 0.0) + kw
                for phase in wired(number)[:lines]:
                    amps = kw * 1000 / VOLTS / lines
                    found[circuit, phase] = found.get((circuit, phase), 0.0) + amps
        return found

    def close(self) -> None:
        self.twins.stop()
        self.accounts.close()


@pytest.fixture
def yard(tmp_path):
    made = Yard(tmp_path)
    yield made
    made.close()


def above(drawn, site_kw) -> list:
    limits = {("site", 0): site_kw}
    for name, (kw, amps) in LIMITS.items():
        for place, limit in (0, kw), (1, amps), (2, amps), (3, amps):
            if limit is not None:
                limits[name, place] = min(limit, limits.get((name, place), limit))
    return [(key, drawn[key]) for key in drawn if drawn[key] > limits.get(key, 1e9) + 1e-6]


@pytest.mark.timeout(600)
def test_ten_chargers_under_nested_circuits_are_never_above_a_limit_all_day(yard) -> None:
    chance = random.Random(11)
    scheduler = Scheduler(config(), AccountDevices(yard.accounts), yard.now)
    for _ in range(3):  # the first limits, before the first vehicle
        scheduler.run_due()
        yard.twins.advance(61)
    stays: dict[str, int] = {}
    peak, energy_kwh, settled_kw, charged = 0.0, 0.0, 40.0, set()
    for step in range(DAY_STEPS):
        for station in [each for each, until in stays.items() if until <= step]:
            yard.twins.unplug(station)
            del stays[station]
        hour = yard.now().hour
        for station in IDS:
            if station not in stays and chance.random() < (0.02 if 7 <= hour < 20 else 0.004):
                phases = chance.choice([1, 3, 3])
                yard.twins.start_charging(
                    station,
                    ac_phases=phases,
                    max_ac_kw=7.4 if phases == 1 else chance.choice([11, 22]),
                    battery_kwh=chance.uniform(20, 80),
                    soc_percent=chance.uniform(10, 80),
                )
                stays[station] = step + chance.randrange(20, 400)
        scheduler.run_due()
        for _ in range(3):  # within a step too
            drawn = yard.drawn()
            # A lower limit of the schedule counts once the chargers had time to follow.
            wanted_kw = 25.0 if 17 <= yard.now().hour < 20 else 40.0
            assert above(drawn, max(wanted_kw, settled_kw)) == [], (step, yard.now())
            yard.twins.advance(STEP_S / 3)
        settled_kw = wanted_kw
        kw = drawn.get(("site", 0), 0.0)
        peak, energy_kwh = max(peak, kw), energy_kwh + kw * STEP_S / 3600
        charged |= {s for s in stays if yard.twins.state(s)["connectors"][0]["power_kw"]}
    assert yard.twins.errors == []
    # The limits were used, and every charger charged.
    assert peak > 25
    assert energy_kwh > 100
    assert charged == set(IDS)
    # Chargers keep limits in flash memory.
    writes = [each for each in scheduler.records if "port" in each]
    assert len(writes) < 60 * COUNT
