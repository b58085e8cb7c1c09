"""`chargepoint-driver discover`: from an account to configs, in files or in a platform."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Column, Table

from chargepoint_driver.cli.account import Access, Find, access_options, serving
from chargepoint_driver.cli.discovery import topics
from chargepoint_driver.cli.discovery.available import Available, look
from chargepoint_driver.cli.discovery.bundle import AGENT, DRIVER, Bundle, Wishes, bundle
from chargepoint_driver.cli.discovery.central import TOKEN_ENV, charge_points
from chargepoint_driver.cli.discovery.platform import Change, changes, connected
from chargepoint_driver.cli.discovery.site import Station, in_groups, stations_of
from chargepoint_driver.cli.exits import SOME_FAILED
from chargepoint_driver.cli.screen import as_json as json_option
from chargepoint_driver.cli.screen import complain, console, emit, note, progress
from chargepoint_driver.errors import BadConfiguration

__all__ = ["discover"]


@click.command(
    epilog="""\b
Example:
  chargepoint-driver discover --username api-user --password-env CHARGEPOINT_PASSWORD
\b
  chargepoint-driver discover --write site --per port --group "Garage 1"
  chargepoint-driver discover --deploy --dry-run
"""
)
@access_options
@click.option(
    "--central-system",
    metavar="URL",
    help=f"List charge points of this control API instead; its token is in {TOKEN_ENV}.",
)
@click.option("--group", "groups", multiple=True, help="Only this group (id or name); repeatable.")
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write driver configs, registries and a caching agent's config there.",
)
@click.option("--deploy", is_flag=True, help="Store them in the platform of VOLTTRON_HOME.")
@click.option("--dry-run", is_flag=True, help="With --deploy: show what would change, no more.")
@click.option("--force", is_flag=True, help="Replace files and entries that differ.")
@click.option(
    "--per",
    type=click.Choice(["port", "station"]),
    default="port",
    show_default=True,
    help="What a device is.",
)
@click.option(
    "--topic",
    "template",
    help="Names of devices, of {org} {org_id} {group} {group_id} {station} {station_id} {port}."
    f"  [default: {topics.PER_PORT}]",
)
@click.option(
    "--interval",
    "interval_s",
    type=click.IntRange(1, 86_400),
    default=60,
    show_default=True,
    help="Seconds between polls.",
)
@click.option("--all-points", is_flag=True, help="Also what hardly ever changes, like addresses.")
@click.option(
    "--cache-agent",
    metavar="IDENTITY",
    help=f"Devices go through this caching agent, like {AGENT}, which holds the account.",
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
    """List what an account sees, and make devices of it.

    Without --write and --deploy it only lists. Registries get the attributes that this account
    is permitted and that its stations report; passwords are never written, only where they are.
    """
    if dry_run and not deploy:
        raise click.UsageError("--dry-run shows what --deploy would do: give --deploy too")
    if central_system is not None:
        if folder is not None or deploy:
            raise click.UsageError("--central-system lists only: leave --write and --deploy out")
        _list_charge_points(central_system, as_json)
        return
    access = find()
    per_port = per == "port"
    wishes = Wishes(
        per_port,
        template or (topics.PER_PORT if per_port else topics.PER_STATION),
        interval_s,
        all_points,
        cache_agent,
    )
    makes = folder is not None or deploy
    with serving(access) as service, progress(f"asking {access.account.place} …"):
        stations = stations_of(service.stations())
        if groups:
            stations = in_groups(stations, groups)
        available = look(service, stations) if makes else Available()
    answer: dict[str, object] = {"stations": [station.to_dict() for station in stations]}
    if not as_json:
        _show(stations)
    if makes:
        made = _make(stations, available, access, wishes)
        left_out = [*made.left_out, *available.notes()]
        answer["left_out"] = left_out
        for line in left_out:
            complain(f"left out: {line}", "warning")
        if folder is not None:
            paths = made.write(folder, force)
            answer["written"] = [str(path) for path in paths]
            note(f"{len(paths)} files in {folder}: {len(made.devices)} devices")
        if deploy:
            entries = made.entries
            if cache_agent is None:
                # The agent's config is of use only where the devices name the agent.
                entries = tuple(entry for entry in entries if entry.identity == DRIVER)
            plan = _deploy(Bundle(entries), volttron_home.expanduser(), dry_run, force, as_json)
            answer["changes"] = plan
        _say_password(access)
    if as_json:
        emit(answer)
    if available.refused:
        raise SystemExit(SOME_FAILED)


def _list_charge_points(url: str, as_json: bool) -> None:
    with progress(f"asking {url} …"):
        found = charge_points(url)
    if as_json:
        emit({"charge_points": [one.to_dict() for one in found]})
        return
    table = Table("Charge point", "Vendor", "Model", "OCPP", "Connected", "Connector", "Status")
    for one in found:
        head = [
            escape(one.charge_point_id),
            escape(one.vendor or "–"),
            escape(one.model or "–"),
            escape(one.ocpp_version or "–"),
            "yes" if one.connected else "[red]no[/]",
        ]
        for number, status in one.connectors.items() or [("–", None)]:
            table.add_row(*head, str(number), escape(status or "–"))
            head = [""] * 5
    screen = console()
    screen.print(table)
    connectors = sum(len(one.connectors) for one in found)
    screen.print(f"{len(found)} charge points, {connectors} connectors")


def _make(
    stations: Sequence[Station], available: Available, access: Access, wishes: Wishes
) -> Bundle:
    if available.unclear:
        raise next(iter(available.unclear.values()))
    made = bundle(stations, available, access.reference(), wishes)
    if not made.devices:
        raise BadConfiguration("there is no station with a port; nothing to make devices of")
    return made


def _say_password(access: Access) -> None:
    kept = access.reference()
    where = (
        f"the environment variable {kept['password_env']}"
        if "password_env" in kept
        else f"the file {kept.get('password_file')}"
    )
    note(f"the password is not in any config: the platform must find it in {where}")


def _deploy(
    made: Bundle, home: Path, dry_run: bool, force: bool, as_json: bool
) -> list[dict[str, str]]:
    """Show, and unless `dry_run` store, what is new or (with force) differs."""
    with progress(f"asking the platform in {home} …"), connected(home) as platform:
        found, warnings = changes(platform, made.entries)
        if not as_json:
            _show_changes(found)
        for warning in warnings:
            complain(warning, "warning")
        differ = [change for change in found if change.kind == "differs"]
        todo = [change.entry for change in found if change.kind != "same"]
        runs = platform.runs(DRIVER)
        if dry_run:
            note(f"dry run: nothing was stored; {len(todo)} entries would be")
        elif differ and not force:
            raise BadConfiguration(
                f"{len(differ)} entries of the store differ from what would be stored (above); "
                "give --force to replace them. Nothing was stored"
            )
        else:
            for entry in todo:
                platform.store(entry)
            note(f"{len(todo)} entries stored")
        if any(entry.identity == DRIVER for entry in todo):
            note(
                f"{DRIVER} is running: restart it to take the devices up (vctl restart), since "
                "devices that are added while it runs multiply the polls of the others"
                if runs
                else f"{DRIVER} is not running; it takes the devices up when it starts"
            )
    return [
        {
            "agent": one.entry.identity,
            "name": one.entry.name,
            "change": one.kind,
            "keys": one.detail,
        }
        for one in found
    ]


def _show(stations: Sequence[Station]) -> None:
    screen = console()
    for (org, group), members in groupby(stations, key=lambda one: (_org(one), _groups(one))):
        table = Table(
            Column("Station", no_wrap=True),
            "Id",
            "Model",
            "Port",
            "Connector",
            Column("kW", justify="right"),
            title=f"[bold]{escape(org)}[/] / {escape(group)}",
            title_justify="left",
            title_style="",
        )
        for station in members:
            head = [station.name, station.station_id, station.model or "–"]
            if not station.ports:
                table.add_row(*map(escape, head), "[dim]none[/]", "", "")
            for port in station.ports:
                kinds = " ".join(filter(None, (port.level, port.connector))) or "–"
                power = "–" if port.power_kw is None else f"{port.power_kw:g}"
                table.add_row(*map(escape, head), str(port.number), escape(kinds), power)
                head = ["", "", ""]
        screen.print(table)
    screen.print(
        f"{len({one.org_id for one in stations})} organisations, "
        f"{len({group for one in stations for group in one.groups})} groups, "
        f"{len(stations)} stations, {sum(len(one.ports) for one in stations)} ports"
    )


def _org(station: Station) -> str:
    return f"{station.org} ({station.org_id})"


def _groups(station: Station) -> str:
    return ", ".join(f"{one.name} ({one.group_id})" for one in station.groups) or "no group"


def _show_changes(found: Sequence[Change]) -> None:
    colours = {"new": "green", "same": "dim", "differs": "yellow"}
    table = Table("Change", "Agent", "Entry", "What differs")
    for change in found:
        table.add_row(
            f"[{colours[change.kind]}]{change.kind}[/]",
            escape(change.entry.identity),
            escape(change.entry.name),
            escape(change.detail),
        )
    console().print(table)
