"""Parts of `make bench` that reach into the driver, with few chargers: they run, and print what the
docs name. Their figures are not judged here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import __main__ as bench

ROOT = Path(__file__).parents[3]
FEW_CHARGERS = {"CHARGERS": 3, "PACES": {20: 1.0}, "SECONDS": 0.5, "BEGIN_S": 0.2}
FEW = """
import json, sys
import bench.{part} as part
for name, value in {sizes!r}.items():
    setattr(part, name, value)
print(json.dumps([figure.what for figure in part.figures()]))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("platform_driver") is None,
    reason="needs a platform driver: pip install '.[volttron]'",
)
@pytest.mark.parametrize(
    ("part", "sizes", "named"),
    [
        ("ocpp_bus", FEW_CHARGERS, "full collections"),
        ("ocpp_profile", FEW_CHARGERS, "commit of SQLite"),
        ("writes", {"STATIONS": 20}, "nothing due: calls"),
    ],
)
def test_a_part_runs(part: str, sizes: dict[str, object], named: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FEW.format(part=part, sizes=sizes)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any(named in what for what in json.loads(done.stdout))


def test_each_part_is_a_module_that_says_what_a_user_gains() -> None:
    parts = {*bench.PARTS, *bench.MORE}
    for part in parts:
        text = (ROOT / "bench" / f"{part}.py").read_text(encoding="utf-8")
        assert "What a user gains: " in text
        assert "def figures()" in text
