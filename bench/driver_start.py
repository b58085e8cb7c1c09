"""Cost of configuring and keeping devices in the platform driver.

What a user gains: a restart takes seconds, and a site of a thousand stations fits a small machine.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import csv
import gc
import json
import logging
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure
from bench.platform import Host
from bench.site import CLASSIC

FEW, MANY, FEW_TRACED = 1_000, 10_000, 200
# Devices under one building, and buildings under one campus. treelib, the host's tree, copies the
# rest of the siblings for each node.
PER_BUILDING, BUILDINGS = 100, 10
# Runs with few stations, whose median counts: one run is 4 % more or less than another.
TURNS = 3


def figures() -> Iterator[Figure]:
    """Processor time for each device, and how it grows."""
    begun = [_child(FEW) for _ in range(TURNS - 1)]
    many = _child(MANY)
    few = sorted([*begun, _child(FEW)], key=lambda found: found["seconds"])[TURNS // 2]
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
    for count, found in ((FEW, few), (MANY, many)):
        yield Figure(f"memory of the driver with {count:,} stations", found["mib"], "MiB")
    yield Figure(
        f"memory of a station of {few['rows']} points in the driver",
        few["grown_kib"] / FEW,
        "KiB",
        at_most=200,
    )
    yield Figure("the same for each row", few["grown_kib"] * 1024 / FEW / few["rows"], "bytes")
    shares = _child(FEW_TRACED, "trace")
    for name, what in (("ours", "this project's objects"), ("models", "the host's row models")):
        yield Figure(f"of a row's memory {what}; the rest is the host's tree", shares[name], "%")


def _child(count: int, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.driver_start", str(count), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=500, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _configured(count: int) -> tuple[Host, int, float, int]:
    """Return (driver, rows of a device, seconds of the processor, KiB that it grew by)."""
    logging.disable(logging.CRITICAL)
    rows = list(csv.DictReader(CLASSIC.read_text(encoding="utf-8").splitlines()))
    host = Host()
    gc.collect()
    before_kib, begun = resident_kib(), time.process_time()
    host.configure((_topic(number), _device(f"1:{number}", rows)) for number in range(count))
    seconds = time.process_time() - begun
    assert len(host.interface.point_map) == count * len(rows)
    return host, len(rows), seconds, resident_kib() - before_kib


def _topic(number: int) -> str:
    building = number // PER_BUILDING
    return f"campus{building // BUILDINGS}/b{building}/s{number}"


def _measure(count: int) -> dict[str, Any]:
    _, rows, seconds, grown_kib = _configured(count)
    mib = resident_kib() / 1024
    return {"seconds": seconds, "mib": mib, "rows": rows, "grown_kib": grown_kib}


def _shares(count: int) -> dict[str, Any]:
    """Return per cent of what Python allocates for devices, by who asks for it."""
    tracemalloc.start()
    _configured(count)
    gc.collect()
    sizes = {"ours": 0, "models": 0, "host": 0}
    for found in tracemalloc.take_snapshot().statistics("filename"):
        path = found.traceback[0].filename
        if "/chargepoint_driver/" in path:
            sizes["ours"] += found.size
        elif "/pydantic/" in path:
            sizes["models"] += found.size
        elif "/site-packages/" in path or "weakref" in path:
            sizes["host"] += found.size
    return {name: 100 * size / sum(sizes.values()) for name, size in sizes.items()}


def resident_kib() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4


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
    wanted = _shares if sys.argv[2:] == ["trace"] else _measure
    print(json.dumps(wanted(int(sys.argv[1]))), flush=True)
    os._exit(0)  # the host's greenlets and the account's pools are not waited for
