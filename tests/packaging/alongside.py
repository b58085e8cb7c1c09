"""`make alongside`: the wheel, installed where volttron-core is, changes none of its packages.

python -m tests.packaging.alongside FOLDER
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path

from .wheel import build


def main(folder: Path) -> int:
    venv.create(folder, with_pip=True, clear=True)
    core = f"volttron-core=={metadata.version('volttron-core')}"
    _pip(folder, "install", "--quiet", "--pre", core)
    before = _versions(folder)
    with tempfile.TemporaryDirectory() as scratch:
        wheel = build(Path(scratch) / "built")
        # The extra that brings most: a VEN's XML signatures and scheduler.
        _pip(folder, "install", "--quiet", f"{wheel}[openadr]")
    after = _versions(folder)
    changed = {n: (v, after.get(n)) for n, v in before.items() if after.get(n) != v}
    added = sorted(set(after) - set(before))
    broken = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{core}: {len(before)} packages before, {len(added)} added: {', '.join(added)}")
    print(f"changed: {changed or 'none'}")
    print(broken.stdout.strip())
    return int(bool(changed) or "chargepoint" in broken.stdout)


def _versions(folder: Path) -> dict[str, str]:
    listed = json.loads(_pip(folder, "list", "--format", "json"))
    return {package["name"]: package["version"] for package in listed}


def _pip(folder: Path, *words: str) -> str:
    command = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=900
    ).stdout


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
