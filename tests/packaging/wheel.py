"""Building a wheel out of a copy of the tree, so that nothing left over from before gets in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHAT = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "chargepoint_driver", "volttron")
MOMENT = 1_700_000_000  # a fixed SOURCE_DATE_EPOCH
_BUILD = "from setuptools import build_meta; build_meta.build_{0}({1!r})"


def build(where: Path, kind: str = "wheel") -> Path:
    """The wheel (or `sdist`) of the tree, built below `where`."""
    tree, out = where / "tree", where / kind
    tree.mkdir(parents=True)
    out.mkdir()
    for name in WHAT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _BUILD.format(kind, str(out))],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(MOMENT)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = out.iterdir()
    return built
