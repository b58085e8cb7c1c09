"""`make fuzz-api`: Schemathesis sends requests made from the OpenAPI document to a running page.

    python -m tests.system.fuzz.api --max-examples 20

Arguments go on to `schemathesis run`. A failure is printed with a command that repeats it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from chargepoint_driver.http_server import authentication

from ...unit.web.conftest import TOKEN, Site

CONFIG = Path(__file__).with_name("schemathesis.toml")
# The stream of events does not end.
_ENDLESS = "events"


def fuzz(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what Schemathesis has found at a site; code 0: nothing."""
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
        f"{site.server.url}api/v1/openapi.json",
        *("-H", f"X-API-Key: {TOKEN}", "--exclude-operation-id", _ENDLESS),
        *("--phases", "examples,coverage,fuzzing", "--warnings", "off", "--no-color"),
        *("--request-timeout", "60", "--generation-database", "none"),
        *arguments,
    )
    return subprocess.run(command, capture_output=True, text=True, timeout=3_600, check=False)


def main(arguments: Sequence[str]) -> int:
    # Wrong keys are sent too, and each would wait up to 4 s.
    authentication._FIRST_S = 0.0
    site = Site()
    try:
        done = fuzz(site.ready(), *arguments)
    finally:
        site.close()
    print(done.stdout, done.stderr, sep="\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
