"""A PostgreSQL and two nodes on it, also with NATS between them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.postgres_server import Postgres, postgres_server
from tests.unit.events.engines import Engine, nats_server

from .nodes import NodeProcess


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def records(postgres) -> str:
    dsn = postgres.database()
    # The module needs asyncpg, without which there is no server.
    import_module("tests.unit.backends.ocpp.nodes").make_tables(dsn)
    return dsn


@pytest.fixture
def nodes(records, tmp_path: Path) -> Iterator[list[NodeProcess]]:
    made = [NodeProcess(tmp_path, records, f"node-{each}") for each in (1, 2)]
    try:
        yield [each.start() for each in made]
    finally:
        for each in made:
            each.end(signal.SIGKILL)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Engine]:
    with nats_server(tmp_path) as server:
        yield server


@pytest.fixture
def linked(records, nats, tmp_path: Path) -> Iterator[list[NodeProcess]]:
    """Three nodes that reach each other over NATS; the third is not started."""
    servers = {"servers": [f"nats://127.0.0.1:{nats.port}"]}
    made = [
        NodeProcess(tmp_path, records, f"node-{each}", nats=servers, lease_s=4)
        for each in (1, 2, 3)
    ]
    try:
        for each in made[:2]:
            each.start()
        yield made
    finally:
        for each in made:
            each.end(signal.SIGKILL)
