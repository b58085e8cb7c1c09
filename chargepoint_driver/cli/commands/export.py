"""`chargepoint-driver export`: sessions, meter values and limits for research."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click
from rich.table import Table as Shown

from chargepoint_driver import __version__
from chargepoint_driver.cli.commands.sessions import bounds
from chargepoint_driver.cli.export import stored, values
from chargepoint_driver.cli.export.tables import TABLES, Table
from chargepoint_driver.cli.export.writers import FORMATS, Row, need_pyarrow, write
from chargepoint_driver.cli.support import session_intervals
from chargepoint_driver.cli.support.account import (
    ConnectsDirectlyError,
    ConnectsToNodesError,
    Find,
    access_options,
    serving,
)
from chargepoint_driver.cli.support.bills import record_of_nodes
from chargepoint_driver.cli.support.console import (
    as_json,
    asking,
    can_ask,
    complain_of,
    console,
    emit,
    note,
    progress,
)
from chargepoint_driver.cli.support.exit_codes import SOME_FAILED
from chargepoint_driver.cli.support.output_targets import check_writable
from chargepoint_driver.errors import ChargePointError, ConfigurationError
from chargepoint_driver.service import Service
from chargepoint_driver.service.shed_control import kept_writes

__all__ = ["export"]

_OF_OCPP = ("sessions", "meter_values", "limits", "sheds", "writes")
_OF_SOAP = ("sessions", "limits", "sheds", "writes", "intervals", "transactions")
# One call for each session: only on demand.
_DEFAULT_OF_SOAP = ("sessions", "limits", "sheds", "writes", "transactions")
_OF_NODES = ("sessions", "limits", "sheds")
_OF_NODE_FILE = ("meter_values",)
# An event is received some time after what it is about.
_LATE = timedelta(days=1)
_DICTIONARY = "data-dictionary"


@dataclass(frozen=True)
class _Wanted:
    """The options: tables, folder and formats."""

    folder: Path
    tables: tuple[str, ...]
    formats: tuple[str, ...]
    station: str | None
    since: datetime
    until: datetime | None
    personal: bool
    yes: bool


Source = dict[str, Callable[[], Iterable[Row]]]


@click.command(
    epilog="""\b
Example:
  chargepoint-driver export --database csms.sqlite --out november --since 30d
\b
  chargepoint-driver export --config driver.config --out november --format csv
  chargepoint-driver export --out november --since 7d --table sessions --table intervals
"""
)
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files; an earlier export is replaced.",
)
@click.option(
    "--database",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file of a central system, instead of an account; it may be in use. Of a node: its "
    "meter_values.",
)
@click.option("--since", default="24h", show_default=True, metavar="TIME", help="As in sessions.")
@click.option("--until", metavar="TIME", help="The same.  [default: now]")
@click.option("--station", metavar="ID", help="Only this station or charger.")
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(list(TABLES)),
    help="Repeatable; default: all but intervals. Intervals cost one call per session.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Repeatable; default: both. Parquet needs the extra [export].",
)
@click.option("--personal", is_flag=True, help="Include who charged: idTag, card, user.")
@click.option("--yes", is_flag=True, help="Do not ask before the calls of intervals.")
@access_options
@as_json
def export(
    find: Find,
    folder: Path,
    database: Path | None,
    since: str,
    until: str | None,
    station: str | None,
    tables: tuple[str, ...],
    formats: tuple[str, ...],
    personal: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Write sessions, meter values and limits as CSV and Parquet, with a data dictionary.

    For chargers that connect directly the database of the central system is read. With the config
    of a node the sessions, limits and sheds of the fleet are read from PostgreSQL. For the stations
    of ChargePoint the service is asked.
    """
    start, end = bounds(since, until)
    formats = formats or FORMATS
    if "parquet" in formats:
        need_pyarrow()
    check_writable(folder)
    wanted = _Wanted(folder, tables, formats, station, start, end, personal, yes)
    errors: list[ChargePointError] = []
    with _source(find, database, wanted, errors) as (source, name):
        counts = _write(wanted, source, name)
    if as_json:
        emit({"folder": str(folder), "rows": counts})
    else:
        _show(folder, counts)
    if errors:
        complain_of(errors)
        click.get_current_context().exit(SOME_FAILED)


