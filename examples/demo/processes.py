"""Child processes that are gone afterwards, whatever happened: the demo's only use of signals.

Nothing here knows VOLTTRON.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from examples.demo.errors import DemoError

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")

# An agent may need some of it to give limits back.
STOP_LIMIT_S = 30.0
LOG_TAIL_LINES = 15


class Processes:
    """Starts child processes, each in a session of its own and with a log; ends them all at exit.

    A session of its own keeps Ctrl-C in the terminal from reaching the children, so that the
    demo can end them in an order in which nobody loses the process it still talks to.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        # A process started in the background of a script ignores SIGINT, and so would every
        # child, because an ignored signal stays ignored over exec. A caught one does not.
        if _in_main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _interrupts_ignored():
            for name in reversed(list(self._running)):
                self.stop(name)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        piped: bool = False,
    ) -> subprocess.Popen[str]:
        """Start one process; its log is `<logs>/<name>.log`.

        piped: stdin and stdout are pipes of the returned process, else stdin is empty and stdout
        goes to the log too.
        """
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                list(command),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        self._running[name] = process
        return process

    def stop(self, name: str) -> None:
        """End one process and everything in its group: first politely, then not."""
        process = self._running.pop(name)
        if not _ended(process, wait_s=0):
            _signal(process.pid, signal.SIGINT)
            if not _ended(process, wait_s=STOP_LIMIT_S):
                self.note(name, f"did not end within {STOP_LIMIT_S:g} s of SIGINT and was killed")
        # Not reaped yet, so the number still belongs to this process and its group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def note(self, name: str, sentence: str) -> None:
        """Add a line of the demo's own to a process's log."""
        with (self.logs / f"{name}.log").open("a") as log:
            log.write(f"[demo] {sentence}\n")

    def check(self) -> None:
        """Raise DemoError when a process has ended that nobody stopped."""
        for name, process in self._running.items():
            if _ended(process, wait_s=0):
                code = process.wait()
                raise DemoError(
                    f"{name} ended with exit code {code} although the demo still needs it. The end "
                    f"of {self.logs / name}.log:\n{self.tail(name)}"
                )

    def tail(self, name: str) -> str:
        """The last lines of a process's log."""
        text = (self.logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])

    def complaints(self, name: str) -> list[str]:
        """The last two lines of a process's log that look like errors or warnings, shortened."""
        lines = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()
        words = ("Error", "ERROR", "WARNING")
        return [line[:400] for line in lines if any(word in line for word in words)][-2:]

    def wait_for(self, what: str, probe: Callable[[], T | None], limit_s: float) -> T:
        """The first answer of probe() that is neither None nor False.

        Raises DemoError when a process ended meanwhile, or after limit_s.
        """
        end = time.monotonic() + limit_s
        while True:
            answer = probe()
            if answer is not None and answer is not False:
                return answer
            self.check()
            if time.monotonic() > end:
                raise DemoError(
                    f"{what} did not happen within {limit_s:g} s. The logs are in {self.logs}."
                )
            time.sleep(0.05)


class JsonLines:
    """The lines of JSON that a process prints, whenever somebody has time for them."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        """name: for messages. The process was started with piped=True."""
        self._name = name
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        reader = threading.Thread(target=self._read, args=(pipe_of(process.stdout),), daemon=True)
        reader.start()

    def _read(self, pipe: IO[str]) -> None:
        # The pipe may be closed under this thread when the demo ends.
        with suppress(ValueError):
            for line in pipe:
                self._lines.put(json.loads(line))
        self._lines.put(None)

    def get(self, limit_s: float) -> dict[str, Any]:
        """The next line. Raises DemoError when the process has ended, or after limit_s."""
        try:
            line = self._lines.get(timeout=limit_s)
        except queue.Empty:
            raise DemoError(f"{self._name} said nothing within {limit_s:g} s.") from None
        if line is None:
            self._lines.put(None)
            raise DemoError(f"{self._name} has ended.")
        return line

    def waiting(self) -> Iterator[dict[str, Any]]:
        """The lines that are there already."""
        while not self._lines.empty():
            yield self.get(limit_s=0.1)


def pipe_of(pipe: IO[str] | None) -> IO[str]:
    """The pipe of a process that was started with piped=True."""
    if pipe is None:
        raise ValueError("the process was not started with piped=True")
    return pipe


def _ended(process: subprocess.Popen[str], wait_s: float) -> bool:
    """Return True if the process has ended, without reaping it: its number stays reserved."""
    if process.returncode is not None:
        return True
    end = time.monotonic() + wait_s
    while True:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return True
        if time.monotonic() >= end:
            return False
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A second Ctrl-C while ending the children must not leave some of them behind."""
    if not _in_main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
