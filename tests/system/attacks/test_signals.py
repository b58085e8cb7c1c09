"""SIGTERM ends what serves, once or several times at once, also under load.

`make attack SIGNALS=200` ends that many real processes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .processes import Served, commands

# Signals that come within a microsecond of each other, while other threads work, to a wait that
# may not have begun. A lock in a handler hangs this in half of the tries.
MANY = """
import os, signal, threading, sys
from chargepoint_driver.process.signals import EndSignals
number, is_over = int(sys.argv[1]), threading.Event()
def work():
    lock = threading.Event()
    while not is_over.is_set():
        lock.set(); lock.clear()
threads = [threading.Thread(target=work, daemon=True) for _ in range(1)]
for each in threads:
    each.start()
def kill():
    for _ in range(number):
        os.kill(os.getpid(), signal.SIGTERM)
for _ in range(200):
    with EndSignals() as signals:
        killer = threading.Thread(target=kill)
        killer.start()
        signals.wait()
        killer.join()
is_over.set()
print("200 of 200")
"""


@pytest.mark.parametrize("number", [1, 3])
def test_200_of_200_end_under_load(number: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(number)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "200 of 200\n", done.stderr


@pytest.mark.parametrize("name", ["csms", "web", "sim"])
def test_three_signals_at_once_end_each_command(name: str, tmp_path: Path) -> None:
    served = Served(commands(tmp_path)[name], tmp_path / "log.txt")
    served.end(signals=3)
    assert served.returncode == 0, served.log
    assert "Traceback" not in served.log
