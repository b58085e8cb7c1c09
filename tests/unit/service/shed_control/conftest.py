"""A simulator and the control of one account, both on one clock that stands still.

The service takes minutes to act, as the real one does, and restarts are new services on the same
file of commands.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.records import Value
from chargepoint_driver.registry import Point, build
from chargepoint_driver.service import CommandFile, Service, ShedOptions
from chargepoint_driver.simulator import ManualClock, Simulator
from chargepoint_driver.simulator.world.state_json import world_json

STATION = "1:34001"  # both ports charge with about 6.4 kW
OTHER = "1:34004"  # so do these
WRITES = ("shedLoad", "clearShedState")
WRITABLE = {"allowedLoad", "percentShed", "shedState"}
SHED_S = 300.0  # how long the service takes to shed, and to clear
CLEAR_S = 600.0
AT_ONCE = ShedOptions(on_write=True)


class Rig:
    """A site, and the driver of its account as one process after the other."""

    def __init__(self, folder: Path, **options: Any) -> None:
        delays = {"shed_delay_s": SHED_S, "clear_delay_s": CLEAR_S}
        self.sim = Simulator(**{"clock": ManualClock(), **delays, **options})
        self.now_s = 1_800_000_000.0
        self.set_by_s = 0.0  # how much the time of day was set forwards since
        self.folder = folder
        self.account = AccountConfig(
            username=self.sim.username,
            password=self.sim.password,
            endpoint=self.sim.soap_url,
            timeout=10,
        )
        self.alerts: list[tuple[str, str]] = []
        self.sim.start()
        self.service = self._serve()

    def _serve(self) -> Service:
        service = Service(
            SoapBackend(self.account),
            timeout_s=10.0,
            clock=lambda: self.now_s,
            now=lambda: self.now_s + self.set_by_s,
            commands=CommandFile(self.folder / "commands.sqlite", self.account.key),
        )
        service.control.alerts.host = lambda about, what: self.alerts.append((about, what))
        return service

    def restart(self, after_s: float = 0.0) -> None:
        """The process dies; after a while another one takes its place."""
        self.service.close()
        self.pass_(after_s)
        self.service = self._serve()

    def stop(self) -> None:
        self.service.close()
        self.sim.stop()

    # ---- time ----------------------------------------------------------------------------

    def pass_(self, seconds: float) -> None:
        """Let time pass here and there, nobody looking."""
        self.now_s += seconds
        self.sim.clock.advance(seconds)

    def live(self, minutes: float, step_s: float = 30.0) -> None:
        """Let time pass while the driver looks after its commands, as its thread does."""
        for _ in range(int(minutes * 60 / step_s)):
            self.pass_(step_s)
            self.service.control.supervisor.run_due()

    # ---- points --------------------------------------------------------------------------

    def point(
        self,
        name: str,
        port: int | None = 1,
        station: str = STATION,
        group: str | None = None,
    ) -> Point:
        row = {
            "Volttron Point Name": name,
            "Attribute Name": name,
            "Register Name": "LoadRegister",
            "Port #": "" if port is None or group else str(port),
            "Writable": "TRUE" if name in WRITABLE else "FALSE",
            "Currency": "0",
        }
        registry = build([(2, row)], "test", "" if group else station, group=group)
        registry.raise_faults()
        return registry.points[name]

    def write(
        self,
        name: str,
        value: object,
        port: int | None = 1,
        station: str = STATION,
        options: ShedOptions = AT_ONCE,
        group: str | None = None,
    ) -> Value:
        return self.service.write(self.point(name, port, station, group), value, options)

    def revert(
        self, port: int | None = 1, station: str = STATION, group: str | None = None
    ) -> bool:
        return self.service.revert(self.point("shedState", port, station, group))

    def read(
        self, name: str, port: int | None = 1, station: str = STATION, group: str | None = None
    ) -> Value:
        reading = self.service.read({name: self.point(name, port, station, group)})
        assert not reading.errors, reading.errors
        return reading.values[name]

    def status(self, port: int | None = 1, station: str = STATION, group: str | None = None) -> Any:
        return self.read("shedStatus", port, station, group)

    # ---- the truth -----------------------------------------------------------------------

    def actual(self, port: int = 1, station: str = STATION) -> dict[str, Any]:
        """What is so at a port."""
        (found,) = (s for s in world_json(self.sim.world)["stations"] if s["stationID"] == station)
        return dict(found["ports"][port - 1])

    def ceiling(self, port: int = 1, station: str = STATION) -> float | None:
        """What a port is held to in kW; None for nothing."""
        actual = self.actual(port, station)
        return actual["allowed_kw"] if actual["shedState"] else None

    def sent(self, operation: str | None = None) -> int:
        """How many writes (None: of any sort) have arrived at the service."""
        names = WRITES if operation is None else (operation,)
        return sum(self.sim.calls.count(name) for name in names)

    @property
    def commands(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the commands that the service received, oldest first."""
        return [(c.operation, c.arguments) for c in self.sim.world.commands]


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Rigs are stopped, and must leave no thread, at the end."""
    before = set(threading.enumerate())
    rigs: list[Rig] = []
    numbers = itertools.count()

    def make(**options: Any) -> Rig:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        rigs.append(Rig(folder, **options))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stop()
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(60)
    assert not [thread for thread in left if thread.is_alive()]


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Sheds take five minutes to take effect, clears ten."""
    return make_rig()
