"""A scrape of `/metrics`: its cost, and the size of its answer.

What a user gains: Prometheus may scrape a large site, and its storage does not grow with the site.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.figure import Figure
from chargepoint_driver.backends.ocpp import CentralSystem, OcppConfig
from chargepoint_driver.metrics import Exposition, of_central_system

FEW, MANY = 20, 20_000
SCRAPES = 5


def figures() -> Iterator[Figure]:
    """CPU of a scrape by the number of chargers, and the bytes of its answer."""
    few_s, few_bytes = _scrape(FEW)
    many_s, many_bytes = _scrape(MANY)
    yield Figure(f"CPU of a scrape, {FEW} chargers", few_s * 1e3, "ms")
    yield Figure(f"CPU of a scrape, {MANY:,} chargers", many_s * 1e3, "ms")
    yield Figure(
        f"bytes of the answer, {MANY:,} chargers against {FEW}",
        many_bytes / few_bytes,
        "times",
        at_most=1.2,
    )


def _scrape(chargers: int) -> tuple[float, int]:
    """(seconds of CPU, bytes of the answer) with this number of chargers in memory."""
    with tempfile.TemporaryDirectory() as folder:
        config = OcppConfig(
            listen="127.0.0.1:0",
            database=Path(folder) / "csms.sqlite",
            max_charge_points=2 * MANY,
        )
        system = CentralSystem(config)
        system.start()
        try:
            csms = system._running
            now_s = csms.now()
            for number in range(chargers):
                point = csms._registry.add(f"CP{number:05d}")
                point.last_seen_s = now_s
                connector = point.connector(1)
                connector.status, connector.status_s = "Charging", now_s
                connector.status_received_s = now_s
            served = Exposition(lambda: [of_central_system("ocpp", system)], {}, keep_s=0)
            costs, size = [], 0
            for _ in range(SCRAPES):
                began_s = time.process_time()
                size = len(served.text())
                costs.append(time.process_time() - began_s)
        finally:
            system.stop()
    return median(costs), size
