"""The OCPP door without its socket: messages into the central system, and what it knows then.

Oracle: each message has an answer that its schema allows, or is a counted drop; nothing of ours
broke; every point can be read; a restart finds the same transactions.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosedOK
from websockets.protocol import State

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.registers import record_of
from chargepoint_driver.backends.ocpp.storage.queries import newest_sessions
from chargepoint_driver.backends.ocpp.storage.restore import restore
from chargepoint_driver.backends.ocpp.wire import schemas

from .oracles import are_values

VERSIONS = ("1.6", "2.0.1")
NAME = "FUZZ"
MAX_FRAMES = 8
NOW_S = 1_772_323_200.0
# Counters that mean that something of ours broke.
NEVER = {"internal_errors", "failed_tasks", "not_stored"}
DROPS = ("bad_frames", "unmatched_answers")
TABLES = ("transactions", "events", "charge_points", "connectors", "limits")
MEMORY = Path("/dev/shm")


class _Wire:
    """What a link uses of its connection. Takes note of what was answered to which message."""

    state = State.CLOSED  # nothing to write into directly
    transport = None
    allowance = None  # the link makes one of its own
    remote_address = ("127.0.0.1", 1)
    close_code: int | None = None
    close_reason = ""

    def __init__(self, texts: list[bytes]) -> None:
        self._waiting = deque(texts)
        self.said: list[tuple[bytes, list[bytes]]] = []

    async def recv(self, *, decode: bool) -> bytes:
        assert decode is False
        if not self._waiting:
            raise ConnectionClosedOK(None, None)
        text = self._waiting.popleft()
        self.said.append((text, []))
        return text

    async def send(self, message: bytes, **_: Any) -> None:
        self.said[-1][1].append(message)

    async def close(self, code: int, reason: str) -> None:
        self._waiting.clear()


def frames(data: bytes) -> None:
    """The first byte gives the version of the rest; a message to a line."""
    if data:
        door = _Door.open()
        version, texts = VERSIONS[data[0] % len(VERSIONS)], data[1:].split(b"\n")[:MAX_FRAMES]
        door.loop.run_until_complete(door.throw(version, texts))


class _Door:
    """A central system that does not listen, on a loop that runs while there is something to
    do. Made when it is first needed, emptied for each input: a file for each takes too long."""

    _opened: _Door | None = None

    def __init__(self) -> None:
        # Where files need no disk: each input has a commit that would wait for it.
        where = MEMORY if MEMORY.is_dir() else None
        self._folder = tempfile.TemporaryDirectory(dir=where)
        path = Path(self._folder.name) / "csms.sqlite"
        config = OcppConfig(database=path, configuration_delay_s=None)
        self.loop = asyncio.new_event_loop()
        self.system = Csms(config, lambda: NOW_S)

    @classmethod
    def open(cls) -> _Door:
        if cls._opened is None:
            cls._opened = cls()
            atexit.register(cls._opened.close)
        return cls._opened

    def close(self) -> None:
        self.loop.run_until_complete(self.system.stop())
        self.loop.close()
        self._folder.cleanup()

    async def throw(self, version: str, texts: list[bytes]) -> None:
        """Let a charge point say this; the oracle of the module."""
        system, wire = self.system, _Wire(texts)
        self._empty()
        await system._take(wire, NAME, version)  # type: ignore[arg-type]
        while system._tasks:
            await asyncio.gather(*system._tasks, return_exceptions=True)
        broken = NEVER & set(system.counters)
        if broken:
            raise AssertionError(f"{broken}: {texts}")
        for text, answers in wire.said:
            for answer in answers:
                _is_answer(version, text, json.loads(answer))
        answered = sum(len(answers) for _, answers in wire.said)
        if answered + sum(system.counters[name] for name in DROPS) < len(texts):
            raise AssertionError("neither an answer nor a counted drop")
        before = _known(system)
        system.points.clear()
        restore(system.store, system._registry.add, system.limiter.restore, system.now())
        after = _known(system)
        if before != after:
            raise AssertionError(f"a restart makes {after} of {before}")

    def _empty(self) -> None:
        system = self.system
        system.points.clear()
        system.counters.clear()
        for table in TABLES:
            system.store._db.execute(f"DELETE FROM {table}")


def _is_answer(version: str, text: bytes, answer: list[Any]) -> None:
    if answer[0] == 4:
        if len(answer) != 5 or not answer[2] or len(answer[3]) > 255:
            raise AssertionError(f"{answer} is not a CALLERROR")
        return
    action = json.loads(text)[2]
    wrong = schemas.faults(version, action, answer[2], answer=True)
    if answer[0] != 3 or wrong:
        raise AssertionError(f"{answer} is not an answer to {action}: {wrong}")


def _known(system: Csms) -> dict[int, int]:
    """Connector to its running transaction; on the way, every point is read."""
    view = system.view(system.points[NAME])
    sessions = newest_sessions(system.config.database, [NAME])[NAME]
    record = record_of(view, system.config, sessions)
    for values in (record.values, *record.ports.values()):
        are_values(values)
    return {
        number: each.transaction.transaction_id
        for number, each in view.connectors.items()
        if each.transaction is not None
    }
