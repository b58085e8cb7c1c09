"""`make soak`: a thousand stations on a fast clock, on a real platform with its historian.

Passes when what the driver's process holds is flat after warm-up, and when every session that
the simulator ended stands in the historian with the simulator's energy. The simulated fleet is
of SOAP stations; twins of OCPP chargers would be one more `Fleet`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chargepoint_driver.simulator import Simulator
from examples.demo.platform import Platform, temporary_home
from examples.demo.processes import Processes

from .verdict import TOLERANCES, growth, is_flat

DRIVER, HISTORIAN = "platform.driver", "platform.historian"
SPEED = 30.0
INTERVAL_S = 30
PORTS = 2
START_LIMIT_S = 300.0
ENERGY_KWH = 1e-6  # six decimals are reported

_ROWS = [
    ("load", "portLoad", "LoadRegister", "float"),
    ("shed", "shedState", "LoadRegister", "integer"),
    ("status", "Status", "StationStatusRegister", "string"),
    ("session", "sessionID", "ChargingSessionRegister", "string"),
    ("energy", "Energy", "ChargingSessionRegister", "float"),
]
REGISTRY = "\n".join(
    [
        "Volttron Point Name,Attribute Name,Register Name,Port #,Type,Writable,Scrape Interval,"
        "Currency",
        *(
            f"{name}{port},{attribute},{register},{port},{kind},FALSE,{INTERVAL_S},"
            f"{INTERVAL_S // 2}"
            for port in range(1, PORTS + 1)
            for name, attribute, register, kind in _ROWS
        ),
    ]
)


@dataclass(frozen=True)
class Ended:
    """A session as it ended: where, which, how much."""

    topic: str
    port: int
    session: str
    energy_kwh: float


class Fleet(Protocol):
    """Simulated stations as devices, and what the historian has to hold of them."""

    def devices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Topic below `devices/` and config of each."""

    def owed(self, from_s: float, settled_s: float) -> list[Ended]:
        """The sessions of that simulated time that were there long enough to be polled."""


