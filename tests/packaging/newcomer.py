"""The newcomer's path: the quick start and the README from the built wheel, timed step by step.

python -m tests.packaging.newcomer DIST SCRATCH

The wheel in DIST is installed with its extra `demo` into an empty environment in SCRATCH. Then the
commands of the pages run there word by word: simulated stations, a VOLTTRON platform, the driver
and the historian. Exit code 1 when a step fails.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterable
from pathlib import Path

from tests.docs.blocks import Block, page_of
from tests.docs.shell import Shell, ShellFailedError
from tests.docs.telling import story_of, tell

from .wheel import ROOT

ROWS = """\
until python -c "import sqlite3; c = sqlite3.connect('historian.sqlite'); exit(not c.execute(\
'SELECT count(*) FROM data').fetchone()[0])" 2> /dev/null; do sleep 0.5; done"""


class Timed:
    """Tells the blocks of stories in one shell, and prints the time of each step."""

    def __init__(self, shell: Shell, changes: dict[str, str], stdin: str) -> None:
        self._shell, self._changes, self._stdin = shell, changes, stdin
        self.total_s = 0.0

    def tell(self, page: Path, blocks: Iterable[Block]) -> None:
        """Run the blocks one by one. Raises ShellFailedError for the first that fails."""
        headings = _headings(page)
        group: list[Block] = []
        for block in [*blocks, None]:
            if group and (block is None or "output" not in block.labels):
                self._step(headings, group)
                group = []
            if block is not None:
                group.append(block)

    def wait(self, name: str, command: str, limit_s: float) -> None:
        """Run a command that waits, as a step with a name."""
        start = time.monotonic()
        self._shell.run(command, limit_s=limit_s)
        self._print(name, start)

    def _step(self, headings: dict[int, str], group: list[Block]) -> None:
        start = time.monotonic()
        tell(self._shell, group, self._change, stdin=self._stdin)
        heading = max((at for at in headings if at <= group[0].line), default=0)
        self._print(f"{group[0].page}:{group[0].line} {headings.get(heading, '')}", start)

    def _change(self, text: str) -> str:
        for old, new in self._changes.items():
            text = text.replace(old, new)
        return text

    def _print(self, name: str, start: float) -> None:
        took_s = time.monotonic() - start
        self.total_s += took_s
        print(f"{took_s:7.1f} s  {name}", flush=True)


def install(wheel: Path, folder: Path) -> Path:
    """An environment with the wheel and its extra `demo`; the folder of its programs."""
    start = time.monotonic()
    venv.create(folder / "venv", with_pip=True, clear=True)
    programs = folder / "venv" / "bin"
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check",
         "--pre", f"{wheel}[demo]"],
        check=True,
        timeout=900,
    )  # fmt: skip
    print(
        f"{time.monotonic() - start:7.1f} s  install {wheel.name}[demo] into an empty environment"
    )
    return programs


def main(dist: Path, scratch: Path) -> int:
    (wheel,) = dist.glob("*.whl")
    programs = install(wheel, scratch / "newcomer")
    soap, bus = _free_port(), _free_port()
    changes = {
        "8085": str(soap),
        "YOUR-USER-NAME": "simulator",
        "api-user": "simulator",
        "sleep 1; done": "sleep 0.2; done",
    }
    password = "not-a-real-password"
    quickstart, readme = page_of("quickstart.md"), ROOT / "README.md"
    with tempfile.TemporaryDirectory(prefix="new-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / ".volttron"
        home.mkdir()
        # The default port may belong to another platform on this machine.
        (home / "config").write_text(f"[volttron]\naddress = tcp://127.0.0.1:{bus}\n")
        with (
            Shell(Path(folder), {}, programs) as simulator,
            Shell(Path(folder), {}, programs) as shell,
        ):
            start, *_ = story_of(quickstart, "simulated")
            simulator.run(start.text.replace("8085", str(soap)))
            steps = Timed(shell, changes, f"{password}\n")
            _, *rest = story_of(quickstart, "simulated")
            steps.tell(quickstart, rest)
            quick = story_of(quickstart, "quickstart")
            at = next(n for n, block in enumerate(quick) if "sqlite3" in block.text)
            end = next(n for n, block in enumerate(quick) if "kill" in block.text)
            steps.tell(quickstart, quick[:at])
            steps.wait("the first rows in the historian", ROWS, 200)
            steps.tell(quickstart, quick[at:end])
            steps.tell(readme, story_of(readme, "use"))
            steps.tell(quickstart, quick[end:])
            left = shell.children()
        if left:
            raise SystemExit(f"newcomer: the pages leave {len(left)} processes running")
    print(f"{steps.total_s:7.1f} s  all steps after the installation")
    return 0


def _headings(page: Path) -> dict[int, str]:
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    return {number: line.lstrip("# ") for number, line in lines if re.match("#+ ", line)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    try:
        sys.exit(main(ROOT / sys.argv[1], Path(sys.argv[2])))
    except (ShellFailedError, AssertionError) as failed:
        sys.exit(f"newcomer: {failed}")
