"""`chargepoint-driver events`: stored events, printed, or sent to a sink again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.cli.commands.sessions import moment
from chargepoint_driver.cli.support.config_files import load_object
from chargepoint_driver.cli.support.console import note
from chargepoint_driver.config import AgentConfig
from chargepoint_driver.config.fleet import NodeConfig, read_node_config
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import ConfigurationError, StoreError, TransientError
from chargepoint_driver.events import Event, StoredEvents
from chargepoint_driver.events.sinks import SinkError, make_sink

__all__ = ["events"]

_BATCH = 500
_LIMIT_S = 60.0


@click.command(
    epilog="""\b
Example:
  chargepoint-driver events --database csms.sqlite --since 24h >> day.jsonl
\b
  chargepoint-driver events --config csms.json --database csms.sqlite --after 120000 --sink kafka
\b
  chargepoint-driver events --config fleet.json --since 24h >> day.jsonl
"""
)
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="SQLite file of a central system, or events_file of an account. "
    "[default: the one that --config names]",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file with the sinks: of csms, of accounts, or of a node. With that of a node and no "
    "--database the events of all nodes are read from PostgreSQL.",
)
@click.option("--account", metavar="NAME", help="Account of --config, where it has several.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="ID",
    help="Events after this seq; in PostgreSQL after this id.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Events received since a time (ISO 8601), or an age: 30m, 24h, 7d.",
)
@click.option("--sink", metavar="NAME", help="Sink of --config that gets them, instead of stdout.")
def events(
    database: Path | None,
    config_file: Path | None,
    account: str | None,
    after: int | None,
    since: str | None,
    sink: str | None,
) -> None:
    """Print stored events as JSON lines, oldest first, or send them to a sink again.

    Each line is an envelope with the id that it had before, so that consumers can drop what they
    have. The cursor of the sink stays where it is. Events of meter values are only in the file of
    the node that had the charger: give it as --database.
    """
    if (after is None) == (since is None):
        raise click.UsageError("give --after or --since")
    if sink is not None and config_file is None:
        raise click.UsageError("--sink needs --config, which has its settings")
    settings = {} if config_file is None else _settings(config_file, account)
    path = database or settings.get("file")
    if path is None and "node" not in settings:
        raise click.UsageError("give --database: the file of the events")
    begin_s = None
    if since is not None:
        begin_s = moment("--since", since, datetime.now(timezone.utc)).timestamp()
    name = settings.get("name", account or "ocpp")

    def read(size: int) -> AsyncIterator[list[Event]]:
        if path is None:
            return _of_fleet(settings["node"], after or 0, begin_s, size)
        return _of_file(path, name, after, begin_s, size)

    if sink is None:
        asyncio.run(_print(read(_BATCH)))
        return
    note(f"{_send(read, sink, name, settings)} events were sent to {sink}")


async def _print(batches: AsyncIterator[list[Event]]) -> None:
    async for batch in batches:
        for event in batch:
            click.echo(event.to_json())


async def _of_file(
    path: Path, name: str, after: int | None, begin_s: float | None, size: int
) -> AsyncIterator[list[Event]]:
    """Yield the events that are stored in a file by now."""
    with closing(StoredEvents(path, name)) as stored:
        begin = stored.before(begin_s) if begin_s is not None else after or 0
        last = stored.last()
        while begin < last and (batch := stored.read(begin, size)):
            batch = [event for event in batch if event.seq <= last]
            if not batch:
                return
            yield batch
            begin = batch[-1].seq


async def _of_fleet(
    node: NodeConfig, after: int, begin_s: float | None, size: int
) -> AsyncIterator[list[Event]]:
    """Yield the events of all nodes that are stored in PostgreSQL by now."""
    try:
        from chargepoint_driver.backends.ocpp.postgres.connections import connect  # noqa: PLC0415 - needs the extras
        from chargepoint_driver.backends.ocpp.postgres.event_outbox import EventOutbox  # noqa: PLC0415 - as above
        from chargepoint_driver.backends.ocpp.postgres.schema import check_version  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: "
            "pip install 'volttron-lib-chargepoint-driver[ocpp,fleet]'"
        ) from None
    try:
        connections = await connect(node.postgres, 1)
        try:
            async with connections.get() as db:
                await check_version(db)
            outbox = EventOutbox(connections)
            last = await outbox.newest()
            while after < last and (rows := await outbox.stored(after, size, begin_s)):
                yield [event for own_id, event in rows if own_id <= last]
                after = rows[-1][0]
        finally:
            await connections.close()
    except StoreError as error:
        raise TransientError(f"postgres: {error}") from None


def _send(
    read: Callable[[int], AsyncIterator[list[Event]]],
    name: str,
    account: str,
    settings: dict[str, Any],
) -> int:
    config = settings["sinks"].get(name)
    if config is None:
        known = ", ".join(settings["sinks"]) or "none"
        raise ConfigurationError(f"--sink: {name!r} is not in sinks (there: {known})")
    if config.type == "mqtt":
        # Another connection with the same id would end that of the running process.
        config = config.model_copy(update={"client_id": f"chargepoint-replay-{name}"[:100]})
    sink = make_sink(name, account, config)

    async def send() -> int:
        count = 0
        try:
            await asyncio.wait_for(sink.open(), _LIMIT_S)
            async for batch in read(sink.max_batch):
                await asyncio.wait_for(sink.put(batch), _LIMIT_S)
                count += len(batch)
        except (SinkError, OSError, asyncio.TimeoutError) as error:
            raise TransientError(
                f"{name}: {str(error) or 'no answer'}; {count} events were sent before"
            ) from None
        finally:
            await sink.close()
        return count

    return asyncio.run(send())


def _settings(path: Path, account: str | None) -> dict[str, Any]:
    """Return `name`, `sinks` and `file` of a config of csms, or of an account; of a config of a
    node `name`, `sinks` and `node`."""
    content = load_object(path)
    if "postgres" in content:
        node = read_node_config(path)
        central = node.central_system
        name = central.stream_name or "ocpp"
        return {"name": name, "sinks": central.sinks, "node": node}
    if "accounts" not in content:
        fields = {"database": "unknown.sqlite", **content}
        config = OcppConfig.from_dict(fields, str(path))
        file = config.database if "database" in content else None
        return {"name": config.stream_name or "ocpp", "sinks": config.sinks, "file": file}
    agents, faults = AgentConfig.from_dict(content, str(path))
    if faults:
        raise ConfigurationError("\n".join(faults))
    if account is None and len(agents.accounts) != 1:
        raise click.UsageError(f"give --account: one of {', '.join(agents.accounts)}")
    name = account or next(iter(agents.accounts))
    if name not in agents.accounts:
        raise ConfigurationError(f"--account: {name!r} is not in {path}")
    settings = agents.accounts[name]
    return {
        "name": settings.stream_name or settings.backend,
        "sinks": settings.sinks,
        "file": settings.database if isinstance(settings, OcppConfig) else settings.events_file,
    }
