"""The tables in PostgreSQL: versions, and the same columns as the file."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chargepoint_driver.backends.ocpp.storage.store import Store
from chargepoint_driver.errors import ConfigurationError, StoreError
from tests.postgres_server import need_asyncpg

need_asyncpg()

import asyncpg

from chargepoint_driver.backends.ocpp.postgres import schema

from ..conftest import LIMIT_S, eventually
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


@contextmanager
def next_release(*statements: str, works_from: int | None = None) -> Iterator[int]:
    """Be the next release, whose tables have one step more; the value is their version."""
    version = schema.VERSION + 1
    step = schema.Migration(works_from or schema.VERSION, statements)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, version: step})
        patch.setattr(schema, "VERSION", version)
        yield version


def test_a_step_that_fails_changes_nothing(postgres) -> None:
    dsn = postgres.database()
    wrong = next_release("CREATE TABLE more (id int)", "no statement")
    with wrong as version, pytest.raises(asyncpg.PostgresSyntaxError):
        make_tables(dsn)
    versions = postgres.rows("SELECT version FROM schema_versions ORDER BY 1", database=dsn)
    assert versions[-1] == (version - 1,)
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


def test_a_node_works_with_tables_that_have_more(start_node, records, clock) -> None:
    """The next release makes its tables while nodes of this one run, and these start again."""
    site = start_node()
    known = schema.VERSION
    with next_release("ALTER TABLE transactions ADD note text DEFAULT '-'"):
        with pytest.raises(ConfigurationError, match="run `chargepoint-driver fleet migrate`"):
            start_node("node-2")
        assert make_tables(records) == (known, known + 1)
    charger = site.charger()
    charger.stop(charger.start(clock.iso(60)), clock.iso(), 10)
    site.stop()
    charger = start_node().charger()
    charger.stop(charger.start(clock.iso(60)), clock.iso(), 20)
    # An older release has nothing to do.
    assert make_tables(records) == (known + 1, known + 1)


def test_a_step_that_old_nodes_cannot_bear_is_refused_while_one_runs(
    postgres, start_node, records, clock
) -> None:
    site = start_node()
    site.charger().boot()
    known = schema.VERSION
    named = rf"need version {known + 1}: node-1 \({known}\); stop them"
    with next_release("CREATE TABLE more (id int)", works_from=known + 1):
        with pytest.raises(ConfigurationError, match=named):
            make_tables(records)
        assert postgres.rows("SELECT to_regclass('more')::text", database=records) == [(None,)]
        site.stop()
        epochs = postgres.rows("SELECT epoch FROM owners", database=records)
        assert make_tables(records) == (known, known + 1)
    # A node that was frozen meanwhile can write nothing.
    after = postgres.rows("SELECT epoch FROM owners", database=records)
    assert after == [(epoch + 1,) for (epoch,) in epochs]
    with pytest.raises(ConfigurationError, match=f"release of version {known + 1} or later"):
        start_node()


def test_a_step_waits_for_those_who_use_a_table(postgres, records, monkeypatch) -> None:
    """Nodes wait behind it meanwhile: it gives up its place in the queue, and tries again."""
    monkeypatch.setattr(schema, "_LOCK_S", 0.1)
    monkeypatch.setattr(schema, "_LOCK_TRIES", 1)
    reading = "BEGIN; LOCK TABLE nodes IN ACCESS SHARE MODE; SELECT pg_sleep(2); COMMIT"
    reader = threading.Thread(target=lambda: postgres.script(reading, database=records))
    reader.start()
    held = "SELECT 1 FROM pg_locks WHERE relation = 'nodes'::regclass AND granted"
    eventually(lambda: postgres.rows(held, database=records))
    with next_release("ALTER TABLE nodes ADD more int") as version:
        with pytest.raises(StoreError, match="something uses them all the time"):
            make_tables(records)
        monkeypatch.setattr(schema, "_LOCK_TRIES", 15)
        assert make_tables(records) == (version - 1, version)
    reader.join(LIMIT_S)
