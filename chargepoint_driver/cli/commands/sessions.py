"""`chargepoint-driver sessions`: charging sessions of a time, as table, CSV or JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from chargepoint_driver import reports
from chargepoint_driver.catalogue import CHARGEPOINT, Data
from chargepoint_driver.cli.discovery.available import is_personal
from chargepoint_driver.cli.support import session_costs, session_intervals
from chargepoint_driver.cli.support.account import (
    ConnectsToNodesError,
    Find,
    access_options,
    serving_any,
)
from chargepoint_driver.cli.support.bills import record_of_nodes
from chargepoint_driver.cli.support.console import as_json as json_option
from chargepoint_driver.cli.support.console import (
    asking,
    can_ask,
    clock_time,
    complain_of,
    console,
    emit,
    note,
)
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED
from chargepoint_driver.cli.support.fleet_service import FleetService
from chargepoint_driver.errors import ChargePointError, InvalidValueError
from chargepoint_driver.records import Event, Unreadable
from chargepoint_driver.service import Service

__all__ = ["bounds", "moment", "sessions"]

_AGO = re.compile(r"(\d{1,5})\s*([mhd])")
_ALWAYS = {"sessionID", "startTime", "endTime", "Energy"}
_TRANSACTION_FIELDS = (
    "station", "port", "transactionID", "transactionType", "transactionTime", "startTime",
    "endTime", "Energy", "grossAmount", "flexBillingServiceFee", "netRevenue", "Currency",
    "pricingRuleName",
)  # fmt: skip
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@click.command(
    epilog="""\b
Example:
  chargepoint-driver sessions --since 7d
\b
  chargepoint-driver sessions --since 2026-11-01 --until 2026-12-01 --csv
  chargepoint-driver sessions --station 1:34003 --json
\b
  chargepoint-driver sessions --since 7d --interval --csv
  chargepoint-driver sessions --since 7d --transactions
  chargepoint-driver sessions --since 7d --costs --config accounts.json --csv
"""
)
@click.option(
    "--since",
    default="24h",
    show_default=True,
    metavar="TIME",
    help="A time (ISO 8601; without zone in that of this machine), or an age: 30m, 24h, 7d.",
)
@click.option("--until", metavar="TIME", help="The same.  [default: now]")
@click.option("--station", metavar="ID", help="Only this station.")
@click.option("--personal", is_flag=True, help="Include who charged: user, card, name.")
@click.option(
    "--interval",
    is_flag=True,
    help="List the quarter hours of each session: energy, peak and average power. Costs one call "
    "per session; the command prints the number first.",
)
@click.option("--transactions", is_flag=True, help="List what the service billed, by transaction.")
@click.option("--costs", is_flag=True, help="List the cost of each session, by tariff.")
@click.option("--yes", is_flag=True, help="Do not ask before the calls for quarter hours.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@access_options
@json_option
def sessions(
    find: Find,
    since: str,
    until: str | None,
    station: str | None,
    personal: bool,
    interval: bool,
    transactions: bool,
    costs: bool,
    yes: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """List charging sessions that overlap a time range, oldest first.

    With the config of a node they are those of all chargers that connect to the nodes.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    if interval + transactions + costs > 1:
        raise click.UsageError("choose one of --interval, --transactions and --costs")
    if yes and not (interval or costs):
        raise click.UsageError("--yes goes with --interval or --costs")
    start, end = bounds(since, until)
    if costs:
        session_costs.show(
            find, station, start, end, personal=personal, yes=yes, as_csv=as_csv, as_json=as_json
        )
        return
    errors: list[ChargePointError] = []
    try:
        # The nodes of a fleet have no bills and no quarter hours.
        access = find(fleet=() if interval or transactions else ("chargepoint",))
    except ConnectsToNodesError as error:
        if interval or transactions:
            raise click.UsageError(
                "--interval and --transactions are of ChargePoint's service, not of chargers that "
                "connect to nodes; --costs has their quarter hours"
            ) from None
        with record_of_nodes(error.config) as record, asking("reading sessions …"):
            found = record.sessions(station, start, end)
        names = ["station", "port", *_columns(found, personal)]
        _print([_row(one, names[2:]) for one in found], names, start, end, as_csv, as_json)
        return
    with serving_any(access) as service:
        with asking(f"asking {access.account.place} …"):
            found = _asked(service, (station, start, end), billed=transactions)
        if interval:
            assert isinstance(service, Service)
            rows, errors = _intervals(service, found, access.own.calls_per_minute, yes)
            names = list(session_intervals.FIELDS)
        elif transactions:
            names = list(_TRANSACTION_FIELDS)
            rows = [_row(one, names[2:]) for one in found]
        else:
            names = ["station", "port", *_columns(found, personal)]
            rows = [_row(one, names[2:]) for one in found]
    if interval or transactions:
        _print(rows, names, None, None, as_csv, as_json)
    else:
        _print(rows, names, start, end, as_csv, as_json)
    if errors:
        complain_of(errors)
        click.get_current_context().exit(SOME_FAILED)


