"""Target of a command, and its points without a registry file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import CHARGEPOINT
from chargepoint_driver.cli.support.account import Access
from chargepoint_driver.registry import Registry, build
from chargepoint_driver.registry import columns as col

__all__ = ["points_of", "station_and_port", "target_of", "target_options"]


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --station and --port; without them they are those of the driver config."""
    for option in (
        click.option(
            "--port", type=click.IntRange(1), help="Port number.  [default: the whole station]"
        ),
        click.option("--station", metavar="ID", help="Station id, like 1:34003."),
    ):
        command = option(command)
    return command


def station_and_port(
    access: Access, station: str | None, port: int | None
) -> tuple[str, int | None]:
    """Return the station and the port that are meant. Raises UsageError when no station is
    named."""
    if station is not None:
        return station, port
    if access.file is None:
        raise click.UsageError("which station? give --station, or --config with a driver config")
    device = access.file.device
    if device.stationGroup is not None:
        raise click.UsageError(
            f"{access.file.path} is a station group: choose one of its stations with --station"
        )
    return device.stationID, device.portNumber if port is None else port


def target_of(access: Access, station: str | None, port: int | None) -> Target:
    """Return the station, the port, or the station group of the driver config. Raises
    UsageError."""
    group = None if access.file is None else access.file.device.stationGroup
    if group is None or station is not None:
        return Target(*station_and_port(access, station, port))
    if port is not None:
        raise click.UsageError("a station group has no ports: leave --port out, or give --station")
    return Target("", group=group)


def points_of(names: Iterable[tuple[str, str]], target: Target, writable: bool = False) -> Registry:
    """Return the points of (register, attribute) pairs; those that need a port are left out where
    none is meant, and those that have no meaning for a station group where one is."""
    rows: list[tuple[int, dict[str, str]]] = []
    for register, name in names:
        row = CHARGEPOINT.find(register, name)
        assert row is not None
        fields = {
            col.POINT_NAME: name,
            col.ATTRIBUTE: name,
            col.REGISTER: register,
            col.WRITABLE: "TRUE" if writable else "FALSE",
        }
        rows.append((len(rows) + 1, fields))
    built = build(rows, "command line", target.station_id, target.port, group=target.group)
    return Registry(points=built.points)
