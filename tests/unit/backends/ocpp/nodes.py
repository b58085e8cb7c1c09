"""Nodes for tests: central systems whose records are in PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg

from chargepoint_driver.backends.ocpp import CentralSystem
from chargepoint_driver.backends.ocpp.postgres.node import Node
from chargepoint_driver.backends.ocpp.postgres.schema import migrate
from chargepoint_driver.config.fleet import NodeConfig

__all__ = ["make_node", "make_tables"]


def make_tables(dsn: str) -> tuple[int, int]:
    """Make the tables of a fleet; return the versions before and after."""

    async def run() -> tuple[int, int]:
        connection = await asyncpg.connect(dsn)
        try:
            return await migrate(connection)
        finally:
            await connection.close()

    return asyncio.run(run())


def make_node(dsn: str, folder: Path, clock: Any, node: str, **fields: Any) -> CentralSystem:
    """Return a node that is not started. `lease_s`, `drain_s`, `health`, `nats` and `on_end` are
    the node's, the other fields are those of its central system."""
    on_end = fields.pop("on_end", lambda _: None)
    config = NodeConfig.model_validate(
        {
            "node": node,
            "lease_s": fields.pop("lease_s", 5.0),
            "drain_s": fields.pop("drain_s", 60.0),
            "health": fields.pop("health", None),
            "nats": fields.pop("nats", None),
            "postgres": {"dsn": dsn},
            "central_system": {
                "listen": "127.0.0.1:0",
                "database": folder / f"{node}.db",
                "boot_grace_s": 60,
                "configuration_delay_s": None,
                "call_timeout_s": 5,
                **fields,
            },
        }
    )
    return Node(config, clock, on_end)
