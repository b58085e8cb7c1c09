"""The platform driver as it is, with somebody who counts what its process holds."""

from __future__ import annotations

# The host patches everything when it is imported, and has to be the first to do so.
from platform_driver import agent  # isort: skip

import gc
import json
import os
import threading
import time
from pathlib import Path

import gevent
import greenlet

EVERY_S = 10.0


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def sample() -> dict[str, float]:
    """What the process holds: memory in MiB, descriptors, threads, greenlets that live."""
    status = Path("/proc/self/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "time_s": time.monotonic(),
        "memory_mib": kib / 1024,
        "descriptors": _entries("/proc/self/fd"),
        "threads": _entries("/proc/self/task"),
        "greenlets": sum(
            isinstance(each, greenlet.greenlet) and not each.dead for each in gc.get_objects()
        ),
        "python_threads": threading.active_count(),
    }


def keep_sampling() -> None:
    with Path(os.environ["SOAK_SAMPLES"]).open("a") as file:
        while True:
            print(json.dumps(sample()), file=file, flush=True)
            gevent.sleep(EVERY_S)


if __name__ == "__main__":
    gevent.spawn(keep_sampling)
    agent.main()
