"""State of a fleet, as its database has it."""

from __future__ import annotations

from typing import Any

import asyncpg

from chargepoint_driver.backends.ocpp.postgres.schema import check_version, version_of

__all__ = ["drain", "status_of"]


async def drain(db: asyncpg.Connection, node: str) -> bool:
    """Ask a node that runs to give up its chargers and end; False where none of that name runs."""
    await check_version(db)
    asked = await db.fetchval(
        "UPDATE nodes SET draining = true WHERE id = $1 AND lease_until > now() RETURNING true",
        node,
    )
    return bool(asked)


async def status_of(db: asyncpg.Connection) -> dict[str, Any]:
    """Return {schema_version, charge_points, running_transactions, nodes}.

    Each node: {node, run, address, version, schema_version, is_alive, is_draining, seen_s_ago,
    charge_points}. `is_alive`: its lease has not ended. `schema_version`: what its release knows.
    `charge_points`: those that it claimed last; they may have disconnected. Raises
    ConfigurationError where this release does not work with the tables."""
    await check_version(db)
    nodes = await db.fetch(
        "SELECT n.id, n.run, n.address, n.version, n.schema_version,"
        " n.lease_until > now() AS is_alive, n.draining AS is_draining,"
        " extract(epoch FROM now() - n.seen)::float8 AS seen_s_ago,"
        " (SELECT count(*) FROM owners AS o WHERE o.node = n.id) AS charge_points"
        " FROM nodes AS n ORDER BY n.id"
    )
    return {
        "schema_version": await version_of(db),
        "charge_points": await db.fetchval("SELECT count(*) FROM charge_points"),
        "running_transactions": await db.fetchval(
            "SELECT count(*) FROM transactions WHERE state = 'active'"
        ),
        "nodes": [
            {
                "node": row["id"],
                "run": row["run"],
                "address": row["address"],
                "version": row["version"],
                "schema_version": row["schema_version"],
                "is_alive": row["is_alive"],
                "is_draining": row["is_draining"],
                "seen_s_ago": row["seen_s_ago"],
                "charge_points": row["charge_points"],
            }
            for row in nodes
        ],
    }
