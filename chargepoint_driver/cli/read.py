"""`chargepoint-driver read`: each point of a driver config once, value or error."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from chargepoint_driver.cli.files import load_device
from chargepoint_driver.registry import Point
from chargepoint_driver.service import Reading, Service

__all__ = ["read"]


@click.command(
    epilog="\b\nExample:\n  chargepoint-driver read driver_configs/station.config --json"
)
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--registry",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Registry CSV; without it the file that registry_config names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def read(config: Path, registry: Path | None, as_json: bool) -> None:
    """Read every point of a driver config once, as a platform would.

    Finds a wrong password, region or station id before anything is deployed. Exit code 0 when
    every point has a value, 1 when any has an error.
    """
    device = load_device(config)
    built = device.registry(registry or device.registry_path())
    built.raise_faults()
    service = Service.of_account(device.device.account)
    try:
        if as_json:
            reading = service.read(built.points)
        else:
            with Console(stderr=True).status(f"asking {escape(device.device.place)} …"):
                reading = service.read(built.points)
    finally:
        service.close()
    if as_json:
        click.echo(_json(reading))
    else:
        _show(reading, built.points)
    if reading.errors:
        raise SystemExit(1)


def _json(reading: Reading) -> str:
    return json.dumps(
        {
            "values": reading.values,
            "errors": {name: error.to_dict() for name, error in reading.errors.items()},
            "ages_s": {name: round(age, 3) for name, age in reading.ages_s.items()},
        }
    )


def _show(reading: Reading, points: dict[str, Point]) -> None:
    table = Table("Point", "Value", "Unit", "From", highlight=False)
    for name, point in points.items():
        if name in reading.values:
            value = reading.values[name]
            shown = "[dim]not reported[/]" if value is None else escape(str(value))
        else:
            shown = f"[red]{reading.errors[name].code}[/]"
        table.add_row(escape(name), shown, escape(point.unit), point.attribute.call)
    console = Console()
    console.print(table)
    for message in dict.fromkeys(str(error) for error in reading.errors.values()):
        console.print(f"[red]error[/] {escape(message)}", highlight=False)
    console.print(f"{len(reading.values)} values, {len(reading.errors)} errors", highlight=False)
