"""Memory of a cached account, and its growth.

What a user gains: the driver can run for months on a small machine.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

from bench.figure import Figure
from bench.site import classic_rows, live_rows, site

STATIONS = 1_000
CYCLES = 1_000


def figures() -> Iterator[Figure]:
    """Bytes of the records of an account, and their number over many cycles."""
    with site(STATIONS, groups=10) as here:
        points = here.points(classic_rows())
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        here.service.read(points)
        gc.collect()
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        records = len(here.service.cache)
        grown = sum(
            entry.size_diff
            for entry in after.compare_to(before, "filename")
            if "/chargepoint_driver/" in entry.traceback[0].filename
            and "/simulator/" not in entry.traceback[0].filename
        )
    yield Figure(f"memory of {STATIONS:,} cached stations", grown / 2**20, "MiB", at_most=64)
    yield Figure(f"records of {STATIONS:,} cached stations", records, "records")
    with site(20) as here:
        points = here.points(live_rows())
        here.service.read(points)
        first, sizes = len(here.service.cache), []
        for _ in range(CYCLES):
            here.clock.now += 61.0
            here.service.read(points)
            sizes.append(len(here.service.cache))
    yield Figure(
        f"records of 20 stations after {CYCLES:,} cycles, against the first",
        max(sizes) / first,
        "times",
        at_most=1,
    )
