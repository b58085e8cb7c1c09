"""`chargepoint-driver discover`: from an account to configs, in files or in a platform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from chargepoint_driver.cli.discovery import topics
from chargepoint_driver.cli.discovery.available import Available, read_available
from chargepoint_driver.cli.discovery.bundle import AGENT, BundleOptions, bundle
from chargepoint_driver.cli.discovery.central import TOKEN_ENV, charge_points, of_record, settings
from chargepoint_driver.cli.discovery.direct import ACCOUNT, bundle_of_charge_points
from chargepoint_driver.cli.discovery.platform import check_client
from chargepoint_driver.cli.discovery.site import groups_of, in_groups, stations_of
from chargepoint_driver.cli.support.account import (
    ACCOUNT_PARAMETERS,
    Access,
    ConnectsDirectlyError,
    Find,
    access_options,
    serving_any,
)
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import asking, emit, note, refuse_ignored
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED
from chargepoint_driver.cli.support.listing import show_charge_points, show_stations
from chargepoint_driver.cli.support.output_targets import Storing, check_writable
from chargepoint_driver.config import FleetAccountConfig

__all__ = ["discover"]


@click.command(
    epilog="""\b
Example:
  chargepoint-driver discover --username api-user --password-env CHARGEPOINT_PASSWORD
\b
  chargepoint-driver discover --write site --per port --group "Garage 1"
  chargepoint-driver discover --write site --groups
  chargepoint-driver discover --deploy --dry-run
  chargepoint-driver discover --central-system http://127.0.0.1:41235 --write chargers
"""
)
@access_options
@click.option(
    "--central-system",
    metavar="URL",
    help="Use the chargers of the central system with this control API; its token is in "
    f"{TOKEN_ENV}.",
)
@click.option("--group", "groups", multiple=True, help="Only this group (id or name); repeatable.")
@click.option(
    "--groups",
    "with_groups",
    is_flag=True,
    help="Also create a device for each station group; its allowedLoad is a total.",
)
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write driver configs, registries and a caching agent's config into this folder.",
)
@click.option("--deploy", is_flag=True, help="Store them in the platform of VOLTTRON_HOME.")
@click.option("--dry-run", is_flag=True, help="With --deploy: only show the changes.")
@click.option("--force", is_flag=True, help="Replace files and entries that differ.")
@click.option(
    "--per",
    type=click.Choice(["port", "station"]),
    default="port",
    show_default=True,
    help="One device per port (connector) or per station (charger).",
)
@click.option(
    "--topic",
    "template",
    help="Names of devices, from {org} {org_id} {group} {group_id} {station} {station_id} {port}."
    f"  [default: {topics.PER_PORT}; with --central-system, of the last three: "
    f"{topics.PER_CONNECTOR}]",
)
@click.option(
    "--interval",
    "interval_s",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    help="Seconds between polls.",
)
@click.option(
    "--all-points", is_flag=True, help="Include points that rarely change, like addresses."
)
@click.option(
    "--cache-agent",
    metavar="IDENTITY",
    help=f"Caching agent of the devices, like {AGENT}, which has the account.  "
    f"[with --central-system: {AGENT}]",
)
@click.option(
    "--volttron-home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="VOLTTRON_HOME",
    default="~/.volttron",
    show_default=True,
    show_envvar=True,
)
@json_option
def discover(
    find: Find,
    central_system: str | None,
    groups: tuple[str, ...],
    with_groups: bool,
    folder: Path | None,
    deploy: bool,
    dry_run: bool,
    force: bool,
    per: str,
    template: str | None,
    interval_s: int,
    all_points: bool,
    cache_agent: str | None,
    volttron_home: Path,
    as_json: bool,
) -> None:
    """List what an account sees, and write or deploy devices.

    Without --write and --deploy it only lists. Registries contain the attributes that this account
    may read and that its stations report. Passwords are never written, only their place. With
    --central-system the devices are chargers or connectors behind the caching agent, which becomes
    their central system.
    """
    if dry_run and not deploy:
        raise click.UsageError("--dry-run shows what --deploy would do: give --deploy too")
    per_port = per == "port"
    access, direct = None, None
    if central_system is not None:
        _refuse(*ACCOUNT_PARAMETERS, "groups", "with_groups")
    else:
        try:
            access = find(fleet=("chargepoint",))
        except ConnectsDirectlyError as config:
            _refuse("groups", "with_groups")
            direct = config
    _check_outputs(folder, deploy=deploy)
    if access is None:
        default = topics.PER_CONNECTOR if per_port else topics.PER_CHARGE_POINT
    else:
        default = topics.PER_PORT if per_port else topics.PER_STATION
    topics.check(template or default, per_port, topics.DIRECT if access is None else topics.FIELDS)
    bundle_options = BundleOptions(
        per_port, template or default, interval_s, all_points, cache_agent
    )
    storing = Storing(
        folder, volttron_home.expanduser() if deploy else None, dry_run, force, as_json
    )
    refused = False
    if access is not None:
        answer, refused = _of_account(access, groups, with_groups, storing, bundle_options)
    elif direct is not None:
        answer = _of_record(direct, storing, bundle_options)
    else:
        assert central_system is not None
        answer = _of_central_system(central_system, storing, bundle_options)
    if as_json:
        emit(answer)
    if refused:
        raise SystemExit(SOME_FAILED)


def _check_outputs(folder: Path | None, *, deploy: bool) -> None:
    """Refuse options that nothing would use, and a folder that cannot be written."""
    if not (folder or deploy):
        refuse_ignored(
            ("force", "per", "template", "interval_s", "all_points", "cache_agent", "with_groups"),
            "is for devices that are made: give --write or --deploy too",
        )
    if not deploy:
        refuse_ignored({"volttron_home"}, "is where --deploy stores: give --deploy too")
    else:
        check_client()
    if folder is not None:
        check_writable(folder)


def _refuse(*names: str) -> None:
    """Refuse options of an account: the central system reports the chargers itself."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            (option,) = (one for one in context.command.params if one.name == name)
            raise click.UsageError(
                f"the central system reports all chargers: leave {option.opts[0]} out"
            )


