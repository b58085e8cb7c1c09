"""What a process holds, counted from inside it every few seconds.

Imported only after the host has patched the standard library.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
import greenlet

EVERY_S = 10.0
TYPES = 60  # the commonest; what leaks gets among them

counts: Counter[str] = Counter()
"""What else a process counts, by name; goes into each sample."""


def _entries(folder: str) -> int:
    return sum(1 for _ in Path(folder).iterdir())


def sample() -> dict[str, Any]:
    """Memory in MiB, descriptors, threads, greenlets and tasks that live; objects by type."""
    status = Path("/proc/self/status").read_text()
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    objects = gc.get_objects()
    types = Counter(map(type, objects))
    return {
        "time_s": time.monotonic(),
        "memory_mib": kib / 1024,
        "descriptors": _entries("/proc/self/fd"),
        "threads": _entries("/proc/self/task"),
        "greenlets": sum(isinstance(each, greenlet.greenlet) and not each.dead for each in objects),
        "tasks": sum(isinstance(each, asyncio.Task) for each in objects),
        "python_threads": threading.active_count(),
        "objects": len(objects),
        "types": {
            f"{kind.__module__}.{kind.__qualname__}": number
            for kind, number in types.most_common(TYPES)
        },
        "collections": gc.get_stats()[2]["collections"],
        "uncollectable": len(gc.garbage),
        **counts,
    }


def keep_sampling() -> None:
    """Append a line to the file that SOAK_SAMPLES names, for as long as the process lives."""
    with Path(os.environ["SOAK_SAMPLES"]).open("a") as file:
        while True:
            print(json.dumps(sample()), file=file, flush=True)
            gevent.sleep(EVERY_S)
