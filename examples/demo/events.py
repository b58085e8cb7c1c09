"""The event stream of `make demo EVENTS=1`: sinks, and what has arrived there."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from examples.demo.platform import free_port
from examples.demo.processes import Processes

LIMIT_S = 20.0


class EventChain:
    """A file of JSON lines, and NATS JetStream where a server and its client are installed."""

    def __init__(self, output: Path) -> None:
        self._file = output / "events.jsonl"
        self._nats_port = 0

    def start(self, processes: Processes, home: Path) -> None:
        """Start the NATS server, if there is one."""
        places = [str(Path(sys.executable).parent), os.defpath, "/usr/sbin"]
        binary = shutil.which("nats-server", path=os.pathsep.join(places))
        if binary is None or find_spec("nats") is None:
            return
        self._nats_port = free_port()
        address = ("-a", "127.0.0.1", "-p", str(self._nats_port))
        command = [binary, *address, "-js", "-sd", str(home / "nats")]
        processes.start("nats", command, env=os.environ, cwd=home)

    def settings(self) -> dict[str, Any]:
        """Return the keys of an account that send its events here."""
        sinks: dict[str, Any] = {"file": {"type": "file", "path": str(self._file)}}
        if self._nats_port:
            sinks["nats"] = {"type": "nats", "servers": [self._url]}
        return {"stream_name": "garage", "sinks": sinks}

    def as_text(self) -> str:
        """Return, in words, what the sinks have."""
        events = self._events()
        kinds = Counter(event["kind"] for event in events)
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        lines = [f"{len(events)} events in {self._file}: {counts or 'none'}"]
        for event in events:
            if event["kind"] == "shed":
                data = event["data"]
                limit = data["allowed_load_kw"]
                said = "" if limit is None else f" {limit:g} kW"
                lines.append(f"  {event['time']} {event['station']} limit{said}: {data['status']}")
        if self._nats_port:
            count, statuses = asyncio.run(asyncio.wait_for(self._in_nats(), LIMIT_S))
            lines.append(f"{count} events in the JetStream stream CHARGEPOINT")
            lines += [
                f"  {each['charge_point_id']}: {each['status']}, {each['composite_status']}, "
                f"load {each['load_kw']} kW"
                for each in statuses
            ]
        else:
            lines.append("NATS is not installed here: no JetStream")
        return "\n".join(lines)

    @property
    def _url(self) -> str:
        return f"nats://localhost:{self._nats_port}"

    def _events(self) -> list[dict[str, Any]]:
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    async def _in_nats(self) -> tuple[int, list[dict[str, Any]]]:
        import nats  # noqa: PLC0415 - an extra

        nc = await nats.connect(self._url)
        try:
            js = nc.jetstream()
            count = (await js.stream_info("CHARGEPOINT")).state.messages
            bucket = await js.key_value("cp_status")
            statuses = []
            for key in sorted(await bucket.keys()):
                entry = await bucket.get(key)
                statuses.append(json.loads(entry.value or b"{}"))
            return count, statuses
        finally:
            await nc.close()
