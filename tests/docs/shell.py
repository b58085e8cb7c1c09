"""A shell as a reader has it: one bash for all commands of a story, with job control."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

MARK = "CHARGEPOINT_DOCS_TEST"
# VOLTTRON refuses root, and a reader is not root; in a user namespace root is user 1000.
AS_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


class ShellFailedError(Exception):
    """A command failed; the text is what it printed."""


class Shell:
    """Runs blocks of commands in one folder. Ends everything it started, by a mark in the
    environment that all of it inherits."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], programs: Path = Path(sys.executable).parent
    ) -> None:
        """Start bash in `folder`; the commands in `programs` are found first."""
        self.folder = folder
        self._mark = str(uuid.uuid4())
        foreign = ("VOLTTRON_", "AGENT_", "CHARGEPOINT_", "PYTHONWARNINGS", "_LAUNCHED_BY")
        mine = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
        self._env = {
            **mine,
            "PATH": f"{programs}{os.pathsep}{mine.get('PATH', os.defpath)}",
            "HOME": str(folder),
            "COLUMNS": "120",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **env,
            MARK: self._mark,
        }
        prefix = AS_USER if os.getuid() == 0 and shutil.which("unshare") else ()
        self._bash = subprocess.Popen(
            [*prefix, "bash", "--noprofile", "--norc", "-s"],
            cwd=folder,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._count = 0
        # An interactive shell has job control, and children that obey Ctrl-C.
        self._say("set -m; shopt -s globstar")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.close()
        for number in (signal.SIGINT, signal.SIGKILL):
            for pid in self.running():
                _signal(pid, number)
            end = time.monotonic() + 8
            while self.running() and time.monotonic() < end:
                time.sleep(0.05)
        self._bash.wait(timeout=5)
        self._bash.stdout.close()

    def run(self, commands: str, stdin: str = "", limit_s: float = 120.0) -> str:
        """What the commands print, errors included. Raises Failed when one of them fails."""
        self._count += 1
        folder = self.folder / ".story"
        folder.mkdir(exist_ok=True)
        script, said, given = (folder / f"{self._count}{end}" for end in (".sh", ".out", ".in"))
        script.write_text(commands)
        given.write_text(stdin)
        done = f"done-{self._mark}-{self._count}"
        # The first command that fails ends the block, but not the shell with its variables.
        self._say(
            f"_wrong=0; set -E; trap '_wrong=$?; trap - ERR; return $_wrong' ERR; "
            f"source {script} < {given} > {said} 2>&1; _wrong=${{_wrong:-0}}; trap - ERR; "
            f"echo {done} $_wrong"
        )
        end = time.monotonic() + limit_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                self._interrupt()
                raise ShellFailedError(
                    f"not done within {limit_s:g} s:\n{commands}\n{said.read_text()}"
                ) from None
            if line.startswith(done):
                break
            if not line:
                raise ShellFailedError(f"the shell ended:\n{commands}\n{said.read_text()}")
        text = said.read_text()
        if line.split()[1] != "0":
            raise ShellFailedError(f"exit code {line.split()[1]}:\n{commands}\n{text}")
        return text

    def children(self) -> list[int]:
        """What commands started and left running."""
        return [pid for pid in self.running() if pid != self._bash.pid]

    def running(self) -> list[int]:
        """The shell itself, and what was started in it and still lives."""
        wanted = f"{MARK}={self._mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue  # ended meanwhile, or somebody else's
        return [pid for pid in found if not _is_zombie(pid)]

    def _interrupt(self) -> None:
        """Ctrl-C for the block that is running; the shell goes on."""
        for pid in self.children():
            _signal(pid, signal.SIGINT)

    def _say(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(line + "\n")
        self._bash.stdin.flush()

    def _listen(self) -> None:
        assert self._bash.stdout is not None
        for line in self._bash.stdout:
            self._lines.put(line)
        self._lines.put("")


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
