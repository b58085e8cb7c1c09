"""The node that sends events to a sink, killed or frozen again and again, also without the sink."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.figure import Figure
from tests.unit.events.consumers import from_files, from_nats
from tests.unit.events.engines import Engine, nats_server

from .chargers import Charger, Chargers
from .nodes import NodeProcess
from .site import Site, eventually, site

__all__ = ["Sinks", "check", "holder", "opened", "play"]

_WAITING = (
    "SELECT count(*) FROM sinks AS s CROSS JOIN events AS e LEFT JOIN cursors AS c"
    " ON c.sink = s.name AND c.run = e.run WHERE e.id > greatest(s.floor, coalesce(c.at, 0))"
)


class Sinks:
    """NATS JetStream, and a file of each node."""

    def __init__(self, folder: Path, jetstream: Engine) -> None:
        self.jetstream = jetstream
        self.url = f"nats://127.0.0.1:{jetstream.port}"
        self._folder = folder

    def settings(self, node: str) -> dict[str, Any]:
        """Return the sinks of a node."""
        return {
            "nats": {"type": "nats", "servers": [self.url]},
            "file": {"type": "file", "path": str(self._file(node))},
        }

    def of_nats(self) -> list[dict[str, Any]]:
        """Return the events in the stream, in their order."""
        return asyncio.run(from_nats(self.url))

    def of_file(self, node: str) -> list[dict[str, Any]]:
        """Return the events in a node's file, in their order."""
        return from_files(self._file(node)) if self._file(node).exists() else []

    def _file(self, node: str) -> Path:
        return self._folder / f"{node}.jsonl"


@contextmanager
def opened(count: int, **settings: Any) -> Iterator[tuple[Site, Sinks]]:
    """Run nodes with both sinks; `settings` as for `site`."""
    with tempfile.TemporaryDirectory(prefix="sinks-") as name, nats_server(Path(name)) as engine:
        sinks = Sinks(Path(name), engine)
        with site(count, sinks=sinks.settings, **settings) as fleet:
            yield fleet, sinks


class Found(NamedTuple):
    """What is wrong with the events of a sink."""

    missing: list[tuple[str, str, int]]
    disordered: list[tuple[str, str, int]]


def check(chargers: Iterable[Charger], events: Iterable[dict[str, Any]]) -> Found:
    """Compare events, in their order at a sink, with what was acknowledged. Repetitions are
    dropped, by the session and what happened to it."""
    seen: dict[str, dict[tuple[str, int], None]] = {}
    for event in events:
        if event["kind"] == "session":
            key = event["action"], int(event["data"]["transactionId"])
            seen.setdefault(event["station"], {}).setdefault(key)
    missing, disordered = [], []
    for charger in chargers:
        found = list(seen.get(charger.name, ()))
        wanted = [
            (action, transaction)
            for transaction in charger.begun
            for action in ("StartTransaction", "StopTransaction")
            if action == "StartTransaction" or transaction in charger.ended
        ]
        missing += [(charger.name, *each) for each in wanted if each not in found]
        there = [each for each in wanted if each in found]
        order = [each for each in found if each in there]
        disordered += [
            (charger.name, *each) for each, ours in zip(order, there, strict=True) if each != ours
        ]
    return Found(missing, disordered)


async def holder(fleet: Site, sink: str = "nats") -> NodeProcess | None:
    """Return the node that sends events to a sink; None where none does at the moment."""
    sql = "SELECT holder FROM leases WHERE name = $1 AND until > now()"
    rows = await asyncio.to_thread(fleet.rows, sql, f"relay:{sink}")
    name = rows[0][0].rpartition(":")[0] if rows else None
    return next((each for each in fleet.alive if each.name == name), None)


async def _is_taken(fleet: Site, from_node: NodeProcess) -> bool:
    found = await holder(fleet)
    return found is not None and found is not from_node


async def settled(fleet: Site) -> None:
    """Wait until every sink has everything."""

    async def is_so() -> bool:
        return (await asyncio.to_thread(fleet.rows, _WAITING)) == [(0,)]

    await eventually(is_so)


async def _start(fleet: Site, node: NodeProcess) -> None:
    await asyncio.to_thread(node.start)
    fleet.alive.append(node)


async def play(fleet: Site, sinks: Sinks, kills: int, count: int, seed: int = 7) -> list[Figure]:
    """Kill the node of three that holds the lease `kills` times. Of each four times the sink is
    away once, and once the node is frozen instead. Return what is missing or out of order at the
    sinks."""
    chance = random.Random(seed)
    taken_s: list[float] = []
    starting: asyncio.Task[None] | None = None
    async with Chargers(count, fleet.urls) as chargers:
        await chargers.charge(1)
        for number in range(kills):
            lost = await eventually(lambda: holder(fleet))
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            is_away, is_frozen = number % 4 == 1, number % 4 == 2
            if is_away:
                sinks.jetstream.kill()
                await chargers.charge(1)
            began_s = time.monotonic()
            if is_frozen:
                lost.send(signal.SIGSTOP)
            else:
                fleet.alive.remove(lost)
                lost.end(signal.SIGKILL)
            await eventually(lambda lost=lost: _is_taken(fleet, lost))
            taken_s.append(time.monotonic() - began_s)
            if is_frozen:
                lost.send(signal.SIGCONT)
            if is_away:
                await asyncio.to_thread(sinks.jetstream.start_again)
            await chargers.charge(1)
            if starting is not None:
                await starting
            starting = None if is_frozen else asyncio.create_task(_start(fleet, lost))
        if starting is not None:
            await starting
    await settled(fleet)
    in_nats = await from_nats(sinks.url)
    in_files = [await asyncio.to_thread(sinks.of_file, each.name) for each in fleet.nodes]
    stream = check(chargers.each, in_nats)
    files = check(chargers.each, [event for events in in_files for event in events])
    what = f"{kills} times the node that sends events is lost, {count} chargers"
    sessions = sum(len(each.ended) for each in chargers.each)
    doubled = len(in_nats) - len({event["id"] for event in in_nats})
    return [
        Figure(f"{what}: sessions acknowledged", sessions, ""),
        Figure(f"{what}: their events missing in NATS", len(stream.missing), "", at_most=0),
        Figure(f"{what}: out of order there", len(stream.disordered), "", at_most=0),
        Figure(f"{what}: doubled there", doubled, "", at_most=0),
        Figure(f"{what}: missing in the files", len(files.missing), "", at_most=0),
        Figure(f"{what}: longest time until another node sent them", max(taken_s), "s"),
    ]
