"""Cost of a message to a node of a fleet, against one central system with a file.

What a user gains: a machine may fail, and the nodes that prevent a loss cost hardly more.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.figure import Figure
from bench.fleet_engines import missing, open_tables, processor_s
from bench.ocpp_load import Load, Sender
from bench.ocpp_servers import Child, child
from bench.ocpp_sessions import LongSessions, Sessions, ShortSessions, Statuses
from tests.postgres_server import Postgres, postgres_server

SOCKETS = 100
TURNS = 5
SECONDS = 1.0
NODES = 3
# Begins and ends come first: the chargers of the others have more sessions than a node loads.
KINDS: Mapping[str, type[Sender]] = {
    "begin or end of a session": Sessions,
    "StatusNotification": Statuses,
    "MeterValues with 8 values": Sender,
    "session of 16 messages, 10 of them MeterValues": ShortSessions,
    "session of 66 messages, 60 of them MeterValues": LongSessions,
}


class _Cost(NamedTuple):
    """Processor time of a message, µs: of the servers, and of PostgreSQL."""

    servers_us: float
    postgres_us: float


def figures() -> Iterator[Figure]:
    """Medians of turns that both kinds of server take. PostgreSQL does not wait for the disk here,
    so that less is gathered for each of its transactions than on a real one."""
    reason = missing()
    if reason is not None:
        yield Figure("a message in a node", None, "", skipped=reason)
        return
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())
        postgres = running.enter_context(postgres_server())
        dsn = open_tables(postgres)
        places = [Path(folder) / name for name in ("csms", *map(str, range(NODES)))]
        for place in places:
            place.mkdir()
        csms = running.enter_context(child("ours", places[0]))
        nodes = [
            running.enter_context(child("node", place, dsn, f"node-{place.name}"))
            for place in places[1:]
        ]
        for what, kind in KINDS.items():
            groups = {"csms": [csms], "node": nodes[:1]}
            yield from _compared(what, uvloop.run(_turns(groups, kind, postgres)))
        groups = {"1": nodes[:1], str(NODES): nodes}
        found = uvloop.run(_turns(groups, ShortSessions, postgres))
    yield from _scaled(found)


def _compared(what: str, found: Mapping[str, list[_Cost]]) -> Iterator[Figure]:
    yield Figure(
        f"{what}, processor time of a message in a node against csms",
        _ratio(found["node"], found["csms"]),
        "times",
        at_most=1.3,
    )
    for name, costs in found.items():
        of_servers = statistics.median(each.servers_us for each in costs)
        yield Figure(f"{what}, processor time of a message: {name}", of_servers, "µs")
    of_postgres = statistics.median(each.postgres_us for each in found["node"])
    yield Figure(f"{what}, processor time of a message: PostgreSQL next to it", of_postgres, "µs")


def _scaled(found: Mapping[str, list[_Cost]]) -> Iterator[Figure]:
    few, many = found["1"], found[str(NODES)]
    yield Figure(
        f"sessions of 16 messages, messages of a processor second: {NODES} nodes against 1",
        1 / _ratio(many, few),
        "times",
        at_least=0.9,
    )
    for name, costs in found.items():
        for whose, values in (
            ("nodes", [each.servers_us for each in costs]),
            ("PostgreSQL", [each.postgres_us for each in costs]),
        ):
            what = f"sessions of 16 messages on {name} of {NODES} nodes, a message: {whose}"
            yield Figure(what, statistics.median(values), "µs")


def _ratio(of: list[_Cost], to: list[_Cost]) -> float:
    return statistics.median(
        each.servers_us / other.servers_us for each, other in zip(of, to, strict=True)
    )


async def _turns(
    groups: Mapping[str, Sequence[Child]], kind: type[Sender], postgres: Postgres
) -> dict[str, list[_Cost]]:
    """Have each group of servers take turns, with the same sockets at each of its servers."""
    loads: dict[int, Load] = {}
    for servers in groups.values():
        for number, server in enumerate(servers):
            if id(server) not in loads:
                loads[id(server)] = Load(server.ready, SOCKETS, SOCKETS * number, kind)
    for load in loads.values():
        await load.open()
    found: dict[str, list[_Cost]] = {name: [] for name in groups}
    for turn in range(TURNS + 1):
        for name, servers in groups.items():
            cost = await _cost(servers, [loads[id(each)] for each in servers], postgres)
            if turn:  # the first is for what is made once
                found[name].append(cost)
    for load in loads.values():
        load.close()
    return found


async def _cost(servers: Sequence[Child], loads: Sequence[Load], postgres: Postgres) -> _Cost:
    def spent() -> tuple[int, float, float]:
        return (
            sum(load.answers for load in loads),
            sum(server.processor_s for server in servers),
            processor_s(postgres),
        )

    before = spent()
    await Load.all_for(loads, SECONDS)
    answers, of_servers, of_postgres = (
        now - then for now, then in zip(spent(), before, strict=True)
    )
    return _Cost(1e6 * of_servers / answers, 1e6 * of_postgres / answers)
