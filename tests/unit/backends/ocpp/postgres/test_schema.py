"""The tables in PostgreSQL: versions, and the same columns as the file."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio
import sqlite3

import pytest

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import ConfigurationError
from tests.postgres_server import need_asyncpg

need_asyncpg()

import asyncpg

from chargepoint_driver.backends.ocpp.postgres import schema

from ..nodes import make_tables

# Tables of the file that are this process's own: its events.
LOCAL = {"events", "runs", "last_event"}
TYPES = {"TEXT": "text", "REAL": "double precision", "INTEGER": "bigint"}


def test_the_tables_have_the_columns_of_the_file(records, postgres, tmp_path) -> None:
    """A new column or table of the file needs a migration here: add one to `schema.MIGRATIONS`."""
    Store(tmp_path / "file.db").close()
    db = sqlite3.connect(tmp_path / "file.db")
    names = {
        row[0]
        for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not row[0].startswith("sqlite_")
    }
    assert names - LOCAL == set(schema.TABLES)
    for name, table in schema.TABLES.items():
        rows = db.execute(f"PRAGMA table_info({name})").fetchall()
        wanted = {row[1]: TYPES[row[2]] for row in rows}
        found = postgres.rows(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_name = $1 AND table_schema = 'public'",
            name,
            database=records,
        )
        assert dict(found) == wanted, name
        assert {row[1] for row in rows if row[5]} == set(table.key)
    db.close()


def test_a_migration_is_done_once(postgres) -> None:
    dsn = postgres.database()
    assert make_tables(dsn) == (0, schema.VERSION)
    assert make_tables(dsn) == (schema.VERSION, schema.VERSION)


def test_two_migrations_at_once_take_turns(postgres) -> None:
    dsn = postgres.database()

    async def both() -> list[tuple[int, int]]:
        connections = [await asyncpg.connect(dsn) for _ in range(2)]
        try:
            return list(await asyncio.gather(*map(schema.migrate, connections)))
        finally:
            for each in connections:
                await each.close()

    assert {after for _, after in asyncio.run(both())} == {schema.VERSION}


def test_a_step_that_fails_changes_nothing(postgres, monkeypatch) -> None:
    dsn = postgres.database()
    last = schema.VERSION
    more = {**schema.MIGRATIONS, last + 1: ("CREATE TABLE more (id int)", "no statement")}
    monkeypatch.setattr(schema, "MIGRATIONS", more)
    monkeypatch.setattr(schema, "VERSION", last + 1)
    with pytest.raises(asyncpg.PostgresSyntaxError):
        make_tables(dsn)
    versions = postgres.rows("SELECT version FROM schema_versions ORDER BY 1", database=dsn)
    assert versions[-1] == (last,)
    assert postgres.rows("SELECT to_regclass('more')::text", database=dsn) == [(None,)]


def test_another_version_is_refused(postgres, start_node, records) -> None:
    postgres.rows("INSERT INTO schema_versions VALUES (99)", database=records)
    with pytest.raises(ConfigurationError, match=r"version 99.*use the release that made it"):
        start_node()
    with pytest.raises(ConfigurationError, match="version 99"):
        make_tables(records)
    postgres.rows("DELETE FROM schema_versions", database=records)
    with pytest.raises(ConfigurationError, match="fleet migrate"):
        start_node()
