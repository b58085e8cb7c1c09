"""`chargepoint-driver fleet`: the tables of a fleet in PostgreSQL, and its state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chargepoint_driver.config.fleet import NodeConfig, read_node_config
from chargepoint_driver.errors import ConfigurationError, NotFoundError, StoreError, TransientError

__all__ = ["fleet"]

_T = TypeVar("_T")
_config = click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of a node; its key `postgres` is used.",
)


@click.group(
    epilog="\b\nExample:\n  chargepoint-driver fleet migrate --config fleet.json"
    "\n  chargepoint-driver fleet status --config fleet.json"
    "\n  chargepoint-driver fleet drain node-1 --config fleet.json"
)
def fleet() -> None:
    """Make the tables of a fleet in PostgreSQL, and show or drain its nodes."""


@fleet.command(epilog="\b\nExample:\n  chargepoint-driver fleet migrate --config fleet.json")
@_config
def migrate(config_file: Path) -> None:
    """Bring the tables to the version of this release.

    Does nothing where they have it. Nodes of the release before go on meanwhile. Where a node runs
    that could not, nothing changes, and the error names it.
    """
    from_version, to_version = _run(read_node_config(config_file), _migrate)
    if from_version == to_version:
        click.echo(f"The tables have version {to_version} already.")
    else:
        click.echo(f"The tables now have version {to_version} (before: {from_version}).")


@fleet.command(epilog="\b\nExample:\n  chargepoint-driver fleet status --config fleet.json")
@_config
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(config_file: Path, as_json: bool) -> None:
    """Show the nodes, the chargers of each, and what runs."""
    found = _run(read_node_config(config_file), _status)
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(
        f"schema version {found['schema_version']}, {found['charge_points']} chargers, "
        f"{found['running_transactions']} sessions run"
    )
    for row in found["nodes"]:
        seen = f"last seen {row['seen_s_ago']:.0f} s ago"
        running = "is drained" if row["is_draining"] else "runs"
        state = running if row["is_alive"] else f"does not run, {seen}"
        click.echo(
            f"{row['node']}: {state}; {row['charge_points']} chargers claimed; version "
            f"{row['version']} for tables of version {row['schema_version']}, listens on "
            f"{row['address']}"
        )


@fleet.command(epilog="\b\nExample:\n  chargepoint-driver fleet drain node-1 --config fleet.json")
@click.argument("node")
@_config
def drain(node: str, config_file: Path) -> None:
    """Have a node give up its chargers and end, for maintenance.

    Its health turns to 503, it accepts no more chargers, and closes its sockets over `drain_s`
    seconds. Other nodes take them.
    """
    if not _run(read_node_config(config_file), lambda db: _drain(db, node)):
        raise NotFoundError(f"no node {node!r} runs; `fleet status` lists them")
    click.echo(f"{node} is drained: it ends when its sockets are closed.")


def _run(config: NodeConfig, work: Callable[[Any], Awaitable[_T]]) -> _T:
    """Do something over a connection. Raises ConfigurationError, TransientError."""
    try:
        from chargepoint_driver.backends.ocpp.postgres.connections import connect  # noqa: PLC0415 - needs the extras
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: "
            "pip install 'volttron-lib-chargepoint-driver[ocpp,fleet]'"
        ) from None

    async def run() -> _T:
        try:
            connections = await connect(config.postgres)
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        try:
            async with connections.get() as db:
                return await work(db)
        except StoreError as error:
            raise TransientError(f"postgres: {error}") from None
        finally:
            await connections.close()

    return asyncio.run(run())


async def _migrate(db: Any) -> tuple[int, int]:
    from chargepoint_driver.backends.ocpp.postgres.schema import migrate as bring  # noqa: PLC0415 - needs the extras

    return await bring(db)


async def _drain(db: Any, node: str) -> bool:
    from chargepoint_driver.backends.ocpp.postgres.fleet_status import drain as begin  # noqa: PLC0415 - needs the extras

    return await begin(db, node)


async def _status(db: Any) -> dict[str, Any]:
    from chargepoint_driver.backends.ocpp.postgres.fleet_status import status_of  # noqa: PLC0415 - needs the extras

    return await status_of(db)
