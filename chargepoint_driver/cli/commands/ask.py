"""`chargepoint-driver ask`: the operator's simple questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from chargepoint_driver.cli.support.config_files import is_nodes, load_device, load_object
from chargepoint_driver.config import DeviceConfig, OcppDevice
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.service import Service, session_reports

__all__ = ["ask"]

F = TypeVar("F", bound=Callable[..., Any])


@click.group(epilog="\b\nExample:\n  chargepoint-driver ask sessions ocpp.config 2026-11 --csv")
def ask() -> None:
    """Answer questions about chargers and transactions.

    CONFIG is a driver config. For ChargePoint's stations the service is asked. For chargers that
    connect directly the database of the central system is read, which may be in use. Answers are
    JSON.
    """


def _config(command: F) -> F:
    return click.argument("config", type=click.Path(path_type=Path, dir_okay=False))(command)


@ask.command()
@_config
def active(config: Path) -> None:
    """List the chargers that can be reached now."""
    with _source(config) as source:
        _show(session_reports.active(source))


@ask.command()
@_config
@click.argument("station")
def contact(config: Path, station: str) -> None:
    """Print when charger STATION last sent something."""
    with _source(config) as source:
        _show({"station": station, "time": session_reports.last_contact(source, station)})


@ask.command()
@_config
@click.argument("transaction")
@click.option("--days", type=click.IntRange(1, 3_660), help="Maximum age in days.  [default: any]")
def energy(config: Path, transaction: str, days: int | None) -> None:
    """Print the last known energy of a TRANSACTION (a sessionID)."""
    with _source(config) as source:
        _show(session_reports.last_energy(source, transaction, days))


@ask.command()
@_config
@click.argument("month")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of JSON.")
def sessions(config: Path, month: str, as_csv: bool) -> None:
    """List duration and energy of each transaction completed in MONTH (YYYY-MM, UTC)."""
    with _source(config) as source:
        rows = session_reports.completed(source, month)
    if as_csv:
        click.echo(session_reports.as_csv(rows), nl=False)
    else:
        _show(rows)


@contextmanager
def _source(path: Path) -> Iterator[session_reports.Source]:
    content = load_object(path)
    if is_nodes(content):
        raise ConfigurationError(
            f"{path}: is the config of a node; use sessions and report with it, and for what runs "
            "now the control API of any node, like /api/v1/live-status"
        )
    file = load_device(path, content)
    if isinstance(file.device, OcppDevice) and file.device.cache_agent is None:
        yield session_reports.of_record(file.device.account)
        return
    if not isinstance(file.device, DeviceConfig) or file.device.cache_agent is not None:
        raise ConfigurationError(
            f"{path}: the account is held by {file.device.cache_agent}; ask that agent by RPC"
        )
    service = Service.of_account(file.device.account)
    try:
        yield session_reports.of_service(service)
    finally:
        service.close()


def _show(answer: Any) -> None:
    click.echo(json.dumps(answer))
