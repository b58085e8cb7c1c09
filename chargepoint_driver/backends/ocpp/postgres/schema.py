"""Tables in PostgreSQL, as numbered migrations.

The tables of records have the columns of the SQLite file (`storage/migrations.py`), and names and
meanings are the same. Every version has one entry. Never change an entry that was released: add the
next number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from chargepoint_driver.errors import ConfigurationError

__all__ = ["MIGRATIONS", "TABLES", "VERSION", "Table", "check_version", "migrate", "version_of"]


class Table(NamedTuple):
    """A table of records. `key` are the columns of its primary key. `station` is the column with
    the charger's id, None where the rows are no charger's own. `lazy` are columns whose changes
    may wait some seconds."""

    key: tuple[str, ...]
    station: str | None
    lazy: frozenset[str] = frozenset()


TABLES: Mapping[str, Table] = {
    "charge_points": Table(("id",), "id", frozenset({"last_seen"})),
    "connectors": Table(("charge_point", "connector"), "charge_point"),
    "limits": Table(("charge_point", "connector"), "charge_point"),
    "transactions": Table(("id",), "charge_point", frozenset({"last_wh", "last_time"})),
    "session_registers": Table(("transaction_id", "quarter"), None),
    "remote_starts": Table(("charge_point", "start_id"), "charge_point"),
    "reservations": Table(("charge_point", "id"), "charge_point"),
    "id_tags": Table(("key",), None),
}
"""Name to what the tables of records are, in the order in which they are written."""

MIGRATIONS: Mapping[int, Sequence[str]] = {
    1: (
        # `lease_until` and `claimed` are times of this database's clock.
        "CREATE TABLE nodes (id text PRIMARY KEY, run bigint NOT NULL, address text,"
        " version text NOT NULL, started timestamptz NOT NULL, seen timestamptz NOT NULL,"
        " lease_until timestamptz NOT NULL)",
        "CREATE SEQUENCE node_runs AS bigint",
        # Who may write the records of a charger: the run that claimed it last, under its epoch.
        "CREATE TABLE owners (charge_point text PRIMARY KEY, node text NOT NULL,"
        " run bigint NOT NULL, epoch bigint NOT NULL, claimed timestamptz NOT NULL)",
        "CREATE INDEX owners_claimed ON owners (claimed)",
        # Versions of what every node keeps a copy of.
        "CREATE TABLE copies (name text PRIMARY KEY, version bigint NOT NULL)",
        "INSERT INTO copies VALUES ('id_tags', 1)",
        # Ids begin at the seconds since 2020, as in a file: see `storage/database.py`.
        "CREATE SEQUENCE transaction_ids AS bigint",
        "SELECT setval('transaction_ids',"
        " greatest(1, extract(epoch FROM now())::bigint - 1577836800))",
        "CREATE TABLE charge_points (id text PRIMARY KEY, last_seen float8, version text,"
        " boot text, configuration text, worked text)",
        "CREATE TABLE connectors (charge_point text, connector bigint, data text,"
        " PRIMARY KEY (charge_point, connector))",
        "CREATE TABLE limits (charge_point text, connector bigint, data text NOT NULL,"
        " PRIMARY KEY (charge_point, connector))",
        "CREATE TABLE transactions (id bigint PRIMARY KEY, charge_point text NOT NULL,"
        " connector bigint NOT NULL, wire_id text, id_tag text NOT NULL, start_time float8,"
        " meter_start float8, stop_time float8, meter_stop float8, last_time float8,"
        " last_wh float8, reason text, state text NOT NULL, origin text NOT NULL,"
        " received float8 NOT NULL, seq bigint, gaps bigint NOT NULL, offline bigint NOT NULL,"
        " request text, alias text, matched_by text, closed float8, stop_request text,"
        " register_resets bigint NOT NULL, carried_wh float8 NOT NULL, base_wh float8,"
        " in_question bigint NOT NULL)",
        "CREATE INDEX transactions_charger ON transactions (charge_point, id)",
        "CREATE INDEX transactions_wire ON transactions (charge_point, wire_id)",
        "CREATE INDEX transactions_alias ON transactions (charge_point, alias)"
        " WHERE alias IS NOT NULL",
        "CREATE INDEX transactions_running ON transactions (charge_point) WHERE state = 'active'",
        "CREATE INDEX transactions_stop ON transactions (stop_time)",
        "CREATE INDEX transactions_newest ON transactions"
        " (charge_point, connector, coalesce(start_time, received)) WHERE state <> 'orphan'",
        "CREATE INDEX transactions_begin ON transactions (coalesce(start_time, received), id)",
        "CREATE TABLE session_registers (transaction_id bigint, quarter bigint,"
        " first_time float8 NOT NULL, first_wh float8 NOT NULL, last_time float8 NOT NULL,"
        " last_wh float8 NOT NULL, PRIMARY KEY (transaction_id, quarter))",
        "CREATE TABLE remote_starts (charge_point text, start_id bigint, id_tag text NOT NULL,"
        " requested float8 NOT NULL, PRIMARY KEY (charge_point, start_id))",
        "CREATE TABLE reservations (id bigint, charge_point text, connector bigint NOT NULL,"
        " id_tag text NOT NULL, made float8 NOT NULL, expires float8 NOT NULL,"
        " state text NOT NULL, transaction_id bigint, PRIMARY KEY (charge_point, id))",
        "CREATE TABLE id_tags (key text PRIMARY KEY, id_tag text NOT NULL, status text NOT NULL,"
        " expires float8, max_concurrent bigint)",
    ),
    # A node that shall give up its chargers and end.
    2: ("ALTER TABLE nodes ADD COLUMN draining boolean NOT NULL DEFAULT false",),
    # What one node at a time does for the fleet: see `leases.py`.
    3: (
        "CREATE TABLE leases (name text PRIMARY KEY, holder text NOT NULL, epoch bigint NOT NULL,"
        " until timestamptz NOT NULL)",
    ),
}
"""Version to the statements that make it of the version before. One transaction each."""

VERSION = max(MIGRATIONS)
"""The version that this release reads and writes."""

# Held while a migration runs: two commands at once take turns.
_LOCK = 4_350_110_001


async def version_of(db: asyncpg.Connection) -> int:
    """Return the version of the schema; 0 means that there is none yet."""
    if await db.fetchval("SELECT to_regclass('schema_versions')") is None:
        return 0
    found = await db.fetchval("SELECT coalesce(max(version), 0) FROM schema_versions")
    return int(found)


async def migrate(db: asyncpg.Connection) -> tuple[int, int]:
    """Bring the schema to `VERSION`, each step whole or not at all. Returns the versions before
    and after. Raises ConfigurationError where the schema is newer."""
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await db.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (version int PRIMARY KEY,"
            " applied timestamptz NOT NULL DEFAULT now())"
        )
    before = await version_of(db)
    for version in range(before + 1, VERSION + 1):
        async with db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if await version_of(db) >= version:
                continue  # another command did it meanwhile
            for statement in MIGRATIONS[version]:
                await db.execute(statement)
            await db.execute("INSERT INTO schema_versions (version) VALUES ($1)", version)
    after = await version_of(db)
    _refuse_newer(after)
    return before, after


async def check_version(db: asyncpg.Connection) -> None:
    """Raises ConfigurationError unless the schema has exactly the version of this release."""
    found = await version_of(db)
    _refuse_newer(found)
    if found < VERSION:
        raise ConfigurationError(
            f"postgres: its schema has version {found} and this release needs {VERSION}; run "
            "`chargepoint-driver fleet migrate`"
        )


def _refuse_newer(found: int) -> None:
    if found > VERSION:
        raise ConfigurationError(
            f"postgres: its schema has version {found} and this release knows versions up to "
            f"{VERSION}; use the release that made it"
        )
