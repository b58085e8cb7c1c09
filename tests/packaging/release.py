"""`make release-check`: what is handed out is built, installed and used from empty environments.

python -m tests.packaging.release DIST SCRATCH

DIST gets the sdist and the wheel. Each is installed into an environment of its own. Its commands
run there against its own simulator, from a folder outside the tree. Exit code 1 when one fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

from .wheel import ROOT, build

PASSWORD = "simulated"
IN_SDIST = ("README.md", "LICENSE", "setup.cfg", "pyproject.toml", "chargepoint_driver/__init__.py")


def main(dist: Path, scratch: Path) -> int:
    dist.mkdir(parents=True, exist_ok=True)
    for old in [*dist.glob("*.whl"), *dist.glob("*.tar.gz")]:
        old.unlink()
    built = {}
    for kind in ("sdist", "wheel"):
        with tempfile.TemporaryDirectory() as folder:
            built[kind] = Path(shutil.copy(build(Path(folder) / "built", kind), dist))
    check_names(built["sdist"])
    subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.values())], check=True
    )
    for kind, path in built.items():
        smoke(kind, path, scratch / kind)
    print(f"release-check: {', '.join(path.name for path in built.values())} in {dist}")
    return 0


def check_names(sdist: Path) -> None:
    """Raise SystemExit when the sdist lacks a file that building from it needs."""
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    missing = [name for name in IN_SDIST if name not in names]
    if missing:
        raise SystemExit(f"{sdist.name}: lacks {', '.join(missing)}")


def smoke(kind: str, path: Path, folder: Path) -> None:
    """Install one file into an empty environment and use its commands there."""
    venv.create(folder / "venv", with_pip=True, clear=True)
    python = folder / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", path]
    subprocess.run(install, check=True, timeout=900)
    program = str(folder / "venv" / "bin" / "chargepoint-driver")
    home = folder / "elsewhere"
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONSAFEPATH": "1"}

    def run(*words: str, **more: str) -> str:
        done = subprocess.run(
            [program, *words],
            cwd=home,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise SystemExit(
                f"{kind}: {' '.join(words)} ended with {done.returncode}: {done.stderr}"
            )
        return done.stdout

    print(f"{kind}: {run('--version').strip()}")
    run("points", "--json")
    run("examples", "copy", "--force")
    with subprocess.Popen(
        [program, "sim", "--password", PASSWORD], cwd=home, env=environment, stdout=subprocess.PIPE
    ) as simulator:
        try:
            assert simulator.stdout is not None
            ready = json.loads(simulator.stdout.readline())
            account = {
                "CHARGEPOINT_ENDPOINT": ready["soap_url"],
                "CHARGEPOINT_USERNAME": ready["username"],
                "CHARGEPOINT_PASSWORD": PASSWORD,
            }
            shutil.rmtree(home / "site", ignore_errors=True)
            run("discover", "--write", "site", **account)
            configs = sorted(str(each) for each in (home / "site").rglob("*.config"))
            run("check", *configs, **account)
            device = next(each for each in configs if "driver_configs" in each)
            run("read", device, **account)
        finally:
            simulator.terminate()
            simulator.wait(20)
    print(f"{kind}: installed, points, discover, check and read run")


if __name__ == "__main__":
    sys.exit(main(ROOT / sys.argv[1], Path(sys.argv[2])))
