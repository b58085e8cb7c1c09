"""Sessions with their costs, as table, CSV or JSON."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from chargepoint_driver.billing import BilledSession, Bills, SessionFilter, Sums
from chargepoint_driver.billing.files import session_fields, session_row, sessions_csv
from chargepoint_driver.cli.support.account import (
    ConnectsDirectlyError,
    ConnectsToNodesError,
    Find,
)
from chargepoint_driver.cli.support.bills import account_name, billing_of, source_of
from chargepoint_driver.cli.support.console import asking, console, emit

__all__ = ["show"]


def show(
    find: Find,
    station: str | None,
    start: datetime,
    end: datetime | None,
    *,
    personal: bool,
    yes: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print the sessions of an account that touch a time, oldest first, with their costs. For
    chargers that connect directly the database of their central system is read."""
    given = click.get_current_context().params
    name = account_name(given.get("config"), given.get("name"))
    billing = billing_of(given.get("config"))
    account: Any
    try:
        account = find().account
    except ConnectsDirectlyError as error:
        if error.account is None:
            raise
        account = error.account
    except ConnectsToNodesError as error:
        account = error.config
    until_s = None if end is None else end.timestamp()
    wanted = SessionFilter(start.timestamp(), until_s, None, station)
    with ExitStack() as ends:
        source = source_of(account, ends, yes=yes)
        bills = Bills(billing, lambda: {name: source})
        with asking("reading sessions …"):
            found = [each for part in bills.walk(wanted) for each in part][::-1]
    if as_csv:
        for text in sessions_csv([found], bills.zone, with_id_tags=personal):
            click.echo(text, nl=False)
        return
    fields = session_fields(with_id_tags=personal)
    rows = [session_row(each, bills.zone) for each in found]
    if as_json:
        emit([{name: row[name] for name in fields} for row in rows])
    else:
        _show(found, rows, personal)


def _show(found: list[BilledSession], rows: list[dict[str, Any]], personal: bool) -> None:
    tags = ["idTag"] if personal else []
    table = Table("Station", "Port", "Session", "Begin", "End", "kWh", *tags, "Cost", "Tariff")
    sums = Sums()
    for each, row in zip(found, rows, strict=True):
        sums.add(each.session, each.cost)
        cost = f"{row['cost']} {row['currency']}" if row["cost"] else f"unknown: {each.cost.words}"
        names = ["station", "port", "session", "begin", "end", "energy_kwh"]
        cells = [row[name] for name in [*names, *(["id_tag"] if personal else [])]]
        marks = " (estimated)" if each.cost.is_estimated else ""
        table.add_row(
            *("–" if cell is None else escape(str(cell)) for cell in cells),
            escape(cost + marks),
            escape(each.cost.tariff or "–"),
        )
    screen = console()
    screen.print(table)
    costs = ", ".join(f"{amount:f} {currency}" for currency, amount in sums.costs.items())
    unknown = f"; {sums.cost_unknown} without cost" if sums.cost_unknown else ""
    screen.print(
        f"{sums.sessions} sessions ({sums.running} running), cost {costs or 'unknown'}{unknown}"
    )