def _print(
    rows: list[dict[str, Any]],
    names: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print rows; as a table those of sessions (with `start`), or all columns."""
    if as_json:
        emit(rows)
    elif as_csv:
        click.echo(reports.as_csv(names, rows), nl=False)
    elif start is None:
        _show_plainly(rows, names)
    else:
        _show(rows, start, end)


def bounds(since: str, until: str | None) -> tuple[datetime, datetime | None]:
    """Return the time that --since and --until name. Raises InvalidValueError."""
    now = datetime.now(timezone.utc)
    start = moment("--since", since, now)
    end = None if until is None else moment("--until", until, now)
    if start > now:
        raise InvalidValueError(
            f"--since: {since!r} is in the future ({clock_time(start)}): no session yet"
        )
    if end is not None and end <= start:
        raise InvalidValueError("--until lies before --since; exchange them")
    return start, end


def _asked(
    service: Service | FleetService,
    place: tuple[str | None, datetime, datetime | None],
    *,
    billed: bool,
) -> list[Event]:
    """Return the sessions of a station in a time, or with `billed` what was billed of them."""
    if not billed:
        return service.sessions(*place)
    assert isinstance(service, Service)
    return service.transactions(*place)


def _columns(found: Sequence[Event], personal: bool) -> list[str]:
    """Return the attributes of sessions that are reported, and those that always stand there."""
    return [
        row.name
        for row in CHARGEPOINT.of(Data.SESSIONS)
        if (personal or not is_personal(row))
        and (row.name in _ALWAYS or any(row.name in one.values for one in found))
    ]


def _intervals(
    service: Service, found: Sequence[Event], calls_per_minute: int | None, yes: bool
) -> tuple[list[dict[str, Any]], list[ChargePointError]]:
    """Return the quarter hours of the sessions, after their cost was said."""
    sessions = session_intervals.ids(found)
    note(f"{len(found)} sessions: {session_intervals.cost(len(sessions), calls_per_minute)}")
    if sessions and can_ask() and not yes:
        click.confirm("Ask for them?", default=True, abort=True, err=True)
    with asking(f"asking for {len(sessions)} sessions …"):
        return session_intervals.rows(service, sessions)


def moment(option: str, text: str, now: datetime) -> datetime:
    """Return a time, or a time ago. Raises InvalidValueError for what is neither."""
    ago = _AGO.fullmatch(text.strip().lower())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        # Without a zone it is the clock of this machine.
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise InvalidValueError(
            f"{option}: {text!r} is not a time; write 2026-11-01, 2026-11-01T08:00, 30m, 24h or 7d"
        ) from None


def _row(event: Event, names: Sequence[str]) -> dict[str, Any]:
    """Return a session; what is not reported is None."""
    values = {name: event.values.get(name) for name in names}
    values = {
        # A text that came damaged is empty, and not reported.
        name: (value.text or None) if isinstance(value, Unreadable) else value
        for name, value in values.items()
    }
    return {"station": event.station_id, "port": event.port, **values}


def _show_plainly(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Print a table of all columns; what is not reported is a dash."""
    table = Table(*names)
    for row in rows:
        table.add_row(*("–" if row[name] is None else escape(str(row[name])) for name in names))
    console().print(table)


def _show(rows: Sequence[dict[str, Any]], start: datetime, end: datetime | None) -> None:
    table = Table("Station", "Port", "Session", "Start", "End", "kWh")
    known, unknown = 0.0, 0
    for row in rows:
        energy = row.get("Energy")
        known += energy if isinstance(energy, float) else 0.0
        unknown += not isinstance(energy, float)
        table.add_row(
            escape(str(row["station"])),
            "–" if row["port"] is None else str(row["port"]),
            escape(str(row.get("sessionID") or "–")),
            _local(row.get("startTime")),
            _local(row.get("endTime")) if row.get("endTime") else "[green]charging[/]",
            f"{energy:.2f}" if isinstance(energy, float) else "[dim]not reported[/]",
        )
    screen = console()
    screen.print(table)
    until = "now" if end is None else clock_time(end)
    least = f"at least {known:.2f} kWh ({unknown} not reported)" if unknown else f"{known:.2f} kWh"
    if unknown and unknown == len(rows):
        least = "energy not reported"
    screen.print(f"{len(rows)} sessions, {least}, {clock_time(start)} to {until}")


def _local(text: object) -> str:
    try:
        return clock_time(datetime.fromisoformat(str(text)))
    except ValueError:
        return "–"
