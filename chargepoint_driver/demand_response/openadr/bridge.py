"""Chargers of another process, by lines of JSON on standard input and output.

The VOLTTRON agent starts the VEN as a child, because asyncio and gevent do not live in one
process. The parent's first line is the config. Then the child asks, and the parent answers:

    {"id": 1, "call": "measure"}            {"id": 1, "result": {"load_kw": 6.4, ...}}
    {"id": 2, "call": "hold", "kw": 4.0}    {"id": 2, "result": ["what failed", ...]}
    {"id": 3, "call": "release"}            {"id": 3, "error": "..."}
    {"status": {...}}                       (no answer)

The end of its input ends the child.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from typing import Any, TextIO

from chargepoint_driver.demand_response.chargers import Measured
from chargepoint_driver.errors import ConfigurationError, TransientError

__all__ = ["BridgeChargers"]

# The parent asks the bus, where every device may take a minute.
CALL_LIMIT_S = 300.0


class BridgeChargers:
    """The chargers that the parent process reaches."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._last_id = 0

    def read_config(self) -> dict[str, Any]:
        """Return the parent's first line. Raises ConfigurationError."""
        try:
            config = json.loads(self._source.readline())
        except ValueError:
            config = None
        if not isinstance(config, dict):
            raise ConfigurationError("the first line of standard input is not a JSON object")
        return config

    def listen(self, ended: Callable[[], None]) -> None:
        """Read answers from now on, on a thread; `ended` is called at the end of the input."""

        def read() -> None:
            for line in self._source:
                try:
                    answer = json.loads(line)
                except ValueError:
                    continue
                if isinstance(answer, dict):
                    self._answers.put(answer)
            self._answers.put(None)
            ended()

        threading.Thread(target=read, name="bridge", daemon=True).start()

    def measure(self) -> Measured:
        return Measured(**self._ask("measure"))

    def hold(self, total_kw: float) -> list[str]:
        return list(self._ask("hold", kw=total_kw))

    def release(self) -> list[str]:
        return list(self._ask("release"))

    def close(self) -> None:
        """Do nothing: the pipes are the process's own."""

    def publish(self, status: dict[str, Any]) -> None:
        """Hand the status to the parent."""
        self._write({"status": status})

    def _write(self, message: dict[str, Any]) -> None:
        with self._writing:
            try:
                self._sink.write(json.dumps(message) + "\n")
                self._sink.flush()
            except (BrokenPipeError, ValueError):
                raise TransientError("the parent process has ended") from None

    def _ask(self, call: str, **how: Any) -> Any:
        with self._lock:
            self._last_id += 1
            self._write({"id": self._last_id, "call": call, **how})
            while True:
                try:
                    answer = self._answers.get(timeout=CALL_LIMIT_S)
                except queue.Empty:
                    raise TransientError("the platform's agent does not answer") from None
                if answer is None:
                    self._answers.put(None)
                    raise TransientError("the parent process has ended")
                if answer.get("id") == self._last_id:
                    break
        if "error" in answer:
            raise TransientError(str(answer["error"]))
        return answer["result"]
