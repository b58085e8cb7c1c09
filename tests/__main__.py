"""The tests, in three processes at the same time:

    python -m tests [OPTIONS OF PYTEST]

Each command is printed before it starts, and can be run alone. The first one writes to the
terminal while it runs; the output of the others follows whole. The exit code is 0 when every
process passed. Options go to each process. Where they name files or folders, one process runs
these.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import IO

MAX_RUN_S = 3_600
NO_TESTS = 5
"""What pytest ends with when no test matches."""

RUNS: Mapping[str, Sequence[str]] = {
    "unit": [
        "tests",
        *(f"--ignore=tests/{folder}" for folder in ("unit/adapters", "system/platform", "docs")),
    ],
    # The platform driver's process: gevent replaces threads before anything else is imported.
    "gevent": [
        *("-p", "tests.under_gevent", "tests/unit/adapters"),
        *("tests/unit/cache", "tests/unit/service"),
    ],
    # Whole platforms as child processes: these tests mostly wait.
    "system": ["tests/system/platform", "tests/docs"],
}
NEED_PLATFORM = ("gevent", "system")


def commands(options: Sequence[str]) -> dict[str, list[str]]:
    """The command line of each process."""
    pytest = [sys.executable, "-m", "pytest"]
    if any(Path(word.partition("::")[0]).exists() for word in options):
        return {"tests": [*pytest, *options]}
    found = {name: [*pytest, *words, *options] for name, words in RUNS.items()}
    if find_spec("platform_driver") is None:
        for name in NEED_PLATFORM:
            print(f"{name}: skipped, needs a platform driver: pip install '.[volttron]'")
            del found[name]
    return found


def run(commands: Mapping[str, Sequence[str]], limit_s: float = MAX_RUN_S) -> int:
    """Start every command and wait for all. Returns 0 when all passed, 5 when no process found a
    test, else 1."""
    codes: dict[str, int] = {}
    with ExitStack() as stack:
        children: dict[str, tuple[subprocess.Popen[bytes], IO[bytes] | None]] = {}
        for number, (name, command) in enumerate(commands.items()):
            print(f"{name}: {shlex.join(command)}", flush=True)
            output = stack.enter_context(tempfile.TemporaryFile()) if number else None
            # In a session of its own it gets one interrupt, from `_end`; none from the terminal.
            child = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
            )
            stack.callback(_end, child)
            children[name] = child, output
        for name, (child, output) in children.items():
            try:
                codes[name] = child.wait(limit_s)
            except subprocess.TimeoutExpired:
                _end(child)
                codes[name] = -signal.SIGTERM
            if output is not None:
                output.seek(0)
                print(f"\n{name}:", flush=True)
                sys.stdout.buffer.write(output.read())
                sys.stdout.flush()
    for name, code in codes.items():
        print(f"{name}: {_outcome(code)}")
    if all(code == NO_TESTS for code in codes.values()):
        return NO_TESTS
    return 0 if set(codes.values()) <= {0, NO_TESTS} else 1


def main(options: Sequence[str]) -> int:
    found = commands(options)
    if len(found) == 1:  # at the terminal, where --pdb can ask
        (command,) = found.values()
        return subprocess.run(command, check=False).returncode
    try:
        return run(found)
    except KeyboardInterrupt:
        print("interrupted")
        return 128 + signal.SIGINT


def _outcome(code: int) -> str:
    return {0: "passed", NO_TESTS: "no test matches"}.get(code, f"FAILED, exit code {code}")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, with the processes of its tests."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


if __name__ == "__main__":
    # Also where a shell that started it in the background has it ignore interrupts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
