"""Simulated stations as devices of the platform driver, and what must be known of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from chargepoint_driver.simulator import Simulator

SPEED = 30.0
INTERVAL_S = 60
PORTS = 2
SEEN_S = 3 * INTERVAL_S * SPEED
"""Simulated seconds that a session shows after its end, to be sure of a poll and a publish."""

_ROWS = [
    ("load", "portLoad", "LoadRegister", "float"),
    ("shed", "shedState", "LoadRegister", "integer"),
    ("status", "Status", "StationStatusRegister", "string"),
    ("session", "sessionID", "ChargingSessionRegister", "string"),
    ("energy", "Energy", "ChargingSessionRegister", "float"),
]


def registry(ports: int) -> str:
    """The same points for each port, whatever the station connects to."""
    columns = "Volttron Point Name,Attribute Name,Register Name,Port #,Type,Writable,"
    return "\n".join(
        [
            f"{columns}Scrape Interval,Currency",
            *(
                f"{name}{port},{attribute},{register},{port},{kind},FALSE,{INTERVAL_S},"
                f"{INTERVAL_S // 2}"
                for port in range(1, ports + 1)
                for name, attribute, register, kind in _ROWS
            ),
        ]
    )


def device(config: dict[str, Any], registry_name: str) -> dict[str, Any]:
    """A device config."""
    return {
        "driver_type": "chargepoint",
        "driver_config": {**config, "timeout": 60},
        "registry_config": f"config://{registry_name}",
        "interval": INTERVAL_S,
        "publish_depth_first_all": True,
        "all_publish_interval": INTERVAL_S,
    }


def topic_of(station: str) -> str:
    """Topic of a station's device, below `devices/`."""
    return f"soak/{station.replace(':', '_')}"


@dataclass(frozen=True)
class Ended:
    """A session as it ended: where, which, how much, and until when it was the newest one of
    its port (simulated seconds)."""

    topic: str
    port: int
    session: str
    energy_kwh: float
    end_s: float
    next_s: float = float("inf")


class Fleet(Protocol):
    """Simulated stations as devices, and what the historian has to hold of them."""

    name: str
    registry: tuple[str, str]
    """Name and text."""

    def devices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Topic below `devices/` and config of each."""

    def now_s(self) -> float:
        """Simulated time, which is the fleet's own."""

    def ended(self) -> list[Ended]:
        """Every session that the simulator has ended so far."""


def owed(ended: Iterable[Ended], from_s: float, settled_s: float) -> list[Ended]:
    """The sessions of that simulated time that showed for long enough to be polled: one does
    until the next one of its port begins."""
    return [
        each
        for each in ended
        if each.end_s >= from_s and min(each.next_s, settled_s) >= each.end_s + SEEN_S
    ]


class SoapFleet:
    """Stations behind the web services."""

    name = "stations"
    registry = ("stations.csv", registry(PORTS))

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator

    def devices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for station in self._sim.world.stations:
            config = {
                "username": self._sim.username,
                "password": self._sim.password,
                "endpoint": self._sim.soap_url,
                "stationID": station.station_id,
            }
            yield topic_of(station.station_id), device(config, self.registry[0])

    def now_s(self) -> float:
        return self._sim.world.now_s()

    def ended(self) -> list[Ended]:
        ports: dict[tuple[str, int], list[Any]] = {}
        for entry in self._sim.world.sessions(from_s=0.0):
            ports.setdefault((entry.station.station_id, entry.port.number), []).append(entry)
        return [
            Ended(
                topic_of(station),
                port,
                str(entry.session.visit.session_id),
                entry.session.energy_kwh,
                entry.session.end_s,
                next_s,
            )
            for (station, port), entries in ports.items()
            for entry, next_s in zip(
                entries, [each.start_s for each in entries[1:]] + [float("inf")], strict=True
            )
            if entry.session.end_s is not None
        ]
