"""`chargepoint-driver fleet`: the tables of a fleet in PostgreSQL, and its state."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from chargepoint_driver.config.fleet import NodeConfig, read_node_config
from chargepoint_driver.errors import ConfigurationError, NotFoundError, StoreError, TransientError

__all__ = ["drain", "fleet"]

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
    """Show the nodes, the chargers of each, accounts, leases, and what runs.

    With `nats` in the config each node that runs is asked for its state: connected chargers, what
    was out of order, and how its sinks stand.
    """
    config = read_node_config(config_file)
    found = _run(config, lambda db: _status(db, config))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(
        f"schema version {found['schema_version']}, {found['charge_points']} chargers, "
        f"{found['running_transactions']} sessions run"
    )
    for row in found["nodes"]:
        click.echo(_line_of(row))
        for sink in row["sinks"] or ():
            words = f"{sink['waiting']} events wait, the oldest for {sink['lag_s']:.0f} s"
            click.echo(f"  sink {sink['name']}: {sink['error'] or 'works'}; {words}")
    for account in found["accounts"]:
        holder = account["holder"]
        held = "no node holds it" if holder is None else f"{holder} holds it"
        nodes = ", ".join(account["nodes"])
        click.echo(f"account {account['account']}: {held}; in the config of {nodes}")
        if not account["is_alike"]:
            click.echo("  the nodes mean different accounts by this name, or call one otherwise")
        for alert in account["alerts"]:
            click.echo(f"  {alert['about']}: {alert['what']} (since {alert['since']})")
    for lease in found["leases"]:
        ends = f"ends in {lease['ends_in_s']:.1f} s" if lease["is_held"] else "has ended"
        click.echo(f"lease {lease['name']}: {lease['holder']}, {ends}")
    if config.nats is not None:
        click.echo(_sums(found))


def _line_of(row: dict[str, Any]) -> str:
    seen = f"last seen {row['seen_s_ago']:.0f} s ago"
    running = "is drained" if row["is_draining"] else "runs"
    state = running if row["is_alive"] else f"does not run, {seen}"
    nats = {True: ", answers over NATS", False: ", no answer over NATS", None: ""}
    connected = "" if row["connected"] is None else f", {row['connected']} connected"
    return (
        f"{row['node']}: {state}{nats[row['is_on_nats']]}; {row['charge_points']} chargers claimed"
        f"{connected}; version {row['version']} for tables of version {row['schema_version']}, "
        f"listens on {row['address']}"
    )


def _sums(found: dict[str, Any]) -> str:
    if found["nats_error"] is not None:
        return f"NATS: {found['nats_error']}; what nodes report is not known"
    if found["connected"] is None:
        silent = ", ".join(row["node"] for row in found["nodes"] if row["is_on_nats"] is False)
        return f"all nodes: not known, no answer from {silent}"
    counts = ", ".join(f"{name} {count}" for name, count in sorted(found["counters"].items()))
    return f"all nodes: {found['connected']} chargers connected; counters: {counts or 'none'}"


@click.command(epilog="\b\nExample:\n  chargepoint-driver fleet drain node-1 --config fleet.json")
@click.argument("node")
@_config
def drain(node: str, config_file: Path) -> None:
    """Have a node give up its chargers and end, for maintenance.

    Its health turns to 503, it accepts no more chargers, and closes its sockets over `drain_s`
    seconds. Other nodes take them. `node drain` is the same.
    """
    if not _run(read_node_config(config_file), lambda db: _drain(db, node)):
        raise NotFoundError(f"no node {node!r} runs; `fleet status` lists them")
    click.echo(f"{node} is drained: it ends when its sockets are closed.")


fleet.add_command(drain)


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


async def _status(db: Any, config: NodeConfig) -> dict[str, Any]:
    from chargepoint_driver.backends.ocpp.postgres import fleet_status  # noqa: PLC0415 - needs the extras

    found = await fleet_status.status_of(db)
    found["leases"] = await fleet_status.leases_of(db)
    found["accounts"] = await fleet_status.accounts_of(db)
    found["nats_error"] = None
    states: dict[str, Any] = {}
    if config.nats is not None:
        asked = await fleet_status.nodes_on_nats(db, config.nats)
        found["nats_error"], states = asked["error"], asked["nodes"]
    counters: Counter[str] = Counter()
    connected, is_whole = 0, config.nats is not None and found["nats_error"] is None
    for row in found["nodes"]:
        state = states.get(row["node"])
        row["is_on_nats"] = None if state is None else isinstance(state, dict)
        reported = state if isinstance(state, dict) else {}
        for name in ("connected", "counters", "sinks"):
            row[name] = reported.get(name)
        if reported:
            connected += reported["connected"]
            counters.update(reported["counters"])
        elif row["is_alive"]:
            is_whole = False
    # A part never looks like the whole.
    found["connected"] = connected if is_whole else None
    found["counters"] = dict(counters) if is_whole else None
    return found
