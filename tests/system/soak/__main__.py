"""`make soak`: 1,000 stations and 500 chargers on fast clocks, on a real platform with its
historian.

Passes when what the driver and the caching agent hold is flat after warm-up, when the machine kept
up with every poll, and when every session that the simulator ended stands in the historian (and
the central system's database) with the simulator's energy.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from chargepoint_driver.simulator import Simulator
from examples.demo.platform import Platform, temporary_home
from examples.demo.processes import Processes

from . import historian, load, report
from .fleets import INTERVAL_S, PORTS, SPEED, Fleet, SoapFleet, owed
from .sinks import AWAY_S, Sinks
from .twins import TwinFleet

DRIVER, HISTORIAN, AGENT = "platform.driver", "platform.historian", "platform.chargepoint"
SAMPLED = {DRIVER: "tests.system.soak.driver", AGENT: "tests.system.soak.agent"}
START_LIMIT_S = 300.0
# Lines of the driver's log about lost values, and about a slow bus.
LOST = {
    "points not read": "Failed to poll",
    "skipped as stale": "Data is stale",
    "skipped polls": "to catch up to the current time",
}
SLOW = {"unconfirmed for 10 s": "Did not receive confirmation of publish"}
ENERGY_KWH = 1e-6  # six decimals are reported


def main(minutes: float, stations: int, chargers: int, output: Path) -> int:
    output.mkdir(parents=True, exist_ok=True)
    database, books = output / "historian.sqlite", output / "ocpp.sqlite"
    for path in (*output.glob("*.[sj]*"), *output.glob("logs/*")):
        path.unlink()
    sinks = Sinks(output, books)
    with (
        temporary_home() as home,
        Processes(output / "logs") as processes,
        Simulator(stations=stations, ports_per_station=PORTS, speed=SPEED) as simulator,
        TwinFleet(chargers, AGENT, books) as twins,
    ):
        fleets: list[Fleet] = [SoapFleet(simulator), twins]
        platform = Platform(home, processes)
        platform.launch()
        platform.connect()
        for identity in (DRIVER, HISTORIAN, AGENT):
            platform.add_credentials(identity)
        platform.store(AGENT, "config", {"accounts": {twins.name: twins.account(sinks.config())}})
        platform.store(DRIVER, "config", {})
        devices = [each for fleet in fleets for each in fleet.devices()]
        for fleet in fleets:
            platform.store(DRIVER, *fleet.registry)
        for topic, config in devices:
            platform.store(DRIVER, f"devices/{topic}", config)
        connection = {"type": "sqlite", "params": {"database": str(database)}}
        platform.start_agent(HISTORIAN, "historian.sql.historian", {"connection": connection})
        _start(platform, AGENT, output)
        twins.connect(START_LIMIT_S)
        _start(platform, DRIVER, output)
        processes.wait_for(
            "The first poll", lambda: historian.has_devices(database, len(devices)), START_LIMIT_S
        )
        print(f"{len(devices)} devices are polled; {minutes:g} minutes begin", flush=True)
        begin, begin_utc = load.now(), _utc()
        # What was there before the first poll may have gone before it.
        from_s = {fleet.name: fleet.now_s() + 2 * INTERVAL_S * SPEED for fleet in fleets}
        comes_s: float | None = begin.at_s + min(AWAY_S, 20 * minutes)
        while time.monotonic() < begin.at_s + 60 * minutes:
            processes.check()
            time.sleep(1.0)
            if comes_s is not None and time.monotonic() >= comes_s:
                comes_s = None
                sinks.arrive(processes, home)
        used, end_utc = load.shares(begin, load.now()), _utc()
        settled_s = {fleet.name: fleet.now_s() for fleet in fleets}
        twins.settle()
        records = [each for each in twins.records() if each.end_s <= settled_s[twins.name]]
        ended = {
            fleet.name: owed(fleet.ended(), from_s[fleet.name], settled_s[fleet.name])
            for fleet in fleets
        }
        calls = {"total": simulator.calls.total, **simulator.calls.counts()}
        messages, faults = twins.messages(), twins.faults()
        delivered = sinks.compared(sinks.settle(processes))
        processes.stop(DRIVER)
        processes.stop(HISTORIAN)  # it stores what it still holds
        processes.stop(AGENT)
        logs = {name: processes.complaints(name) for name in SAMPLED}
        written = twins.books()
    log = (output / "logs" / f"{DRIVER}.log").read_text(errors="replace")
    said = {name: log.count(words) for name, words in (LOST | SLOW).items()}
    published = report.missing(
        historian.publishes(database, begin_utc, end_utc),
        [topic for topic, _ in devices],
        # The first and the last may lie beyond the ends.
        int(60 * minutes / INTERVAL_S) - 1,
    )
    kept = historian.sessions(database)
    figures: dict[str, Any] = {
        "run": {"minutes": minutes, "interval_s": INTERVAL_S, "speed": SPEED},
        "processors": used,
        "keeping up": {
            **published,
            **said,
            "passed": not any((published["missing"], *(said[name] for name in LOST))),
        },
        **{name: report.held(_samples(output, name)) for name in SAMPLED},
        **{
            f"{name} in the historian": report.compared(sessions, kept, ENERGY_KWH)
            for name, sessions in ended.items()
        },
        # A difference of whole Wh, which is what the meters count.
        "twins in the books": report.compared(records, written, ENERGY_KWH),
        "events in the sinks": delivered,
        "twins": {"messages": messages, "faults": faults, "passed": not faults},
        "calls": calls,
        "complaints": logs,
    }
    return report.write(figures, output)


def _start(platform: Platform, identity: str, output: Path) -> None:
    env = {"SOAK_SAMPLES": str(_samples(output, identity))}
    platform.start_agent(identity, SAMPLED[identity], env=env)


def _samples(output: Path, identity: str) -> Path:
    return output / f"{identity}.jsonl"


def _utc() -> str:
    return datetime.now(timezone.utc).replace(tzinfo=None).isoformat()


if __name__ == "__main__":
    # An early end ends the platform too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(
        main(
            float(os.environ.get("MINUTES") or 30),
            int(os.environ.get("STATIONS") or 1_000),
            int(os.environ.get("CHARGERS") or 500),
            Path("build/soak").absolute(),
        )
    )