class SoapFleet:
    """Stations behind the web services."""

    def __init__(self, simulator: Simulator) -> None:
        self._sim = simulator

    def devices(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for station in self._sim.world.stations:
            config = {
                "username": self._sim.username,
                "password": self._sim.password,
                "endpoint": self._sim.soap_url,
                "stationID": station.station_id,
                "timeout": 60,
            }
            yield (
                _topic(station.station_id),
                {
                    "driver_type": "chargepoint",
                    "driver_config": config,
                    "registry_config": "config://soak.csv",
                    "interval": INTERVAL_S,
                    "publish_depth_first_all": True,
                    "all_publish_interval": INTERVAL_S,
                },
            )

    def owed(self, from_s: float, settled_s: float) -> list[Ended]:
        """A session shows until the next one of its port begins."""
        long_s = 6 * INTERVAL_S * SPEED
        ports: dict[tuple[str, int], list[Any]] = {}
        for entry in self._sim.world.sessions(from_s=from_s):
            ports.setdefault((entry.station.station_id, entry.port.number), []).append(entry)
        found = []
        for (station, port), entries in ports.items():
            begins = [entry.start_s for entry in entries[1:]] + [float("inf")]
            for entry, next_s in zip(entries, begins, strict=True):
                end_s = entry.session.end_s
                if end_s is None or end_s < from_s or min(next_s, settled_s) < end_s + long_s:
                    continue
                session = str(entry.session.visit.session_id)
                energy_kwh = entry.session.energy_kwh
                found.append(Ended(_topic(station), port, session, energy_kwh))
        return found


def _topic(station: str) -> str:
    return f"soak/{station.replace(':', '_')}"


def stored(database: Path) -> dict[tuple[str, int], dict[str, float]]:
    """(device topic, port) -> session -> the energy stored last beside it."""
    query = (
        "SELECT topic_name, ts, value_string FROM data JOIN topics USING (topic_id) "
        "WHERE topic_name LIKE '%/session_' OR topic_name LIKE '%/energy_' ORDER BY ts"
    )
    at: dict[tuple[str, int, str], dict[str, Any]] = {}
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        for topic, ts, text in db.execute(query):
            device, _, name = topic.rpartition("/")
            at.setdefault((device, int(name[-1]), ts), {})[name[:-1]] = json.loads(text)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for (device, port, _), row in sorted(at.items()):
        if row.get("session") is not None and row.get("energy") is not None:
            found.setdefault((device, port), {})[str(row["session"])] = float(row["energy"])
    return found


def main(minutes: float, stations: int, output: Path) -> int:
    output.mkdir(parents=True, exist_ok=True)
    samples, database = output / "samples.jsonl", output / "historian.sqlite"
    for path in (samples, database):
        path.unlink(missing_ok=True)
    with (
        temporary_home() as home,
        Processes(output / "logs") as processes,
        Simulator(stations=stations, ports_per_station=PORTS, speed=SPEED) as simulator,
    ):
        fleets: list[Fleet] = [SoapFleet(simulator)]
        platform = Platform(home, processes)
        platform.launch()
        platform.connect()
        for identity in (DRIVER, HISTORIAN):
            platform.add_credentials(identity)
        platform.store(DRIVER, "config", {})
        platform.store(DRIVER, "soak.csv", REGISTRY)
        for fleet in fleets:
            for topic, config in fleet.devices():
                platform.store(DRIVER, f"devices/{topic}", config)
        connection = {"type": "sqlite", "params": {"database": str(database)}}
        platform.start_agent(HISTORIAN, "historian.sql.historian", {"connection": connection})
        platform.start_agent(DRIVER, "tests.soak.driver", env={"SOAK_SAMPLES": str(samples)})
        processes.wait_for("The first poll", lambda: _has_rows(database), START_LIMIT_S)
        print(f"{stations} stations are polled; {minutes:g} minutes begin", flush=True)
        # What was there before the first poll may have gone before it.
        from_s = simulator.world.now_s() + 2 * INTERVAL_S * SPEED
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end:
            processes.check()
            time.sleep(1.0)
        settled_s = simulator.world.now_s()
        owed = [ended for fleet in fleets for ended in fleet.owed(from_s, settled_s)]
        calls, total = simulator.calls.counts(), simulator.calls.total
        processes.stop(DRIVER)
        processes.stop(HISTORIAN)  # it stores what it still holds
        complaints = processes.complaints(DRIVER)
    return report(samples, stored(database), owed, {"total": total, **calls}, complaints, output)


def _has_rows(database: Path) -> bool:
    if not database.exists():
        return False
    try:
        return bool(stored(database))
    except sqlite3.Error:
        return False  # it is being made


def report(
    samples: Path,
    kept: dict[tuple[str, int], dict[str, float]],
    owed: list[Ended],
    calls: dict[str, int],
    complaints: list[str],
    output: Path,
) -> int:
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    passed = True
    figures: dict[str, Any] = {"samples": len(lines), "calls": calls, "complaints": complaints}
    for name in TOLERANCES:
        mean, grown = growth(lines, name)
        flat = is_flat(name, mean, grown)
        passed = passed and flat
        figures[name] = {"mean": round(mean, 1), "growth": round(grown, 2), "flat": flat}
    lost = [e for e in owed if e.session not in kept.get((e.topic, e.port), {})]
    wrong = [
        e
        for e in owed
        if e not in lost and abs(kept[e.topic, e.port][e.session] - e.energy_kwh) > ENERGY_KWH
    ]
    figures["sessions"] = {"ended": len(owed), "lost": len(lost), "wrong energy": len(wrong)}
    figures["energy_kwh"] = {
        "simulator": round(sum(e.energy_kwh for e in owed), 6),
        "historian": round(
            sum(kept.get((e.topic, e.port), {}).get(e.session, 0.0) for e in owed), 6
        ),
    }
    figures["examples"] = [str(e) for e in (*lost[:3], *wrong[:3])]
    passed = passed and bool(owed) and not lost and not wrong
    figures["passed"] = passed
    text = json.dumps(figures, indent=1)
    (output / "figures.json").write_text(text)
    print(text)
    return int(not passed)


if __name__ == "__main__":
    sys.exit(
        main(
            float(os.environ.get("MINUTES") or 30),
            int(os.environ.get("STATIONS") or 1_000),
            Path("build/soak").absolute(),
        )
    )
