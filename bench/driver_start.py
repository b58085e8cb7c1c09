"""What it costs the platform driver to configure its devices: how long a restart takes."""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import csv
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.platform import Host
from bench.site import CLASSIC

FEW, MANY = 1_000, 10_000
# Devices under one topic. treelib, the host's tree, copies the rest of the siblings for each node.
PER_TOPIC = 100


def figures() -> Iterator[Figure]:
    """Processor time for each device, and how it grows."""
    few, many = (_child(count) for count in (FEW, MANY))
    yield Figure(
        f"configure {FEW:,} stations of 57 points in the driver, each",
        few["seconds"] / FEW * 1_000,
        "ms",
        at_most=8,
    )
    yield Figure(
        f"the same of {MANY:,} stations, against {FEW:,}",
        many["seconds"] / few["seconds"],
        "times",
        at_most=11,
    )
    yield Figure(f"memory of the driver with {FEW:,} stations", few["mib"], "MiB")


def _child(count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.driver_start", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=500, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure(count: int) -> dict[str, float]:
    logging.disable(logging.CRITICAL)
    rows = list(csv.DictReader(CLASSIC.read_text(encoding="utf-8").splitlines()))
    host = Host()
    begun = time.process_time()
    host.configure(
        (f"campus/b{number // PER_TOPIC}/s{number}", _device(f"1:{number}", rows))
        for number in range(count)
    )
    seconds = time.process_time() - begun
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    assert len(host.interface.point_map) == count * len(rows)
    return {"seconds": seconds, "mib": pages * 4 / 1024}


def _device(station: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    """A device of an account that is never asked: configuring makes no call."""
    return {
        "driver_type": "chargepoint",
        "driver_config": {
            "username": "bench",
            "password": "bench",
            "endpoint": "http://127.0.0.1:9/",
            "stationID": station,
        },
        "registry_config": rows,
        "interval": 60,
    }


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))), flush=True)
    os._exit(0)  # the host's greenlets and the account's pools are not waited for
