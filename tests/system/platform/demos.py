"""The demo as a child process, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 280  # under the limit of a test; alone it takes 25 s


@dataclass(frozen=True)
class Mark:
    """Something in the environment that every process inherits which a test starts."""

    name: str = "CHARGEPOINT_TEST"
    value: str = field(default_factory=lambda: str(uuid.uuid4()))

    def alive(self) -> list[str]:
        """The command lines of all living processes that inherited it."""
        wanted = f"{self.name}={self.value}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # Ended meanwhile, or somebody else's.
        return found


@dataclass(frozen=True)
class Finished:
    """A demo that has ended."""

    code: int
    text: str
    output: Path
    homes_left: list[str]
    processes_left: list[str]

    @property
    def report(self) -> dict[str, Any]:
        """Return the content of report.json."""
        found: dict[str, Any] = json.loads((self.output / "report.json").read_text())
        return found


@contextmanager
def running_demo(
    output: Path, mark: Mark, *words: str, **env: str
) -> Iterator[subprocess.Popen[str]]:
    """The demo with these options; its output in one pipe; gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "examples.demo", "--output", str(output), *words],
        cwd=ROOT,
        # A home and an identity of somebody else's must not matter.
        env={
            **os.environ,
            **env,
            mark.name: mark.value,
            "VOLTTRON_HOME": "/nonexistent",
            "AGENT_CONFIG": "none",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()  # It ends its children before it ends.
                process.communicate(timeout=60)


def finished_demo(output: Path, *words: str) -> Finished:
    """Return the demo with these options, when it has ended."""
    mark = Mark()
    # The platform's home must be short, which a folder of pytest's is not.
    with tempfile.TemporaryDirectory() as homes:
        with running_demo(output, mark, *words, TMPDIR=homes) as process:
            text, _ = process.communicate(timeout=LIMIT_S)
        left = [str(home) for home in Path(homes).iterdir()]
    return Finished(process.returncode, text, output, left, mark.alive())
