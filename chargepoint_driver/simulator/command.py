"""The simulator as a command: one line of JSON when ready, then serve until stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

from chargepoint_driver.process.signals import EndSignals

from .ocpp import InvalidScenarioError, Scenario, Twins
from .simulator import DEFAULT_PASSWORD, DEFAULT_USERNAME, Simulator
from .world.clock import ScaledClock


def run(
    stations: int = 4,
    ports_per_station: int = 2,
    seed: int = 7,
    speed: float = 60.0,
    soap_port: int = 0,
    username: str = DEFAULT_USERNAME,
    password: str = DEFAULT_PASSWORD,
    shed_delay_s: float = 0.0,
    clear_delay_s: float = 0.0,
    groups: int | None = None,
    organisations: int = 1,
    stop: Event | None = None,
    twins: Mapping[str, Any] | None = None,
    scenario: Scenario | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM (or until `stop` is set); returns the exit status.

    Prints one line of JSON to stdout when ready: soap_url, username, password,
    stations (ids), groups (sgIDs), stats_url; with `twins` (arguments of Twins) also
    charge_points (ids) and control_url, and without stations only those two. Status 0
    after an orderly end, 2 for arguments that make no sense, 1 when a port cannot be bound;
    the reason goes to stderr. Signals are handled in the main thread only and put back at
    the end.
    """
    try:
        clock = ScaledClock(speed)
        fleet = None if twins is None else Twins(seed=seed, clock=clock, **twins)
        simulator = None
        if stations or fleet is None:
            simulator = Simulator(
                stations=stations,
                ports_per_station=ports_per_station,
                seed=seed,
                clock=clock,
                soap_port=soap_port,
                username=username,
                password=password,
                groups=groups,
                organisations=organisations,
                shed_delay_s=shed_delay_s,
                clear_delay_s=clear_delay_s,
            )
    except ValueError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    except (OSError, OverflowError) as error:
        print(f"simulator: port {soap_port} cannot be used: {error}", file=sys.stderr)
        return 1
    try:
        with EndSignals() as signals, ExitStack() as running:
            for part in (simulator, fleet):
                if part is not None:
                    running.enter_context(part)
            print(json.dumps(ready_line(simulator, fleet)), flush=True)
            if fleet is not None and scenario is not None:
                Thread(target=_play, args=(fleet, scenario), daemon=True).start()
            signals.wait(stop)
    except (ValueError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0


def ready_line(simulator: Simulator | None, twins: Twins | None = None) -> dict[str, object]:
    """Return what a caller needs to know to use the simulator and the twins."""
    line: dict[str, object] = {}
    if simulator is not None:
        line = {
            "soap_url": simulator.soap_url,
            "username": simulator.username,
            "password": simulator.password,
            "stations": [station.station_id for station in simulator.world.stations],
            "groups": [group.group_id for group in simulator.world.groups],
            "stats_url": simulator.stats_url,
        }
    if twins is not None:
        line |= {"charge_points": twins.ids, "control_url": twins.control_url}
    return line


def _play(twins: Twins, scenario: Scenario) -> None:
    try:
        twins.play(scenario)
    except (InvalidScenarioError, RuntimeError, CancelledError) as error:
        print(f"simulator: {error}", file=sys.stderr)
