"""The short form of `make attack`: one flood from outside and one of a charger."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SHORT = """
from rich.console import Console
from tests.system.attacks.__main__ import run
rows = run(["half-heads-page", "pongs"], Console(width=140), is_short=True)
for row in rows:
    assert row.is_shed and row.heartbeats, row
    assert row.growth_mib <= 50 and row.log_bytes <= 1_000_000, row
    assert row.descriptors < 200, row
"""


def test_a_shed_holds_and_another_charger_is_served() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
