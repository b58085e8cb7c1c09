"""Cost of the host's `/all` publishes, with the rows of the classic registry and of `discover`.

What a user gains: on a large site fewer rows on `/all` save most of what the driver costs.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import csv
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.platform import Host
from bench.site import CLASSIC
from chargepoint_driver.simulator import ManualClock, Simulator

STATIONS = 200
TURNS = 5
PROGRAM = Path(sys.executable).with_name("chargepoint-driver")


def figures() -> Iterator[Figure]:
    """Processor time of a station, on a bus that encodes and keeps nothing."""
    logging.disable(logging.CRITICAL)
    with Simulator(stations=STATIONS, ports_per_station=2, clock=ManualClock()) as simulator:
        registries = {
            "the classic registry": list(csv.DictReader(CLASSIC.open(encoding="utf-8"))),
            "discover --all-points": _discovered(simulator, "--all-points"),
            "discover": _discovered(simulator),
        }
        host = Host()
        host.configure(
            (f"campus/{name.split()[-1]}/s{number}", _device(simulator, station.station_id, rows))
            for name, rows in registries.items()
            for number, station in enumerate(simulator.world.stations)
        )
        costs = {name: _costs(host, f"devices/campus/{name.split()[-1]}/") for name in registries}
        host.stop()
    for name, (all_ms, read_ms) in costs.items():
        what = f"a station with the {len(registries[name])} rows of {name}"
        yield Figure(f"the host's /all of {what}", all_ms, "ms")
        yield Figure(f"our reading of {what}, from current replies", read_ms, "ms")
        yield Figure(f"/all against our reading, {what}", all_ms / read_ms, "times")
    yield Figure(
        "/all with the rows of discover, against those of discover --all-points",
        costs["discover"][0] / costs["discover --all-points"][0],
        "times",
        at_most=0.6,
    )


def _discovered(simulator: Simulator, *options: str) -> list[dict[str, str]]:
    """Return the registry that `discover` writes for a station with two ports."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(PROGRAM, "discover", "--write", folder, "--per", "station", *options),
                *("--password-env", "BENCH_PASSWORD"),
                *("--username", simulator.username, "--endpoint", simulator.soap_url),
            ],
            env={**os.environ, "BENCH_PASSWORD": simulator.password},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=True,
        )
        (file,) = Path(folder).rglob("*.csv")
        return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def _costs(host: Host, prefix: str) -> tuple[float, float]:
    """Return the milliseconds of (an `/all` publish, our reading) of a device below a topic."""
    interface, tree = host.interface, host.agent.equipment_tree
    topics = [topic for topic in interface.point_map if topic.startswith(prefix)]
    values, errors = interface.get_multiple_points(topics)
    assert len(values) > len(topics) / 2, next(iter(errors.values()))
    for topic in topics:
        tree.get_node(topic).last_value = values.get(topic)
    devices = [each for each in tree.devices(tree.root) if each.identifier.startswith(prefix)]

    def publish() -> None:
        for device in devices:
            host.agent._all_publish(device)

    before = host.pubsub.counts["all"]
    all_s = min(_took(publish) for _ in range(TURNS))
    assert host.pubsub.counts["all"] - before == TURNS * STATIONS
    read_s = min(_took(lambda: interface.get_multiple_points(topics)) for _ in range(TURNS))
    return 1_000 * all_s / STATIONS, 1_000 * read_s / STATIONS


def _took(work: Any) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _device(simulator: Simulator, station: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "driver_type": "chargepoint",
        "driver_config": {
            "username": simulator.username,
            "password": simulator.password,
            "endpoint": simulator.soap_url,
            "stationID": station,
            "cacheExpiration": 1e9,
        },
        "registry_config": rows,
        "interval": 3600,
        "publish_depth_first_all": True,
        "all_publish_interval": 3600,
    }
