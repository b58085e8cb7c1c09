"""`make pythons`: the tests under each Python that is there, in an environment of its own.

    python -m tests.packaging.pythons FOLDER PYTHON...

Needs the standard library only. A Python that is not there is named and passed over; where the
platform cannot be installed, the rest is, and why is said. Ends with 1 when tests failed, or when
there was no Python at all.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALL = ".[all,test,check]"
WITHOUT_PLATFORM = ".[ocpp,plot,web,test,check]"
START_S, INSTALL_S, TESTS_S = 30, 1_800, 3_600
_TELL = "import sys; print('%d.%d.%d' % sys.version_info[:3])"


def version(python: str) -> str | None:
    """Its version; None where it is not there. A name may be there and start nothing: that of a
    shim, for a version that is not chosen."""
    if shutil.which(python) is None:
        return None
    try:
        reported = subprocess.run(
            [python, "-c", _TELL], capture_output=True, text=True, timeout=START_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return reported.stdout.strip() if reported.returncode == 0 else None


def install(python: str, folder: Path) -> str:
    """Make the environment. Returns why the platform is not in it, "" where it is; raises
    RuntimeError when not even the rest can be installed."""
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True, timeout=INSTALL_S)
    without = _pip(folder, ALL)
    if without and (fault := _pip(folder, WITHOUT_PLATFORM)):
        raise RuntimeError(fault)
    return without


def _pip(folder: Path, what: str) -> str:
    """Install. Return pip's error, "" for none."""
    # volttron-core names one release of gevent; under a Python that is newer, it does not compile.
    options = ["--quiet", "--disable-pip-version-check", "--only-binary", "gevent"]
    done = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", *options, "--editable", what],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    return (lines or ["pip failed"])[-1].removeprefix("ERROR: ")


def run(python: str, folder: Path) -> tuple[bool | None, str]:
    """(whether all is well, None where it is not there; what to say of it)."""
    found = version(python)
    if found is None:
        return None, "is not here: skipped"
    environment = folder / found
    began_s = time.monotonic()
    try:
        without = install(python, environment)
        command = [environment / "bin" / "python", "-m", "tests"]
        code = subprocess.run(command, cwd=ROOT, timeout=TESTS_S, check=False).returncode
    except (RuntimeError, subprocess.SubprocessError) as error:
        return False, f"{found}: FAILED: {error}"
    said = "passed" if code == 0 else f"FAILED (the tests ended with {code})"
    platform = f"; without platform: {without}" if without else ""
    return code == 0, f"{found}: {said} in {time.monotonic() - began_s:.0f} s{platform}"


def main(folder: Path, pythons: list[str]) -> int:
    outcomes = []
    for python in pythons:
        is_well, said = run(python, folder)
        print(f"{python} {said}", flush=True)
        outcomes.append((is_well, f"{python} {said}"))
    print("", *(line for _, line in outcomes), sep="\n")
    ran = [is_well for is_well, _ in outcomes if is_well is not None]
    return 0 if ran and all(ran) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