def _of_account(
    access: Access,
    groups: tuple[str, ...],
    with_groups: bool,
    storing: Storing,
    bundle_options: BundleOptions,
) -> tuple[dict[str, object], bool]:
    """Return (the answer, whether the account was refused any of it)."""
    place = access.account.place
    with serving_any(access) as service:
        with asking(f"asking {place} …"):
            stations = stations_of(service.stations())
        if groups:
            stations = in_groups(stations, groups)
        available = Available()
        if storing.is_wanted:
            with asking(f"asking {place} …"):
                available = read_available(service, stations)
    answer: dict[str, object] = {"stations": [station.to_dict() for station in stations]}
    if not storing.as_json:
        show_stations(stations)
    if storing.is_wanted:
        if available.unclear:
            raise next(iter(available.unclear.values()))
        devices = groups_of(stations, groups) if with_groups else []
        made = bundle(stations, available, access.reference(), bundle_options, devices)
        made = replace(made, left_out=(*made.left_out, *available.notes()))
        answer |= storing.store(made, with_agent=bundle_options.cache_agent is not None)
        _note_password(access)
    return answer, bool(available.refused)


def _of_central_system(
    url: str, storing: Storing, bundle_options: BundleOptions
) -> dict[str, object]:
    with asking(f"asking {url} …"):
        found = charge_points(url)
        account = settings(url) if storing.is_wanted else {}
    answer: dict[str, object] = {"charge_points": [one.to_dict() for one in found]}
    if not storing.as_json:
        show_charge_points(found)
    if storing.is_wanted:
        answer |= storing.store(
            bundle_of_charge_points(found, account, bundle_options), with_agent=True
        )
        note(
            f"the caching agent listens at {account['listen']} in the place of this central "
            "system, with its database: end the one before the other starts"
        )
    return answer


def _of_record(
    config: ConnectsDirectlyError, storing: Storing, bundle_options: BundleOptions
) -> dict[str, object]:
    """Of the central system in a platform, which has no control API, by what it recorded."""
    if config.account is None:
        raise config
    found = of_record(config.account)
    answer: dict[str, object] = {"charge_points": [one.to_dict() for one in found]}
    if not storing.as_json:
        show_charge_points(found)
    if storing.is_wanted:
        made = bundle_of_charge_points(found, config.fields, bundle_options, config.name or ACCOUNT)
        answer |= storing.store(made, with_agent=True)
        if config.name is None:
            note(
                "the devices go through the caching agent: remove those of this central system "
                "that hold its settings themselves, since of one database there is one"
            )
    return answer


def _note_password(access: Access) -> None:
    kept = access.reference()
    what = "token" if isinstance(access.account, FleetAccountConfig) else "password"
    where = (
        f"the environment variable {kept[f'{what}_env']}"
        if f"{what}_env" in kept
        else f"the file {kept.get(f'{what}_file')}"
    )
    note(f"the {what} is not in any config: the platform must find it in {where}")
