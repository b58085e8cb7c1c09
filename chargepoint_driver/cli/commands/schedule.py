"""`chargepoint-driver schedule`: limits by time and price, without VOLTTRON."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from chargepoint_driver.cli.support.console import refuse_ignored
from chargepoint_driver.cli.support.serving import log_options, serving
from chargepoint_driver.config import Account
from chargepoint_driver.demand_response.schedule import ScheduleConfig
from chargepoint_driver.demand_response.schedule.devices import (
    AccountDevices,
    check_account_devices,
)
from chargepoint_driver.demand_response.schedule.follower import Follower
from chargepoint_driver.demand_response.schedule.prices import parse_time
from chargepoint_driver.demand_response.schedule.runner import Scheduler
from chargepoint_driver.demand_response.schedule.schedule_file import ScheduleFile
from chargepoint_driver.errors import ConfigurationError, InvalidValueError
from chargepoint_driver.process.signals import EndSignals
from chargepoint_driver.service import Accounts, Service
from chargepoint_driver.text import get_logger

__all__ = ["schedule"]

_log = get_logger(__name__)


@click.command(
    epilog="\b\nExample:\n"
    "  chargepoint-driver schedule --config schedule.json\n"
    "  chargepoint-driver schedule show --config schedule.json --at 2026-12-01T18:00:00+01:00",
)
@click.argument("action", type=click.Choice(["run", "show"]), default="run")
@click.option(
    "--config",
    "config_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of the schedule; to run it, with the accounts of its chargers.",
)
@click.option("--at", default=None, metavar="TIME", help="Time to show, ISO 8601.  [default: now]")
@click.option("--json", "as_json", is_flag=True, help="Show JSON.")
@log_options
def schedule(
    action: str,
    config_file: Path,
    at: str | None,
    as_json: bool,
    log_file: Path | None,
    max_log_bytes: int,
) -> None:
    """Limit chargers by time, price and circuit, until interrupted.

    Watches the file: a new version counts at once, and a version with a fault is refused. Prints
    one line of JSON for each change, and keeps them in <config>.log.sqlite. Limits are written
    under a lease: they end if this process dies. Plans, and limits of circuits, stay.

    `show` prints the present and the next limits, and sends nothing. It knows the prices of the
    file, but no needs of vehicles.
    """
    if action == "show":
        _show(config_file, at, as_json)
        return
    refuse_ignored({"at", "as_json"}, "is for show: chargepoint-driver schedule show")
    if log_file is None:
        refuse_ignored({"max_log_bytes"}, "is the size of --log-file: give that too")
    file = ScheduleFile(config_file, check=_check)
    config = _config(file)
    with serving(log_file, max_log_bytes, logging.WARNING) as signals:
        accounts = Accounts(_serve)
        follower: Follower | None = None
        try:
            faults = accounts.configure({"accounts": config.accounts})
            if faults:
                errors = [each.removeprefix("config: ") for each in faults]
                raise ConfigurationError("\n".join(f"{config_file}: {each}" for each in errors))
            click.echo(json.dumps({"ready": True, "groups": list(config.groups)}))
            follower = Follower(file, AccountDevices(accounts), _now, _print, host="command")
            _run(follower, signals)
        finally:
            if follower is not None:
                follower.stop()
            accounts.close()


def _show(config_file: Path, at: str | None, as_json: bool) -> None:
    config = _config(ScheduleFile(config_file))
    try:
        now = _now() if at is None else parse_time(at, "--at")
    except InvalidValueError as error:
        raise click.UsageError(str(error)) from None
    scheduler = Scheduler(config, _NoDevices(), lambda: now)
    prices = scheduler.read_prices()
    if prices not in ("", "accepted"):
        click.secho(f"warning: prices: {prices}", fg="yellow", err=True)
    found = scheduler.show()
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, each in found["groups"].items():
        click.echo(f"{name}: {_describe(each['now'])}")
        if each["next"] is not None:
            click.echo(f"    then {_describe(each['next'])}")


def _serve(account: Account) -> Service:
    """Return the service of an account, which renews what is written while this runs."""
    service = Service.of_account(account)
    service.keep(lambda key, message: _log.warning("%s: %s", key, message))
    return service


def _run(follower: Follower, signals: EndSignals) -> None:
    """Look again and again until a signal. Raises what a look raised."""
    stop, failures = threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            while True:
                follower.run_due()
                if stop.wait(follower.interval_s):
                    return
        except BaseException as error:  # noqa: BLE001 - raised on the main thread
            failures.append(error)
            stop.set()

    thread = threading.Thread(target=work, name="scheduler")
    thread.start()
    try:
        signals.wait(stop)
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


def _describe(period: dict[str, Any]) -> str:
    kw, reason = period["kw"], period["reason"]
    limit = "no limit" if kw is None else f"{kw:g} kW"
    return f"{limit} until {period['until']}" + (f" ({reason})" if reason else "")


class _NoDevices:
    """Devices of a schedule that is only shown."""

    def read(self, device: Any) -> Any:
        raise NotImplementedError

    def hold(self, device: Any, kw: float, *, lease_s: float) -> None:
        raise NotImplementedError

    def release(self, device: Any) -> None:
        raise NotImplementedError

    def plan(self, device: Any, text: str) -> bool:
        raise NotImplementedError


def _config(file: ScheduleFile) -> ScheduleConfig:
    """Return the configuration. Raises ConfigurationError."""
    stored = file.read()
    if stored.config is None:
        raise ConfigurationError(stored.fault)
    return stored.config


def _check(config: ScheduleConfig) -> None:
    """Raise ConfigurationError for what needs VOLTTRON, and for missing accounts."""
    check_account_devices(config)
    if not config.accounts:
        raise ConfigurationError("'accounts' is missing; add the accounts of the chargers")


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _print(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(facts))
