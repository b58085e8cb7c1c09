"""Ownership of chargers by the nodes of a fleet, as PostgreSQL has it."""

from __future__ import annotations

from typing import Any, NamedTuple

from chargepoint_driver.backends.ocpp.postgres.connections import Connections

__all__ = ["Owner", "Ownership", "RunningNode", "fleet_of", "node_subject"]


class Owner(NamedTuple):
    """The run of a node that claimed a charger last. `is_running`: its lease has not ended."""

    node: str
    run: int
    epoch: int
    is_running: bool


class RunningNode(NamedTuple):
    """A node whose lease has not ended."""

    node: str
    run: int


def node_subject(fleet: str, run: int) -> str:
    """Return the subject of requests to a run of a node."""
    return f"cp.node.{fleet}-{run}"


async def fleet_of(db: Any) -> str:
    """Return what tells this fleet from others on the same NATS: when its tables were made,
    microseconds since 1970."""
    found = await db.fetchval(
        "SELECT (extract(epoch FROM applied) * 1000000)::bigint FROM schema_versions"
        " WHERE version = 1"
    )
    return str(found)


class Ownership:
    """See the module. Each method raises StoreError."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._fleet: str | None = None

    async def fleet(self) -> str:
        """See `fleet_of`."""
        if self._fleet is None:
            async with self._connections.get() as db:
                self._fleet = await fleet_of(db)
        return self._fleet

    async def owner_of(self, station_id: str) -> Owner | None:
        """Return who has a charger; None where it never connected to a node."""
        return (await self.owners_of([station_id])).get(station_id)

    async def owners_of(self, station_ids: list[str]) -> dict[str, Owner]:
        """Return charger to who has it; those that never connected to a node are missing."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                "SELECT o.charge_point, o.node, o.run, o.epoch, n.run IS NOT DISTINCT FROM o.run"
                " AND n.lease_until > now() AS is_running"
                " FROM owners AS o LEFT JOIN nodes AS n ON n.id = o.node"
                " WHERE o.charge_point = ANY($1::text[])",
                station_ids,
            )
        return {row[0]: Owner(row[1], row[2], row[3], bool(row[4])) for row in rows}

    async def known(self) -> list[str]:
        """Return the ids of all chargers that are known."""
        async with self._connections.get() as db:
            rows = await db.fetch("SELECT id FROM charge_points ORDER BY id")
        return [row[0] for row in rows]

    async def running_nodes(self) -> list[RunningNode]:
        """Return the nodes whose leases have not ended."""
        async with self._connections.get() as db:
            rows = await db.fetch("SELECT id, run FROM nodes WHERE lease_until > now() ORDER BY id")
        return [RunningNode(*row) for row in rows]

    async def without_node(self) -> list[str]:
        """Return the chargers whose last claim is not of a node that runs."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                "SELECT o.charge_point FROM owners AS o LEFT JOIN nodes AS n"
                " ON n.id = o.node AND n.run = o.run AND n.lease_until > now()"
                " WHERE n.id IS NULL ORDER BY o.charge_point"
            )
        return [row[0] for row in rows]
