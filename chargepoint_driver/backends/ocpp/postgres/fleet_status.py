"""State of a fleet, as its database has it."""

from __future__ import annotations

from typing import Any

import asyncpg

from chargepoint_driver.backends.ocpp.postgres.node_state import ask_states
from chargepoint_driver.backends.ocpp.postgres.ownership import RunningNode, fleet_of
from chargepoint_driver.backends.ocpp.postgres.schema import check_version, version_of
from chargepoint_driver.config.fleet import NodeNatsConfig
from chargepoint_driver.messaging.nats import NatsMessaging

__all__ = ["accounts_of", "drain", "leases_of", "nodes_on_nats", "status_of"]

_CONNECT_S = 3.0


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


async def leases_of(db: asyncpg.Connection) -> list[dict[str, Any]]:
    """Return the leases in the fleet: {name, holder, epoch, is_held, ends_in_s}. `ends_in_s` is
    negative where the lease has ended."""
    if await db.fetchval("SELECT to_regclass('leases')") is None:
        return []  # the tables are of an older release
    rows = await db.fetch(
        "SELECT name, holder, epoch, until > now() AS is_held,"
        " extract(epoch FROM until - now())::float8 AS ends_in_s FROM leases ORDER BY name"
    )
    return [dict(row) for row in rows]


async def accounts_of(db: asyncpg.Connection) -> list[dict[str, Any]]:
    """Return the accounts that nodes have which run: {account, nodes, holder, is_alike, alerts}.

    `nodes`: those that have it. `holder`: the one that holds it, None for none. `is_alike`: False
    where they do not mean the same endpoint and user name by it, or some call it otherwise.
    `alerts` about limits that are not over: {about, what, since}."""
    if await db.fetchval("SELECT to_regclass('account_nodes')") is None:
        return []  # the tables are of an older release
    rows = await db.fetch(
        "WITH running AS (SELECT a.* FROM account_nodes AS a JOIN nodes AS n"
        " ON n.id = a.node AND n.run = a.run AND n.lease_until > now())"
        " SELECT r.name, array_agg(r.node ORDER BY r.node) AS nodes,"
        " (SELECT holder FROM leases AS l WHERE l.name = 'account:' || r.name"
        " AND l.until > now()) AS holder,"
        " count(DISTINCT r.account) = 1 AND NOT bool_or(EXISTS (SELECT 1 FROM running AS o"
        " WHERE o.account = r.account AND o.name <> r.name)) AS is_alike,"
        " array_agg(DISTINCT r.account) AS keys"
        " FROM running AS r GROUP BY r.name ORDER BY r.name"
    )
    alerts = await db.fetch("SELECT * FROM account_alerts ORDER BY since, about")
    return [
        {
            "account": row["name"],
            "nodes": row["nodes"],
            "holder": row["holder"] and row["holder"].rpartition("/")[0],
            "is_alike": row["is_alike"],
            "alerts": [
                {
                    "about": each["about"],
                    "what": each["what"],
                    "since": each["since"].isoformat(timespec="seconds"),
                }
                for each in alerts
                if each["account"] in row["keys"]
            ],
        }
        for row in rows
    ]


async def nodes_on_nats(db: asyncpg.Connection, nats: NodeNatsConfig) -> dict[str, Any]:
    """Ask the nodes that run for their state over NATS. Returns {error, nodes}: why NATS does not
    answer here, None where it does; and node to what `node_state.state_of` returns there, or to
    the error."""
    nodes = [
        RunningNode(*row)
        for row in await db.fetch("SELECT id, run FROM nodes WHERE lease_until > now() ORDER BY id")
    ]
    messaging = NatsMessaging(nats, "fleet status")
    await messaging.open(_CONNECT_S)
    try:
        if not messaging.is_connected:
            return {"error": "no server of `nats` answers here", "nodes": {}}
        return {"error": None, "nodes": await ask_states(messaging, await fleet_of(db), nodes)}
    finally:
        await messaging.close()
