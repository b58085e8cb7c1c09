"""Tables in PostgreSQL, as numbered migrations.

The tables of records have the columns of the SQLite file (`storage/migrations.py`), and names and
meanings are the same. Every version has one entry. Never change an entry that was released: add the
next number.

Nodes of the release before go on while the tables are one step ahead: `migrate` runs first, then
node after node is drained and starts with the new release. So a new entry

- adds tables, or columns at the end with a default or without NOT NULL, and takes nothing away,
- names in `works_from` the oldest version whose code works with the tables after it. That is the
  `works_from` of the entry before, where old code may stay ignorant of what is new. It is the new
  version itself, where old code would read or write something wrong. Then `migrate` refuses while
  an older node runs, and older nodes never write again.

A step holds its locks until its end, and writes of nodes wait for it (at most 5 s): no step
rewrites a large table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from chargepoint_driver.errors import ConfigurationError, StoreError

__all__ = [
    "MIGRATIONS",
    "OLDEST_SQL",
    "TABLES",
    "VERSION",
    "Migration",
    "Table",
    "check_version",
    "migrate",
    "refusal_of",
    "version_of",
]


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


class Migration(NamedTuple):
    """A step from one version to the next. `works_from`: the oldest version whose code works with
    the tables after it."""

    works_from: int
    statements: Sequence[str]


MIGRATIONS: Mapping[int, Migration] = {
    1: Migration(
        works_from=1,
        statements=(
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
            "CREATE INDEX transactions_running ON transactions (charge_point)"
            " WHERE state = 'active'",
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
            "CREATE TABLE id_tags (key text PRIMARY KEY, id_tag text NOT NULL,"
            " status text NOT NULL, expires float8, max_concurrent bigint)",
        ),
    ),
    # A node that shall give up its chargers and end.
    2: Migration(2, ("ALTER TABLE nodes ADD COLUMN draining boolean NOT NULL DEFAULT false",)),
    # What one node at a time does for the fleet: see `leases.py`.
    3: Migration(
        2,
        (
            "CREATE TABLE leases (name text PRIMARY KEY, holder text NOT NULL,"
            " epoch bigint NOT NULL, until timestamptz NOT NULL)",
        ),
    ),
    # The version that a node's release knows. Release 0.10.0 does not write it.
    4: Migration(2, ("ALTER TABLE nodes ADD COLUMN schema_version int NOT NULL DEFAULT 2",)),
    # What shows that the database is an older one: see `restores.py` and `membership.py`.
    5: Migration(
        2,
        (
            "CREATE TABLE identity (system bigint NOT NULL, timeline bigint NOT NULL,"
            " nodes_table bigint NOT NULL)",
            "ALTER TABLE nodes ADD COLUMN renewals bigint NOT NULL DEFAULT 0",
        ),
    ),
    # Accounts that one node at a time holds. `account` is a digest of endpoint and user name, as in
    # `command_file`.
    6: Migration(
        2,
        (
            "CREATE TABLE account_nodes (name text, node text, run bigint NOT NULL,"
            " account text NOT NULL, PRIMARY KEY (name, node))",
            "CREATE TABLE commands (account text, station text, port bigint, station_group text,"
            " held text NOT NULL, PRIMARY KEY (account, station, port, station_group))",
            "CREATE TABLE periods (account text, station text, limits text NOT NULL,"
            " PRIMARY KEY (account, station))",
            "CREATE TABLE loads (account text, station text, loads text NOT NULL,"
            " PRIMARY KEY (account, station))",
            "CREATE TABLE write_leases (account text, station text, port bigint,"
            " station_group text, seconds float8 NOT NULL,"
            " PRIMARY KEY (account, station, port, station_group))",
            "CREATE TABLE writes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " account text NOT NULL, time text NOT NULL, station text NOT NULL,"
            " port bigint NOT NULL, station_group text NOT NULL, point text NOT NULL,"
            " value text NOT NULL, writer text NOT NULL, outcome text NOT NULL)",
            "CREATE INDEX writes_account ON writes (account, id)",
            "CREATE TABLE calls (account text NOT NULL, at timestamptz NOT NULL,"
            " is_write boolean NOT NULL)",
            "CREATE INDEX calls_account ON calls (account, at)",
            "CREATE TABLE account_cache (account text, call text, station text,"
            " at timestamptz NOT NULL, record text NOT NULL, PRIMARY KEY (account, call, station))",
            "CREATE TABLE account_alerts (account text, about text, what text,"
            " since timestamptz NOT NULL, PRIMARY KEY (account, about, what))",
        ),
    ),
    # Events of all nodes until every sink has them: see `event_outbox.py`.
    7: Migration(
        2,
        (
            # `run`: milliseconds since 1970, of no other process. `node_run`: its run in `nodes`.
            "CREATE TABLE event_runs (run bigint PRIMARY KEY, node text NOT NULL,"
            " node_run bigint NOT NULL, account text NOT NULL,"
            " begun timestamptz NOT NULL DEFAULT now())",
            "CREATE SEQUENCE event_ids AS bigint",
            # Of one run, and of one charger, `id` rises in the order of the commits.
            "CREATE TABLE events (run bigint, id bigint NOT NULL DEFAULT nextval('event_ids'),"
            " seq bigint NOT NULL, received float8 NOT NULL, time float8 NOT NULL,"
            " charge_point text NOT NULL, connector bigint, action text NOT NULL,"
            " data text NOT NULL, PRIMARY KEY (run, id))",
            "CREATE UNIQUE INDEX events_seq ON events (run, seq)",
            # Nothing up to the id `floor` is sent. `skipped`: events that were not sent, and
            # were not reported to the sink yet; those that were are `lost`.
            "CREATE TABLE sinks (name text PRIMARY KEY, floor bigint NOT NULL,"
            " lost bigint NOT NULL DEFAULT 0, skipped bigint NOT NULL DEFAULT 0,"
            " skipped_after bigint, skipped_through bigint, skipped_run bigint)",
            # The id of the last event of a run that a sink has got.
            "CREATE TABLE cursors (sink text, run bigint, at bigint NOT NULL,"
            " PRIMARY KEY (sink, run))",
        ),
    ),
}
"""Version to the step that makes it of the version before. One transaction each."""

VERSION = max(MIGRATIONS)
"""The version that this release reads and writes."""

OLDEST_SQL = "(SELECT works_from FROM schema_versions ORDER BY version DESC LIMIT 1)"
"""The oldest version whose code works with the tables."""

# Held while a migration runs: two commands at once take turns.
_LOCK = 4_350_110_001
# A step waits so long for nodes that use a table, and they wait for the step behind it.
_LOCK_S = 2
_LOCK_TRIES = 15
_STEP_S = 3_600.0


async def version_of(db: asyncpg.Connection) -> int:
    """Return the version of the schema; 0 means that there is none yet."""
    if await db.fetchval("SELECT to_regclass('schema_versions')") is None:
        return 0
    found = await db.fetchval("SELECT coalesce(max(version), 0) FROM schema_versions")
    return int(found)


async def migrate(db: asyncpg.Connection) -> tuple[int, int]:
    """Bring the schema to `VERSION`, each step whole or not at all. Returns the versions before
    and after; a newer schema stays as it is. Raises ConfigurationError where the schema is too new,
    or where a node runs that could not work with the tables any more; StoreError where a table is
    in use all the time."""
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await db.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions (version int PRIMARY KEY,"
            " applied timestamptz NOT NULL DEFAULT now())"
        )
        await db.execute("ALTER TABLE schema_versions ADD COLUMN IF NOT EXISTS works_from int")
    before = await version_of(db)
    if before < VERSION:
        await _refuse_old_nodes(db, before, _works_from(VERSION))
    for version in range(before + 1, VERSION + 1):
        await _take_step(db, version)
    await check_version(db)
    return before, await version_of(db)


def _works_from(version: int) -> int:
    return max(each.works_from for number, each in MIGRATIONS.items() if number <= version)


async def _take_step(db: asyncpg.Connection, version: int) -> None:
    for _ in range(_LOCK_TRIES):
        try:
            async with db.transaction():
                await db.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                if await version_of(db) < version:  # else another command did it meanwhile
                    await db.execute(f"SET LOCAL lock_timeout = '{_LOCK_S} s'")
                    await _carry_out(db, version)
            return
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(0.5)
    raise StoreError(
        f"version {version} of the tables was not made: something uses them all the time; end "
        "long-running queries, and run it again"
    )


async def _carry_out(db: asyncpg.Connection, version: int) -> None:
    oldest = _works_from(version)
    if version > 1 and oldest > _works_from(version - 1):
        # No node registers until this is done; those that wake up from a freeze find themselves
        # fenced.
        await db.execute("LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE")
        await _refuse_old_nodes(db, version - 1, oldest)
        await db.execute("UPDATE owners SET epoch = epoch + 1", timeout=_STEP_S)
    for statement in MIGRATIONS[version].statements:
        await db.execute(statement, timeout=_STEP_S)
    await db.execute(
        "INSERT INTO schema_versions (version, works_from) VALUES ($1, $2)", version, oldest
    )


async def _refuse_old_nodes(db: asyncpg.Connection, version: int, oldest: int) -> None:
    """Raise ConfigurationError where nodes run whose code is older than `oldest`, while the tables
    have `version`."""
    if version == 0:
        return
    known = "schema_version" if version >= 4 else f"{version}"
    rows = await db.fetch(
        f"SELECT id, {known} FROM nodes WHERE lease_until > now() AND {known} < $1 ORDER BY id",  # noqa: S608 - a column or a number of this module
        oldest,
    )
    if rows:
        names = ", ".join(f"{name} ({knows})" for name, knows in rows)
        raise ConfigurationError(
            f"postgres: nodes run whose release does not work with the new tables, which need "
            f"version {oldest}: {names}; stop them (`chargepoint-driver fleet drain`), and run "
            "`fleet migrate` again; the tables have not changed"
        )


async def check_version(db: asyncpg.Connection) -> None:
    """Raises ConfigurationError unless this release works with the schema as it is."""
    found = await version_of(db)
    if found < VERSION:
        raise ConfigurationError(
            f"postgres: its schema has version {found} and this release needs {VERSION}; run "
            "`chargepoint-driver fleet migrate`"
        )
    if found > VERSION:
        refusal = refusal_of(await db.fetchval(f"SELECT {OLDEST_SQL}"))
        if refusal is not None:
            raise ConfigurationError(f"postgres: its schema has version {found}: {refusal}")


def refusal_of(oldest: int | None) -> str | None:
    """Return why this release does not work with tables that need code of version `oldest`; None
    where it does. `oldest` is None where a release made them that does not say it."""
    if oldest is not None and oldest <= VERSION:
        return None
    needed = "another release" if oldest is None else f"a release of version {oldest} or later"
    return f"it needs {needed}, and this one has {VERSION}; use the release that made it"
