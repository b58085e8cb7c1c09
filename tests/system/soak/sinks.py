"""Sinks of the twins' events: a file, and a JetStream server that is away at first."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from examples.demo.platform import free_port
from examples.demo.processes import Processes
from tests.unit.events import engines

AWAY_S = 600.0
"""How long the server is away, in a run of half an hour or more; a third of a shorter one."""
LIMIT_S = 600.0
_NAME = "nats"
_ID = re.compile(r'"id":"\d+-(\d+)')
_STATION = re.compile(r'"station":("[^"]*")')


class Sinks:
    """The two sinks; without a NATS server the file alone."""

    def __init__(self, output: Path, database: Path) -> None:
        self._file = output / "events.jsonl"
        self._database = database
        self._port = free_port() if engines.nats_binaries() else None

    def config(self) -> dict[str, Any]:
        """Return the key `sinks` of the account. Nothing may be skipped."""
        limits = {"max_waiting_events": 50_000_000}
        found: dict[str, Any] = {
            "file": {"type": "file", "path": str(self._file), "keep": 1_000, **limits}
        }
        if self._port is not None:
            servers = [f"nats://localhost:{self._port}"]
            found[_NAME] = {
                "type": "nats",
                "servers": servers,
                "stream_bytes": 50_000_000_000,
                **limits,
            }
        return found

    def arrive(self, processes: Processes, home: Path) -> None:
        """Start the server."""
        if self._port is not None:
            address = ["-a", "127.0.0.1", "-p", str(self._port)]
            command = [engines.nats_binaries()[0], *address, "-js", "-sd", str(home / "nats")]
            processes.start(_NAME, command, env=os.environ, cwd=home)

    def settle(self, processes: Processes) -> int:
        """Wait until both have every event of this moment; its id."""
        last = self._stored()
        have = lambda: self._in_file() >= last  # noqa: E731
        processes.wait_for("All events in the file", have, LIMIT_S)
        if self._port is not None:
            have = lambda: asyncio.run(self._in_stream()) >= last  # noqa: E731
            processes.wait_for("All events in JetStream", have, LIMIT_S)
        return last

    def compared(self, last: int) -> dict[str, Any]:
        """Return what each sink lacks of the events up to an id, and what is out of order."""
        found: dict[str, Any] = {"events": last, "file": _checked(self._lines(), last)}
        if self._port is not None:
            found["JetStream"] = _checked(asyncio.run(self._messages()), last)
        found["passed"] = last > 0 and all(
            not part["missing"] and not part["out of order"]
            for part in found.values()
            if isinstance(part, dict)
        )
        return found

    def _stored(self) -> int:
        """Return the id of the newest event."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT max(id) FROM events").fetchone()[0] or 0)

    def _in_file(self) -> int:
        *_, newest = _ids(self._file.read_text(encoding="utf-8").splitlines()[-1:])
        return newest[0]

    def _lines(self) -> list[str]:
        older = sorted(
            self._file.parent.glob(f"{self._file.name}.*"), key=lambda each: -int(each.suffix[1:])
        )
        return [
            line
            for path in (*older, self._file)
            for line in path.read_text(encoding="utf-8").splitlines()
        ]

    async def _in_stream(self) -> int:
        nc, stream = await self._connect()
        try:
            message = await stream.get_last_msg("CHARGEPOINT", "cp.ev.>")
            return int(json.loads(message.data)["seq"])
        finally:
            await nc.close()

    async def _messages(self) -> list[str]:
        nc, stream = await self._connect()
        try:
            count = (await stream.stream_info("CHARGEPOINT")).state.messages
            reader = await stream.subscribe("cp.ev.>", ordered_consumer=True)
            return [
                (await reader.next_msg(timeout=LIMIT_S)).data.decode() for _ in range(int(count))
            ]
        finally:
            await nc.close()

    async def _connect(self) -> tuple[Any, Any]:
        import nats  # noqa: PLC0415 - an extra

        nc = await nats.connect(f"nats://127.0.0.1:{self._port}")
        return nc, nc.jetstream()


def _ids(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield id and station of envelopes."""
    for line in lines:
        own_id, station = _ID.search(line), _STATION.search(line)
        assert own_id is not None
        assert station is not None
        yield int(own_id[1]), station[1]


def _checked(lines: list[str], last: int) -> dict[str, int]:
    """Count what is missing up to an id, and what comes after something later of its charger."""
    seen: set[int] = set()
    newest: dict[str, int] = {}
    out_of_order = 0
    for own_id, station in _ids(lines):
        if own_id in seen:
            continue  # sent again, which is permitted
        seen.add(own_id)
        out_of_order += own_id < newest.get(station, 0)
        newest[station] = max(own_id, newest.get(station, 0))
    missing = last - sum(own_id <= last for own_id in seen)
    return {"distinct": len(seen), "missing": missing, "out of order": out_of_order}
