"""`chargepoint-driver report`: sessions and costs of a month, by cost centre."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from chargepoint_driver.billing import Bills, Report, Sums
from chargepoint_driver.billing.cost_centres import NOT_ASSIGNED
from chargepoint_driver.billing.files import report_csv
from chargepoint_driver.cli.support.bills import accounts_of, billing_of, source_of
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import asking, complain_of, console, emit
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED

__all__ = ["report"]


@click.command(
    epilog="""\b
Example:
  chargepoint-driver report --config accounts.json --month 2026-10
\b
  chargepoint-driver report --config accounts.json --month 2026-10 --csv
  chargepoint-driver report --config accounts.json --month 2026-10 --personal --csv
"""
)
@click.option(
    "--config",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Config of a caching agent with accounts, or of a node, and the section billing.",
)
@click.option("--account", "name", help="Only this account of the config.")
@click.option(
    "--month", required=True, metavar="YYYY-MM", help="Month of the site; sessions by their end."
)
@click.option("--personal", is_flag=True, help="One line for each idTag.")
@click.option("--yes", is_flag=True, help="Do not ask before calls for quarter hours.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
def report(
    config: Path,
    name: str | None,
    month: str,
    personal: bool,
    yes: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Sum up sessions, energy, time and costs of a month by cost centre.

    For chargers that connect directly the database of the central system is read, which may be in
    use; for those of a fleet, its PostgreSQL. For ChargePoint's stations the service is asked.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    billing = billing_of(config)
    accounts = accounts_of(config, name)
    with ExitStack() as ends:
        sources = {each: source_of(account, ends, yes=yes) for each, account in accounts.items()}
        with asking(f"reading the sessions of {month} …"):
            found = Bills(billing, lambda: sources).report(month)
    if as_json:
        emit(_content(found, personal))
    elif as_csv:
        click.echo(report_csv(found, with_id_tags=personal), nl=False)
    else:
        _show(found, personal)
    if found.errors:
        complain_of(list(found.errors.values()))
        click.get_current_context().exit(SOME_FAILED)


def _content(found: Report, personal: bool) -> dict[str, Any]:
    centres = [{"cost_centre": name, **_sums(sums)} for name, sums in found.centres.items()]
    content = {
        "month": found.month,
        "time_zone": found.time_zone,
        "total": _sums(found.total),
        "cost_centres": centres,
    }
    if personal:
        content["id_tags"] = [
            {"cost_centre": name, "id_tag": tag, **_sums(sums)}
            for (name, tag), sums in found.tags.items()
        ]
    return content


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "sessions": sums.sessions,
        "energy_wh": float(sums.energy_wh),
        "energy_unknown": sums.energy_unknown,
        "energy_minimum": sums.energy_minimum,
        "duration_s": sums.duration_s,
        "duration_unknown": sums.duration_unknown,
        "costs": {currency: f"{amount:f}" for currency, amount in sums.costs.items()},
        "cost_unknown": sums.cost_unknown,
        "cost_estimated": sums.cost_estimated,
        "cost_reasons": dict(sums.reasons),
    }


def _show(found: Report, personal: bool) -> None:
    tags = ["idTag"] if personal else []
    table = Table("Cost centre", *tags, "Sessions", "kWh", "Hours", "Cost")
    if personal:
        for (centre, tag), sums in found.tags.items():
            table.add_row(_name(centre), escape(tag or "–"), *_cells(sums))
    else:
        for centre, sums in found.centres.items():
            table.add_row(_name(centre), *_cells(sums))
    table.add_section()
    table.add_row("total", *([""] * personal), *_cells(found.total))
    screen = console()
    screen.print(table)
    reasons = ", ".join(f"{name}: {n}" for name, n in found.total.reasons.items())
    screen.print(
        f"sessions that ended in {found.month}, {found.time_zone}"
        + (f"; without cost: {reasons}" if reasons else "")
    )


def _name(centre: str | None) -> str:
    return f"[dim]{NOT_ASSIGNED}[/]" if centre is None else escape(centre)


def _cells(sums: Sums) -> list[str]:
    costs = ", ".join(f"{amount:f} {currency}" for currency, amount in sums.costs.items())
    known = sums.sessions - sums.running
    is_minimum = bool(sums.energy_unknown or sums.energy_minimum)
    return [
        str(sums.sessions),
        _least(f"{sums.energy_wh / 1_000:.2f}", sums.energy_unknown, known, is_minimum),
        _least(f"{sums.duration_s / 3_600:.1f}", sums.duration_unknown, known),
        _least(costs, sums.cost_unknown, known) if costs else "unknown",
    ]


def _least(text: str, unknown: int, known: int, is_minimum: bool = False) -> str:
    """Return a sum with the number of sessions that are not in it."""
    if unknown and unknown == known:
        return "unknown"
    if not unknown:
        return f"at least {text}" if is_minimum else text
    return f"at least {text} ({unknown} unknown)"
