"""How much of the processors a run and the rest of the machine use, from /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Moment:
    """Seconds: by the clock, of processors by this run's processes, by the whole machine."""

    at_s: float
    own_s: float
    machine_s: float


def now() -> Moment:
    return Moment(time.monotonic(), _own_s(), _machine_s())


def shares(begin: Moment, end: Moment) -> dict[str, float]:
    """Share of all processors that this run used, and all that ran on the machine."""
    most_s = (end.at_s - begin.at_s) * (os.cpu_count() or 1)
    return {
        "run": round((end.own_s - begin.own_s) / most_s, 3),
        "machine": round((end.machine_s - begin.machine_s) / most_s, 3),
    }


def _own_s() -> float:
    """Of this process and all that descend from it and live."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        parents[int(folder.name)] = int(fields[1])
        used[int(folder.name)] = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used.get(pid, 0.0) for pid in ours)


def _machine_s() -> float:
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, *interrupts = map(int, words)
    return (user + nice + system + sum(interrupts[:3])) / _TICKS_PER_S
