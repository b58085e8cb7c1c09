"""One account's service on a real simulator, in this process, both on clocks that stand still."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point, build
from chargepoint_driver.service import Service, ShedOptions
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.world.state_json import world_json

STATION = "1:34001"  # both ports charge with about 6.4 kW
OTHER = "1:34004"  # so do these
WRITES = ("shedLoad", "clearShedState", "clearAlarms")
WRITABLE = {"allowedLoad", "percentShed", "shedState", "clearAlarms"}
REGISTERS = {"clearAlarms": "AlarmRegister", "alarmType": "AlarmRegister"}


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s

    def pass_(self, seconds: float) -> None:
        self.now_s += seconds


class Rig:
    """A simulator and a service, and what tests ask of the two."""

    def __init__(self, **options: Any) -> None:
        self.sim = Simulator(**{"clock": ManualClock(), **options})
        self.clock = Time()
        self.account = AccountConfig(
            username=self.sim.username,
            password=self.sim.password,
            endpoint=self.sim.soap_url,
            timeout=10,
        )
        self.backend = SoapBackend(self.account)
        self.service = Service(self.backend, timeout_s=10.0, clock=self.clock)
        self.sim.start()

    def stop(self) -> None:
        self.service.close()
        self.sim.stop()

    def pass_(self, seconds: float) -> None:
        """Let time pass, here and there."""
        self.clock.pass_(seconds)
        self.sim.clock.advance(seconds)

    def point(self, name: str, port: int | None = 1, station: str = STATION) -> Point:
        row = {
            "Volttron Point Name": name,
            "Attribute Name": name,
            "Register Name": REGISTERS.get(name, "LoadRegister"),
            "Port #": "" if port is None else str(port),
            "Writable": "TRUE" if name in WRITABLE else "FALSE",
            "Currency": "30",
        }
        registry = build([(2, row)], "test", station)
        registry.raise_faults()
        return registry.points[name]

    def write(
        self,
        name: str,
        value: object,
        port: int | None = 1,
        station: str = STATION,
        options: ShedOptions = ShedOptions(),  # noqa: B008  # frozen
    ) -> Value:
        return self.service.write(self.point(name, port, station), value, options)

    def revert(self, name: str, port: int | None = 1, station: str = STATION) -> bool:
        return self.service.revert(self.point(name, port, station))

    def read(self, name: str, port: int | None = 1, station: str = STATION) -> Value:
        reading = self.service.read({name: self.point(name, port, station)})
        assert not reading.errors, reading.errors
        return reading.values[name]

    def staged(self, port: int | None = 1, station: str = STATION) -> str:
        return str(self.service.control.staged(self.point("allowedLoad", port, station).target))

    def sent(self, operation: str | None = None) -> int:
        """How many writes (None: of any sort) have arrived at the service."""
        names = WRITES if operation is None else (operation,)
        return sum(self.sim.calls.count(name) for name in names)

    @property
    def commands(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the commands that the service received, oldest first."""
        return [(c.operation, c.arguments) for c in self.sim.world.commands]

    def actual(self, port: int, station: str = STATION) -> dict[str, Any]:
        """What is so at a port."""
        (found,) = (s for s in world_json(self.sim.world)["stations"] if s["stationID"] == station)
        return dict(found["ports"][port - 1])


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    """Rigs are stopped, and must leave no thread, at the end."""
    before = set(threading.enumerate())
    rigs: list[Rig] = []

    def make(**options: Any) -> Rig:
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    assert set(threading.enumerate()) <= before


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Four stations with two ports each."""
    return make_rig()
