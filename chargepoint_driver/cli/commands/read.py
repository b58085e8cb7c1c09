"""`chargepoint-driver read`: each point of a device once, value or error."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.cli.discovery.available import DEFAULT_POINTS
from chargepoint_driver.cli.support.account import Access, Find, access_options, serving_any
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import asking, complain_of, console, emit
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED
from chargepoint_driver.cli.support.target import points_of, station_and_port, target_options
from chargepoint_driver.config import FleetAccountConfig
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Reading

__all__ = ["read"]


@click.command(
    epilog="""\b
Example:
  chargepoint-driver read driver_configs/station.config --json
\b
  chargepoint-driver read --station 1:34003 --port 2
"""
)
@click.argument(
    "file", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path, dir_okay=False)
)
@click.option(
    "--registry",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Registry CSV.  [default: the file in registry_config]",
)
@target_options
@access_options
@json_option
def read(
    find: Find,
    file: Path | None,
    registry: Path | None,
    station: str | None,
    port: int | None,
    as_json: bool,
) -> None:
    """Read every point of a driver config once, as a platform would.

    Finds a wrong password, region or station id before anything is deployed. With --station the
    default points of that station or port are read.
    """
    access = find(file, fleet=("chargepoint", "ocpp"))
    points = _points(access, registry, station, port)
    with serving_any(access) as service, asking(f"asking {access.account.place} …"):
        reading = service.read(points)
    if as_json:
        emit(
            {
                "values": reading.values,
                "errors": {name: error.to_dict() for name, error in reading.errors.items()},
                "ages_s": {name: round(age, 3) for name, age in reading.ages_s.items()},
            }
        )
    else:
        _show(reading, points)
    if reading.errors:
        raise SystemExit(SOME_FAILED)


def _points(
    access: Access, registry: Path | None, station: str | None, port: int | None
) -> dict[str, Point]:
    if access.file is not None and station is None and port is None:
        built = access.file.registry(registry or access.file.registry_path())
        built.raise_faults()
        return built.points
    if registry is not None:
        raise click.UsageError("--registry goes with a driver config, without --station and --port")
    if isinstance(access.account, FleetAccountConfig) and access.account.account_backend == "ocpp":
        raise click.UsageError("give a driver config of the charger, without --station and --port")
    # What was commanded is known to the process that did it.
    reported = sorted(
        (row.register, row.name)
        for row in CHARGEPOINT
        if (row.register, row.name) in DEFAULT_POINTS and not row.own
    )
    return points_of(reported, Target(*station_and_port(access, station, port))).points


def _show(reading: Reading, points: dict[str, Point]) -> None:
    table = Table("Point", "Value", "Unit", "From")
    for name, point in points.items():
        if name in reading.values:
            value = reading.values[name]
            shown = "[dim]not reported[/]" if value is None else escape(str(value))
        else:
            shown = f"[red]{reading.errors[name].code}[/]"
        table.add_row(escape(name), shown, escape(point.unit), point.attribute.call)
    screen = console()
    screen.print(table)
    complain_of(reading.errors.values())
    screen.print(f"{len(reading.values)} values, {len(reading.errors)} errors")
