"""`make audit`: known vulnerabilities of what is installed, or of the lowest versions allowed.

    python -m tests.packaging.audit installed|lowest PIP_AUDIT

pip-audit asks the package index about each release.
Ends with 1 when something is vulnerable, with 2 when something could not be asked about.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from packaging.utils import canonicalize_name

from .minima import minima, sections

OURS = "volttron-lib-chargepoint-driver"
LIMIT_S = 900


def installed() -> list[str]:
    """Return `name==version` of each package but this one."""
    found = {canonicalize_name(each.name): each.version for each in metadata.distributions()}
    return sorted(f"{name}=={version}" for name, version in found.items() if name != OURS)


def lowest() -> list[str]:
    """`name==version` of each requirement that names its lowest version."""
    return sorted({pin.lower() for pin in minima(*sections())})


def asked(pins: Iterable[str], pip_audit: str) -> tuple[list[str], list[str]]:
    """Return pip-audit's answer: (vulnerable, unknown to the index). Raises RuntimeError when it
    prints nothing at all."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(pins))
        file.flush()
        command = [pip_audit, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        done = subprocess.run(
            [*command, "--format", "json", "--requirement", file.name],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    try:
        answers: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or ["no output"]
        raise RuntimeError(f"pip-audit failed: {lines[-1][:300]}") from None
    vulnerable, unknown = [], []
    for each in answers:
        if "skip_reason" in each:
            unknown.append(each["name"])
        for found in each.get("vulns", ()):
            fixed = ", ".join(found["fix_versions"]) or "no release"
            vulnerable.append(f"{each['name']}=={each['version']}: {found['id']}, fixed in {fixed}")
    return vulnerable, unknown


def main(which: str, pip_audit: str) -> int:
    pins = {"installed": installed, "lowest": lowest}[which]()
    try:
        vulnerable, unknown = asked(pins, pip_audit)
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"{which}: not asked: {error}")
        return 2
    known = len(pins) - len(unknown)
    print(f"{which}: the index, today: {len(vulnerable)} advisories for {known} packages")
    print(*(f"  {line}" for line in vulnerable), sep="\n", end="\n" if vulnerable else "")
    if unknown:
        print(f"{which}: the index does not know {len(unknown)}: {', '.join(unknown)}")
    return 1 if vulnerable else 2 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
