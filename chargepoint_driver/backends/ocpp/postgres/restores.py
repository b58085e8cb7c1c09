"""Sequences of a database that was restored, or of a standby that has taken over.

Such a database may be older than what chargers, nodes and bills know. Its sequences would give ids
of transactions and events, and runs of nodes, a second time. What tells one database from its
copies is noted in it: where that has changed, all sequences skip what may have been given since.
"""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

from chargepoint_driver.text import get_logger

__all__ = ["skip_given_ids"]

_log = get_logger(__name__)

# Of the advisory locks of this package.
_LOCK = 4_350_110_002
_SEQUENCES = ("node_runs", "event_ids", "transaction_ids")
_SKIPPED = 1_000_000
_SKIPPED_PER_S = 20

# The timeline rises when a recovery ends or a standby is promoted. `pg_restore` makes new tables.
_NOW = (
    "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint,"
    " 'nodes'::regclass::oid::bigint"
)
_NOTED = "SELECT system, timeline, nodes_table FROM identity"


class _Identity(NamedTuple):
    """Identity of a database among its copies: the cluster, its timeline and the oid of a table."""

    system: int
    timeline: int
    nodes_table: int


async def skip_given_ids(db: asyncpg.Connection) -> None:
    """Raise all sequences where the database is not the one that was noted last. Call it outside
    a transaction, before ids or a run are taken. Raises StoreError, see `Connections`."""
    found, noted = await _identity(db), await _noted(db)
    if noted == found:
        return
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        if await _noted(db) == found:
            return  # another node did it meanwhile
        seen_s_ago = await db.fetchval(
            "SELECT extract(epoch FROM clock_timestamp() - max(seen))::float8 FROM nodes"
        )
        if seen_s_ago is not None:
            skipped = _SKIPPED + _SKIPPED_PER_S * max(0, int(seen_s_ago))
            for name in _SEQUENCES:
                at = await db.fetchval("SELECT setval($1, nextval($1) + $2)", name, skipped)
            # Tables of release 0.10.0 note none, and they may be a backup.
            why = (
                "it is not known whether the database was restored"
                if noted is None
                else "the database was restored, or a standby has taken over"
            )
            _log.warning("postgres: %s; ids of transactions go on above %d", why, at)
        await db.execute("DELETE FROM identity")
        await db.execute("INSERT INTO identity VALUES ($1, $2, $3)", *found)


async def _noted(db: asyncpg.Connection) -> _Identity | None:
    row = await db.fetchrow(_NOTED)
    return None if row is None else _Identity(*row)


async def _identity(db: asyncpg.Connection) -> _Identity:
    timeline, nodes_table = await db.fetchrow(_NOW)
    try:
        system = await db.fetchval("SELECT system_identifier FROM pg_control_system()")
    except asyncpg.InsufficientPrivilegeError:
        system = 0  # the other two tell it where the cluster is the same
    return _Identity(system, timeline, nodes_table)
