"""A simulated account of any size, and its points."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from chargepoint_driver.backends.soap import SoapBackend
from chargepoint_driver.config import AccountConfig
from chargepoint_driver.registry import Point, build, read_csv
from chargepoint_driver.service import Service
from chargepoint_driver.simulator import ManualClock, Simulator

CLASSIC = Path(__file__).parents[1] / "registry_configs" / "chargepoint.csv"


class Seconds:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """A running simulator with a service for it, both on clocks moved by hand."""

    simulator: Simulator
    service: Service
    clock: Seconds
    stations: tuple[str, ...]

    @property
    def account(self) -> AccountConfig:
        return account_of(self.simulator)

    def points(self, rows: list[tuple[int, dict[str, str]]]) -> dict[str, Point]:
        """Topic to point: the rows on each station."""
        points: dict[str, Point] = {}
        for station in self.stations:
            registry = build(rows, "bench", station)
            registry.raise_faults()
            points |= {
                f"devices/site/{station}/{name}": point for name, point in registry.points.items()
            }
        return points

    def calls(self) -> int:
        return int(self.simulator.calls.total)


def account_of(simulator: Simulator) -> AccountConfig:
    return AccountConfig(
        username=simulator.username, password=simulator.password, endpoint=simulator.soap_url
    )


@contextmanager
def site(stations: int, groups: int | None = None) -> Iterator[Site]:
    """A site of a number of stations with two ports each."""
    with Simulator(
        stations=stations, ports_per_station=2, groups=groups, clock=ManualClock()
    ) as simulator:
        clock = Seconds()
        world = simulator.world

        def now() -> datetime:
            return datetime.fromtimestamp(world.now_s(), timezone.utc)

        service = Service(SoapBackend(account_of(simulator), now), clock=clock)
        try:
            yield Site(
                simulator, service, clock, tuple(station.station_id for station in world.stations)
            )
        finally:
            service.close()


def classic_rows() -> list[tuple[int, dict[str, str]]]:
    return read_csv(CLASSIC)


LIVE = (
    ("Status", "StationStatusRegister"),
    ("TimeStamp", "StationStatusRegister"),
    ("faultReason", "StationStatusRegister"),
    ("networkStatus", "StationStatusRegister"),
    ("shedState", "LoadRegister"),
    ("portLoad", "LoadRegister"),
    ("allowedLoad", "LoadRegister"),
    ("percentShed", "LoadRegister"),
    ("stationLoad", "LoadRegister"),
    ("sessionID", "LoadRegister"),
    ("lastBatteryPercent", "LoadRegister"),
    ("alarmType", "AlarmRegister"),
)


def live_rows(ports: int = 2) -> list[tuple[int, dict[str, str]]]:
    """The twelve live points of each port; those of the station stand once for each port."""
    rows = []
    for port in range(1, ports + 1):
        for name, register in LIVE:
            whole = name in {"networkStatus", "stationLoad"}
            rows.append(
                {
                    "Volttron Point Name": f"{name}.{port}",
                    "Attribute Name": name,
                    "Register Name": register,
                    "Port #": "" if whole else str(port),
                }
            )
    return list(enumerate(rows, start=2))
