"""Cost of 2,000 chargers that report every 10 s, in the real driver agent.

What a user gains: a site of that size leaves most of a core to the platform.
"""

from __future__ import annotations

# As in the platform driver's process: all of it is gevent's, from the start.
from gevent import monkey

monkey.patch_all()

import logging
import tempfile
import time
from collections.abc import Iterator

from bench.driver_start import resident_kib
from bench.figure import Figure
from bench.ocpp_bus import Site

CHARGERS = 2_000
EVERY_S = 10
SECONDS = 60.0


def figures() -> Iterator[Figure]:
    """Processor time of the whole driver process, against the time that passes."""
    logging.disable(logging.WARNING)
    what = f"{CHARGERS:,} chargers every {EVERY_S} s in the driver, all rows"
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        site = Site(CHARGERS, folder)
        try:
            yield Figure(f"{what}: start", time.process_time() - begun, "s of a core")
            # Each has been heard of, at the same pace.
            site.send(CHARGERS / EVERY_S, EVERY_S + 2)
            published = site.host.pubsub.counts["multi"]
            begun, wall = time.process_time(), time.perf_counter()
            answered = site.send(CHARGERS / EVERY_S, SECONDS)
            used_s, passed_s = time.process_time() - begun, time.perf_counter() - wall
            yield Figure(f"{what}: processor", 100 * used_s / passed_s, "% of a core", at_most=50)
            yield Figure(
                f"{what}: frames answered, of those due",
                100 * answered / (CHARGERS / EVERY_S * SECONDS),
                "%",
                at_least=98,
            )
            published = site.host.pubsub.counts["multi"] - published
            yield Figure(f"{what}: frames that were published", 100 * published / answered, "%")
            yield Figure(f"{what}: memory", resident_kib() / 1024, "MiB")
        finally:
            site.close()
