"""`chargepoint-driver openadr`: the OpenADR agent (VEN), without VOLTTRON."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.cli.support.console import refuse_ignored
from chargepoint_driver.cli.support.serving import log_options, serving
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError, NotFoundError

__all__ = ["openadr"]


@click.command(
    epilog="\b\nExample:\n"
    "  chargepoint-driver openadr --config openadr.json\n"
    "  chargepoint-driver openadr --config openadr.json --status\n"
    "  chargepoint-driver openadr --config openadr.json --opt-out utility/peak-7"
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of VTNs, chargers and the meaning of signals.",
)
@click.option("--status", "shows", is_flag=True, help="Print the state of the running agent; end.")
@click.option("--opt-out", metavar="VTN/EVENT", help="Leave an event, also while it lasts; end.")
@click.option("--opt-in", metavar="VTN/EVENT", help="Take part in an event again; end.")
@click.option(
    "--bridge",
    is_flag=True,
    help="Run as child of the platform's agent: config and chargers by standard input.",
)
@log_options
def openadr(
    config_file: Path | None,
    shows: bool,
    opt_out: str | None,
    opt_in: str | None,
    bridge: bool,
    log_file: Path | None,
    max_log_bytes: int,
) -> None:
    """Follow events of OpenADR 2.0b and 3 servers until interrupted.

    Prints one line of JSON when ready. Limits are written under a lease, so the limit of a killed
    agent ends. The server gets reports of load, limit and reduction.
    """
    if log_file is None:
        refuse_ignored({"max_log_bytes"}, "is the size of --log-file: give that too")
    chosen = [bool(shows), opt_out is not None, opt_in is not None, bridge]
    if sum(chosen) > 1:
        raise click.UsageError("--status, --opt-out, --opt-in and --bridge exclude each other")
    if bridge == (config_file is not None):
        raise click.UsageError("--config is missing" if not bridge else "--bridge has no --config")
    if bridge:
        _run_bridge(log_file, max_log_bytes)
        return
    assert config_file is not None
    fields = read_json(config_file).content
    if not isinstance(fields, dict):
        raise ConfigurationError(f"{config_file}: must be a JSON object")
    if shows or opt_out is not None or opt_in is not None:
        _ask(fields, config_file, opt_out or opt_in, opts_in=opt_in is not None)
        return
    _run(fields, config_file, log_file, max_log_bytes)


def _ask(fields: dict[str, Any], source: Path, event: str | None, *, opts_in: bool) -> None:
    """Print the status, or write the operator's decision for the running agent."""
    from chargepoint_driver.demand_response.openadr.config import (  # noqa: PLC0415
        OpenAdrConfig,
    )
    from chargepoint_driver.demand_response.openadr.store import Store  # noqa: PLC0415

    path = OpenAdrConfig.from_dict(fields, str(source)).state_file
    if not path.exists():
        raise NotFoundError(f"{path} does not exist: the agent has not run with this config yet")
    store = Store(path)
    try:
        if event is None:
            click.echo(json.dumps(store.fact("status"), indent=2))
            return
        vtn, _, name = event.partition("/")
        known = {each.key for each in store.events()}
        if (vtn, name) not in known:
            listed = ", ".join("/".join(key) for key in sorted(known)) or "none"
            raise NotFoundError(f"event {event} is not known; known are {listed}")
        store.opt((vtn, name), opts_in)
        click.echo(f"{event}: opted {'in' if opts_in else 'out'}; the agent acts on its next look")
    finally:
        store.close()


def _run(fields: dict[str, Any], source: Path, log_file: Path | None, max_log_bytes: int) -> None:
    from chargepoint_driver.demand_response.chargers import (  # noqa: PLC0415
        AccountChargers,
        kept_accounts,
    )
    from chargepoint_driver.demand_response.openadr.config import (  # noqa: PLC0415
        OpenAdrConfig,
    )

    config = OpenAdrConfig.from_dict(fields, str(source))
    given = _accounts(config.chargers, source)
    accounts = kept_accounts(config.state_file.with_suffix(".commands.sqlite"))
    with serving(log_file, max_log_bytes, logging.WARNING) as signals:
        try:
            faults = accounts.configure({"accounts": given})
            if faults:
                raise ConfigurationError("\n".join(f"{source}: {fault}" for fault in faults))
            devices = [each for each in config.chargers.devices if isinstance(each, dict)]
            if len(devices) != len(config.chargers.devices):
                raise ConfigurationError(
                    f"{source}: chargers.devices: topics of the bus are for the platform's agent"
                )
            chargers = AccountChargers(accounts, devices, config.lease_seconds)
            ready = {"ven_name": config.ven_name, "vtns": list(config.vtns)}
            asyncio.run(_serve(config, chargers, signals, ready))
        finally:
            accounts.close()


def _accounts(chargers: Any, source: Path) -> Any:
    if (chargers.accounts is None) == (chargers.accounts_file is None):
        raise ConfigurationError(
            f"{source}: chargers: exactly one of accounts and accounts_file must be given"
        )
    if chargers.accounts is not None:
        return chargers.accounts
    content = read_json(chargers.accounts_file).content
    return content.get("accounts") if isinstance(content, dict) else None


def _run_bridge(log_file: Path | None, max_log_bytes: int) -> None:
    from chargepoint_driver.demand_response.openadr.bridge import BridgeChargers  # noqa: PLC0415
    from chargepoint_driver.demand_response.openadr.config import (  # noqa: PLC0415
        OpenAdrConfig,
    )

    chargers = BridgeChargers(sys.stdin, sys.stdout)
    config = OpenAdrConfig.from_dict(chargers.read_config())
    with serving(log_file, max_log_bytes, logging.WARNING) as signals:
        asyncio.run(_serve(config, chargers, signals, None))


async def _serve(config: Any, chargers: Any, signals: Any, ready: dict[str, Any] | None) -> None:
    """Run the agent until a signal, or until the parent ends the bridge."""
    from chargepoint_driver.demand_response.openadr.agent import OpenAdrAgent  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    bridged = ready is None
    agent = OpenAdrAgent(config, chargers, chargers.publish if bridged else lambda _status: None)
    if bridged:
        chargers.listen(lambda: loop.call_soon_threadsafe(agent.stop))
    else:
        click.echo(json.dumps(ready))

    done = threading.Event()

    async def watch() -> None:
        await asyncio.to_thread(signals.wait, done)
        agent.stop()

    watching = asyncio.create_task(watch())
    try:
        await agent.run()
    finally:
        done.set()
        await watching
