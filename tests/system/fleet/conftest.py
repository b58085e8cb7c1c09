"""A PostgreSQL and two nodes on it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.postgres_server import Postgres, postgres_server

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