@contextmanager
def _source(
    find: Find, database: Path | None, wanted: _Wanted, errors: list[ChargePointError]
) -> Iterator[tuple[Source, str]]:
    """The tables of the account or the database, and what it is called."""
    if database is not None:
        if not database.is_file():
            raise ConfigurationError(
                f"{database}: is not a file; name the database of the central system"
            )
        yield _of_ocpp(database, None, None, wanted), str(database)
        return
    try:
        access = find()
    except ConnectsToNodesError as error:
        with record_of_nodes(error.config) as record:
            yield _of_nodes(record, wanted), "the PostgreSQL of a fleet"
        return
    except ConnectsDirectlyError as error:
        if error.account is None:
            raise
        account = error.account
        yield (
            _of_ocpp(account.database, account.command_file, account.key, wanted),
            str(account.database),
        )
        return
    with serving(access) as service:
        yield (
            _of_soap(service, access.own.command_file, access.own, wanted, errors),
            access.account.place,
        )


def _of_ocpp(
    database: Path, command_file: Path | None, key: tuple[str, str] | None, wanted: _Wanted
) -> Source:
    try:
        from chargepoint_driver.backends.ocpp.storage.file_kind import is_of_node  # noqa: PLC0415
        from chargepoint_driver.cli.export import ocpp  # noqa: PLC0415 - needs the ocpp extra
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'volttron-lib-chargepoint-driver[ocpp]'"
        ) from None
    _check_tables(wanted.tables, _OF_OCPP, "of charge points that connect directly")
    default: tuple[str, ...] = _OF_OCPP
    if is_of_node(database):
        default = _OF_NODE_FILE
        if set(wanted.tables) - set(default):
            raise ConfigurationError(
                f"{database}: is the file of a node, with a part of the records that PostgreSQL "
                "has; export {', '.join(_OF_NODES)} with --config and the config of the node"
            )
        note(f"{', '.join(default)} of this node only; {', '.join(_OF_NODES)}: with its --config")
    station, since, until = wanted.station, wanted.since, wanted.until
    found: Source = {
        "sessions": lambda: ocpp.sessions(database, station, since, until),
        "meter_values": lambda: ocpp.meter_values(database, station, since, until),
        "limits": lambda: ocpp.limits(database, station),
        "sheds": lambda: stored.sheds(database, station, since, until),
    }
    if command_file is not None and key is not None:
        found["writes"] = lambda: _writes(command_file, key, wanted)
    return _chosen(found, wanted.tables or default)


def _of_nodes(record: Any, wanted: _Wanted) -> Source:
    from chargepoint_driver.cli.export import ocpp  # noqa: PLC0415 - needs the ocpp extra

    in_files = set(wanted.tables) & set(_OF_NODE_FILE)
    if in_files:
        raise ConfigurationError(
            f"--table {', '.join(sorted(in_files))}: is in the file of each node; export it there "
            "with --database FILE"
        )
    _check_tables(wanted.tables, _OF_NODES, "of the records of a fleet")
    if not wanted.tables:
        note(f"{', '.join(_OF_NODE_FILE)}: left out, since each node has its own; see --database")
    station, since, until = wanted.station, wanted.since, wanted.until
    found: Source = {
        "sessions": lambda: ocpp.session_rows(record.transactions(station, since, until)),
        "limits": lambda: ocpp.limit_rows(record.limits(), station),
        "sheds": lambda: stored.shed_rows(record.events(since - _LATE), station, since, until),
    }
    return _chosen(found, wanted.tables or _OF_NODES)


def _of_soap(
    service: Service,
    command_file: Path | None,
    account: Any,
    wanted: _Wanted,
    errors: list[ChargePointError],
) -> Source:
    from chargepoint_driver.cli.export import soap  # noqa: PLC0415 - next to ocpp

    _check_tables(wanted.tables, _OF_SOAP, "of ChargePoint's stations")
    chosen = wanted.tables or _DEFAULT_OF_SOAP
    station, since, until = wanted.station, wanted.since, wanted.until
    with asking(f"asking {account.place} …"):
        needs_listing = {"sessions", "intervals"} & set(chosen)
        listed = service.sessions(station, since, until) if needs_listing else []
    found: Source = {
        "sessions": lambda: soap.sessions(listed),
        "limits": lambda: soap.limits(service, station),
        "transactions": lambda: soap.transactions(service.transactions(station, since, until)),
    }
    if command_file is not None:
        found["writes"] = lambda: _writes(command_file, account.key, wanted)
    events_file = account.events_file
    if events_file is not None:
        path = events_file.expanduser()
        found["sheds"] = lambda: stored.sheds(path, station, since, until)
    if "intervals" in chosen:
        ids = session_intervals.ids(listed)
        note(
            f"{len(listed)} sessions: {session_intervals.cost(len(ids), account.calls_per_minute)}"
        )
        if ids and can_ask() and not wanted.yes:
            click.confirm("Ask for them?", default=True, abort=True, err=True)

        def intervals() -> Iterable[Row]:
            rows, failed = session_intervals.rows(service, ids)
            errors.extend(failed)
            return soap.intervals(rows)

        found["intervals"] = intervals
    return _chosen(found, chosen)


