"""Audit of writes, and detection of two controllers on one target."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import StoreError
from chargepoint_driver.service.shed_control.alerts import About, Alerts
from chargepoint_driver.service.shed_control.records.command_log import CommandLog
from chargepoint_driver.service.shed_control.records.command_state import clock_time, describe
from chargepoint_driver.service.shed_control.records.command_store import CommandStore
from chargepoint_driver.text import get_logger

__all__ = ["Write", "Writers"]

_log = get_logger(__name__)

_MAX_REMEMBERED = 1_000


@dataclass(frozen=True)
class Write:
    """One write. `time`: ISO 8601, UTC; `port` 0 for the whole; `writer`: identity of the agent,
    '' where the host does not report it; `outcome`: sent, staged, or the code of an error."""

    time: str
    station: str
    port: int
    group: str
    point: str
    value: str
    writer: str
    outcome: str


class Writers:
    """The writes of one account."""

    def __init__(
        self,
        command_log: CommandLog,
        alerts: Alerts,
        time_s: Callable[[], float],
        store: CommandStore | None,
    ) -> None:
        self._command_log = command_log
        self._alerts = alerts
        self._time_s = time_s
        self._store = store
        self._lock = threading.Lock()
        self._writes: deque[Write] = deque(maxlen=_MAX_REMEMBERED)
        self._last_writers: dict[Target, tuple[str, ...]] = {}

    def record(self, target: Target, point: str, value: object, writer: str, outcome: str) -> None:
        """Keep a write. One that repeats the last of its target is not kept again: agents under a
        lease write every minute."""
        key = target.station_id, target.port or 0, target.group or ""
        write = Write(
            clock_time(self._time_s()), *key, point, str(value)[:100], str(writer), outcome
        )
        with self._lock:
            last = next((w for w in reversed(self._writes) if _key(w) == key), None)
            if last is not None and asdict(last) | {"time": write.time} == asdict(write):
                return
            self._writes.append(write)
        _log.info(
            "%s: %s %s by %s: %s", target, point, write.value, writer or "an unknown agent", outcome
        )
        try:
            if self._store is not None:
                self._store.save_write(tuple(asdict(write).values()))
        except StoreError as error:
            _log.error("a write cannot be kept (%s)", error)

    def take_turn(self, target: Target, writer: str) -> None:
        """Record the writer of a limit; raise an alert where two agents write in turns."""
        if not writer:
            return
        writers = self._last_writers.get(target, ())
        if writers and writers[-1] == writer:
            return
        self._last_writers[target] = (*writers, writer)[-3:]
        first, *rest = self._last_writers[target]
        if len(rest) == 2 and first == writer:
            self._alerts.raise_(
                target,
                f"{first} and {rest[0]} write limits in turns; let only one agent write to it",
                About.WRITERS,
            )

    def end_turns(self, target: Target) -> None:
        """Forget the writers of a target without a limit."""
        if self._last_writers.pop(target, None):
            self._alerts.resolved(target, About.WRITERS)

    def replaced(self, target: Target, writer: str) -> str:
        """Return whose limit in force a write of this writer replaces, as text; '' for none."""
        state = (
            self._command_log.covering(target)
            if target.group is None
            else self._command_log.state_of(target)
        )
        if state is None or not state.wanted or not writer or state.writer in ("", writer):
            return ""
        if self._time_s() >= state.ends_s:
            return ""
        said = describe(state.limit, state.ceiling_kw)
        return (
            f"{target}: {said} of {state.writer}, written at {clock_time(state.commanded_s)}, ends"
        )

    def describe(self, target: Target) -> str:
        """Return who wrote the limit in force, as text; '' where that is not known."""
        state = (
            self._command_log.covering(target)
            if target.group is None
            else self._command_log.state_of(target)
        )
        if state is not None and state.group is not None:
            state = self._command_log.state_of(Target("", group=state.group))
        if state is None or not state.wanted or not state.writer:
            return ""
        return f"written by {state.writer} at {clock_time(state.commanded_s)}"

    def newest(self, most: int = 100) -> list[dict[str, Any]]:
        """Return the newest writes, newest first, also of earlier runs; see `Write`."""
        if self._store is not None:
            return [asdict(Write(*row)) for row in self._store.writes(most)]
        with self._lock:
            return [asdict(write) for write in reversed(self._writes)][:most]


def _key(write: Write) -> tuple[str, int, str]:
    return write.station, write.port, write.group
