"""`chargepoint-driver web`: a page and a JSON API over accounts, without VOLTTRON."""

from __future__ import annotations

import json
import logging
import os
import webbrowser
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.cli.support.serving import log_options, serving
from chargepoint_driver.config import AgentConfig
from chargepoint_driver.config.texts import read_json
from chargepoint_driver.errors import ConfigurationError

__all__ = ["web"]


@click.command(
    epilog="\b\nExample:\n"
    "  chargepoint-driver web --config accounts.json --listen 127.0.0.1:8080 --open"
)
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of accounts by name, as in the caching agent's config.",
)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Address of the page; port 0 takes a free one.",
)
@click.option("--open", "is_opened", is_flag=True, help="Show the page in a browser.")
@click.option(
    "--allow-remote", is_flag=True, help="Permit an address that other machines can reach."
)
@click.option(
    "--certificate", type=click.Path(dir_okay=False, path_type=Path), help="PEM file for TLS."
)
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Its key, PEM.")
@log_options
def web(
    config_file: Path,
    listen: str,
    is_opened: bool,
    allow_remote: bool,
    certificate: Path | None,
    key: Path | None,
    log_file: Path | None,
    max_log_bytes: int,
) -> None:
    """Serve a page of the chargers, and a JSON API under /api/v1, until interrupted.

    Prints one line of JSON when ready: url, and token if none was given. The token is that of the
    environment variable CHARGEPOINT_WEB_TOKEN. Without it, and without keys in the section web of
    the config, each start makes a new one. Token and keys open the page's login form and, as
    X-API-Key, the API. Sheds of the page are renewed while this process runs.
    """
    try:
        from chargepoint_driver.web import Settings, WebServer  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[web]'"
        ) from None
    accounts = _with_database(_read(config_file), config_file)
    settings = Settings.of(
        listen,
        allow_remote=allow_remote,
        certificate=certificate,
        key=key,
        needs_token=not _has_keys(accounts),
    )
    with serving(log_file, max_log_bytes, logging.WARNING) as signals:
        server = _server(WebServer, accounts, settings, config_file)
        try:
            server.start()
            if settings.is_readable:
                click.secho(
                    "warning: without TLS, anyone on the network path can read the token; give "
                    "--certificate and --key",
                    fg="yellow",
                    err=True,
                )
            ready = {"url": server.url}
            if settings.is_generated:
                ready["token"] = settings.token
            click.echo(json.dumps(ready))
            if is_opened:
                webbrowser.open(server.url)
            signals.wait()
        finally:
            server.stop()


def _server(make: Any, accounts: dict[str, Any], settings: Any, path: Path) -> Any:
    """Return the server of these accounts; faults name the file."""
    for name in AgentConfig.from_dict(accounts)[0].fleet_accounts:
        raise ConfigurationError(
            f"{path}: accounts.{name}: nodes of a fleet hold it, and the page shows accounts of "
            "its own process only; remove it here, and look at it with watch or on a platform"
        )
    try:
        return make(accounts, settings)
    except ConfigurationError as error:
        lines = [f"{path}: {line.removeprefix('config: ')}" for line in str(error).splitlines()]
        raise ConfigurationError("\n".join(lines)) from None


def _has_keys(accounts: dict[str, Any]) -> bool:
    """Return True if the accounts file lists who may log in."""
    section = accounts.get("web")
    names = ("keys", "keys_file", "proxy_login")
    return isinstance(section, dict) and any(section.get(name) for name in names)


def _with_database(accounts: dict[str, Any], path: Path) -> dict[str, Any]:
    """Name the page's database where the accounts file does not: a file next to it."""
    section = accounts.get("web", {})
    if not isinstance(section, dict) or section.get("database") is not None:
        return accounts
    folder = path.resolve().parent
    if not os.access(folder, os.W_OK):
        click.secho(
            f"warning: {folder} cannot be written; load over time is kept in memory only. Name "
            'a file: "web": {"database": "…"}',
            fg="yellow",
            err=True,
        )
        return accounts
    return {**accounts, "web": {**section, "database": str(folder / f"{path.stem}.web.sqlite")}}


def _read(path: Path) -> dict[str, Any]:
    """Return the configuration's content. Raises ConfigurationError."""
    content = read_json(path).content
    if not isinstance(content, dict):
        raise ConfigurationError(f'{path}: must be a JSON object, like {{"accounts": {{…}}}}')
    return content
