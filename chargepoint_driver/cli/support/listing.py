"""Result of `discover`, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.markup import escape
from rich.table import Column, Table

from chargepoint_driver.cli.discovery.central import Charger
from chargepoint_driver.cli.discovery.site import Station
from chargepoint_driver.cli.support.console import console

__all__ = ["show_charge_points", "show_stations"]


def show_stations(stations: Sequence[Station]) -> None:
    """Stations and ports, a table for each group."""
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


def show_charge_points(found: Sequence[Charger]) -> None:
    """Charge points and their connectors."""
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


def _org(station: Station) -> str:
    return f"{station.org} ({station.org_id})"


def _groups(station: Station) -> str:
    return ", ".join(f"{one.name} ({one.group_id})" for one in station.groups) or "no group"
