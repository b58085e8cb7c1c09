"""`chargepoint-driver node`: a central system whose records are in PostgreSQL."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chargepoint_driver.cli.commands.fleet import drain
from chargepoint_driver.cli.support.console import refuse_ignored
from chargepoint_driver.cli.support.serving import log_options, serve_metrics, serving
from chargepoint_driver.config.fleet import read_node_config
from chargepoint_driver.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from chargepoint_driver.backends.ocpp.postgres.node import Node
    from chargepoint_driver.fleet.account_api import AccountApi
    from chargepoint_driver.fleet.node_accounts import NodeAccounts

__all__ = ["node"]

_START_S = 20.0
_END_S = 10.0


@click.group(
    invoke_without_command=True,
    epilog="\b\nExample:\n  chargepoint-driver node --config fleet.json"
    "\n  chargepoint-driver node drain node-1 --config fleet.json",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of this node: node, postgres, nats, accounts, central_system, control, health, "
    "metrics.  [required without a command]",
)
@log_options
@click.pass_context
def node(
    context: click.Context, config_file: Path | None, log_file: Path | None, max_log_bytes: int
) -> None:
    """Run an OCPP central system on PostgreSQL until interrupted.

    Several nodes share the records in one PostgreSQL; a charger may connect to any of them. Prints
    one line of JSON when ready: node, ocpp_url and control_url, with `health` and `metrics` also
    health_url and metrics_url. Ends when the node has been drained (`fleet drain`).
    """
    if context.invoked_subcommand is not None:
        if config_file is not None or log_file is not None:
            name = context.invoked_subcommand
            raise click.UsageError(f"give options behind {name}, like node {name} --config FILE")
        return
    if config_file is None:
        raise click.MissingParameter(param_type="option", param_hint="'--config'")
    if log_file is None:
        refuse_ignored({"max_log_bytes"}, "is the size of --log-file: give that too")
    try:
        from chargepoint_driver.backends.ocpp.postgres.node import Node  # noqa: PLC0415 - needs the extras
        from chargepoint_driver.fleet.account_api import AccountApi  # noqa: PLC0415
        from chargepoint_driver.fleet.node_accounts import NodeAccounts  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: "
            "pip install 'volttron-lib-chargepoint-driver[ocpp,fleet]'"
        ) from None

    config = read_node_config(config_file)
    ended = threading.Event()
    reasons: list[str | None] = []

    def end(reason: str | None) -> None:
        reasons.append(reason)
        ended.set()

    system = Node(config, on_end=end)
    accounts = NodeAccounts(system)
    api = AccountApi(accounts)
    with serving(log_file, max_log_bytes, logging.INFO) as signals:
        try:
            system.start(control=config.control, more=api.routes)
            ready = {
                "node": config.node,
                "ocpp_url": system.ocpp_url,
                "control_url": system.control_url,
            }
            if system.health_url is not None:
                ready["health_url"] = system.health_url
            with ExitStack() as stack:
                stack.enter_context(_accounts_of(system, accounts, api))
                if config.metrics is not None:
                    server = serve_metrics(config.metrics, system, "metrics", accounts.services)
                    stack.callback(server.stop)
                    ready["metrics_url"] = server.url
                click.echo(json.dumps(ready))
                signals.wait(ended)
        finally:
            system.stop()
    if reasons and reasons[0] is not None:
        raise ConfigurationError(f"node: {reasons[0]}; this one has stopped")


@contextmanager
def _accounts_of(system: Node, accounts: NodeAccounts, api: AccountApi) -> Iterator[None]:
    """Hold and serve accounts while the node runs."""

    async def serve() -> None:
        await api.start(system.messaging, system.membership.run, await system.fleet_name())

    try:
        accounts.start()
        system.run_on_loop(serve, _START_S)
        yield
    finally:
        with suppress(TransientError):  # the node ends all the same
            system.run_on_loop(api.end, _END_S)
        accounts.stop()


node.add_command(drain)
