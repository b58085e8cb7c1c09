"""`chargepoint-driver points`: what can be configured."""

from __future__ import annotations

import click
from rich.table import Table

from chargepoint_driver.catalogue import TABLES
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import console, emit

__all__ = ["points"]


@click.command(epilog="\b\nExample:\n  chargepoint-driver points --register LoadRegister")
@click.option(
    "--backend",
    type=click.Choice(list(TABLES)),
    default="chargepoint",
    show_default=True,
    help="Backend of the attributes.",
)
@click.option("--register", help="Only the attributes of this register.")
@json_option
def points(backend: str, register: str | None, as_json: bool) -> None:
    """List every attribute that a registry can name."""
    catalogue = TABLES[backend]
    if register is not None and register not in catalogue.registers:
        raise click.BadParameter(
            f"unknown register; one of {', '.join(catalogue.registers)}",
            param_hint="--register",
        )
    rows = [row for row in catalogue if register in (None, row.register)]
    if as_json:
        listed = [
            {
                "attribute": row.name,
                "register": row.register,
                "call": row.call,
                "type": row.kind.value,
                "unit": row.unit,
                "scope": row.scope.value,
                "writable": row.writable,
                "scrape_interval_s": row.scrape_interval_s,
                "currency_s": row.currency_s,
                "since": row.since,
                "notes": row.notes,
            }
            for row in rows
        ]
        emit(listed)
        return
    table = Table("Attribute", "Register", "Type", "Unit", "Scope", "Writable", "Notes")
    for row in rows:
        table.add_row(
            row.name,
            row.register,
            row.kind.value,
            row.unit,
            row.scope.value,
            "yes" if row.writable else "",
            row.notes,
        )
    console().print(table)