def _check_tables(given: Sequence[str], there: Sequence[str], of: str) -> None:
    for name in given:
        if name not in there:
            raise click.UsageError(f"--table {name}: not {of}; choose {', '.join(there)}")


def _chosen(found: Source, names: Sequence[str]) -> Source:
    """The tables that are wanted. Without a command_file there are no writes to export."""
    if "writes" in names and "writes" not in found:
        note("writes: left out, because the config names no command_file")
    if "sheds" in names and "sheds" not in found:
        note("sheds: left out, because the config names no events_file")
    return {name: found[name] for name in TABLES if name in names and name in found}


def _writes(path: Path, account: tuple[str, str], wanted: _Wanted) -> Iterator[Row]:
    names = ("time", "station", "port", "station_group", "point", "value", "writer", "outcome")
    for values_of in kept_writes(path, account):
        row = dict(zip(names, values_of, strict=True))
        moment = values.time(row["time"])
        if moment is None or moment < wanted.since:
            continue
        if wanted.until is not None and moment > wanted.until:
            continue
        if wanted.station not in (None, row["station"]):
            continue
        yield {
            **{name: values.text(value) for name, value in row.items()},
            "port": row["port"] or None,
            "time": moment,
        }


def _write(wanted: _Wanted, source: Source, name: str) -> dict[str, int]:
    counts = {}
    try:
        wanted.folder.mkdir(parents=True, exist_ok=True)
        for table_name, rows in source.items():
            table = TABLES[table_name]
            with progress(f"{table_name} …"):
                counts[table_name] = write(
                    wanted.folder, table, table.chosen(wanted.personal), rows(), wanted.formats
                )
        _write_dictionary(wanted, [TABLES[each] for each in source], name, counts)
    except OSError as error:
        raise ConfigurationError(
            f"{wanted.folder}: cannot be written ({error}); make room, or name another folder"
        ) from None
    return counts


def _write_dictionary(
    wanted: _Wanted, tables: Sequence[Table], name: str, counts: dict[str, int]
) -> None:
    """Write the data dictionary: Markdown for people, JSON for programs."""
    content = {
        "made_by": f"chargepoint-driver {__version__}",
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "source": name,
        "since": wanted.since.isoformat(timespec="seconds"),
        "until": None if wanted.until is None else wanted.until.isoformat(timespec="seconds"),
        "station": wanted.station,
        "tables": [
            {
                "name": table.name,
                "meaning": table.meaning,
                "rows": counts[table.name],
                "columns": [
                    {key: each for key, each in asdict(column).items() if key != "is_personal"}
                    for column in table.chosen(wanted.personal)
                ],
            }
            for table in tables
        ],
    }
    text = json.dumps(content, indent=2) + "\n"
    (wanted.folder / f"{_DICTIONARY}.json").write_text(text, encoding="utf-8")
    lines = [
        "# Data dictionary",
        "",
        f"Made by {content['made_by']} on {content['made']} from {name}.",
        "Times are UTC. An empty cell means not reported; 0 is a measurement.",
    ]
    for table in tables:
        lines += ["", f"## {table.name}", "", f"{table.meaning}; {counts[table.name]} rows", ""]
        lines += ["| column | kind | unit | meaning |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {column.name} | {column.kind} | {column.unit} | {column.meaning} |"
            for column in table.chosen(wanted.personal)
        ]
    (wanted.folder / f"{_DICTIONARY}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _show(folder: Path, counts: dict[str, int]) -> None:
    table = Shown("Table", "Rows")
    for name, count in counts.items():
        table.add_row(name, str(count))
    console().print(table)
    note(f"in {folder}, with {_DICTIONARY}.md and {_DICTIONARY}.json")
