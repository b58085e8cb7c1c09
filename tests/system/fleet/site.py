"""Nodes of a fleet with their PostgreSQL and their NATS, which a scenario kills and freezes."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.postgres_server import Postgres, postgres_server
from tests.unit.events.engines import Engine, free_port, missing, nats_binaries, running

from .nodes import NodeProcess

__all__ = ["LIMIT_S", "Site", "eventually", "site"]

LIMIT_S = 60.0


class Site:
    """`alive` are the nodes that run, as a scenario keeps them."""

    def __init__(
        self, postgres: Postgres, records: str, nats: list[Engine], nodes: list[NodeProcess]
    ) -> None:
        self.postgres, self.records, self.nats, self.nodes = postgres, records, nats, nodes
        self.alive = [each.start() for each in nodes]

    def urls(self) -> list[str]:
        """Return where chargers connect to."""
        return [each.url for each in self.alive]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL."""
        return self.postgres.rows(sql, *values, database=self.records)


@contextmanager
def site(
    count: int = 2, nats: int = 1, postgres: Postgres | None = None, **settings: Any
) -> Iterator[Site]:
    """Run `count` nodes, which end with the block. Without `postgres` a server of their own runs.
    `settings` are keys of each node's config."""
    if not nats_binaries():
        missing("nats-server")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
        server = postgres or stack.enter_context(postgres_server())
        records = server.database()
        # The module needs asyncpg, without which there is no server.
        import_module("tests.unit.backends.ocpp.nodes").make_tables(records)
        engines = _nats(stack, folder, nats)
        servers = [f"nats://127.0.0.1:{each.port}" for each in engines]
        nodes = []
        for number in range(count):
            # Each begins with another server.
            order = servers[number % nats :] + servers[: number % nats]
            name = f"node-{number + 1}"
            node = NodeProcess(folder, records, name, nats={"servers": order}, **settings)
            stack.callback(node.end, signal.SIGKILL)
            nodes.append(node)
        yield Site(server, records, engines, nodes)


def _nats(stack: ExitStack, folder: Path, count: int) -> list[Engine]:
    binary = nats_binaries()[0]
    routes = [free_port() for _ in range(count)]
    engines = []
    for number, own in enumerate(routes):
        file = folder / f"nats-{number}.conf"
        others = ", ".join(f'"nats://127.0.0.1:{each}"' for each in routes if each != own)
        cluster = f'cluster {{ name: test, listen: "127.0.0.1:{own}", routes: [{others}] }}'
        file.write_text(cluster if count > 1 else "")

        def command(port: int, file: Path = file) -> list[str]:
            return [binary, "-a", "127.0.0.1", "-p", str(port), "-c", str(file)]

        log = folder / f"nats-{number}.log"
        engines.append(stack.enter_context(running(command, log)))
    return engines


async def eventually(is_so: Callable[[], Awaitable[Any]], limit_s: float = LIMIT_S) -> Any:
    """Ask until the answer is true, and return it."""
    end_s = asyncio.get_running_loop().time() + limit_s
    while not (found := await is_so()):
        assert asyncio.get_running_loop().time() < end_s, f"not within {limit_s:g} s"
        await asyncio.sleep(0.05)
    return found
