"""`check` of 2,000 driver configs with their registries.

What a user gains: a change of a large site is checked before it is stored, in seconds.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from chargepoint_driver.simulator import ManualClock, Simulator

STATIONS = 1_000
PROGRAM = Path(sys.executable).with_name("chargepoint-driver")


def figures() -> Iterator[Figure]:
    """Processor time of the command, with the start of Python in it."""
    with tempfile.TemporaryDirectory() as folder:
        with Simulator(stations=STATIONS, ports_per_station=2, clock=ManualClock()) as simulator:
            written_s = _took_s(
                *("discover", "--write", folder, "--password-env", "BENCH_PASSWORD"),
                *("--username", simulator.username, "--endpoint", simulator.soap_url),
                password=simulator.password,
            )
        configs = sorted(map(str, Path(folder).rglob("*.config")))
        checked_s = _took_s("check", *configs)
    yield Figure(f"check of {len(configs):,} configs, processor", checked_s, "s", at_most=3)
    yield Figure(f"discover --write of {len(configs):,} configs, processor", written_s, "s")


def _took_s(*arguments: str, password: str = "") -> float:
    """Return the processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, "BENCH_PASSWORD": password},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
