"""Generator of docs/reference/points.md, the reader's copy of the catalogue.

python -m chargepoint_driver.catalogue.page PATH           write the page
python -m chargepoint_driver.catalogue.page --check PATH   exit code 1 if the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Attribute, Catalogue, StationValue

_HEAD = """# Points

Every attribute that a registry can name, made from the driver's catalogue.

## The registry

A registry is a CSV file with one point a row:

| Column | Content |
| --- | --- |
| `Volttron Point Name` | name of the point in VOLTTRON |
| `Attribute Name` | an attribute of the tables below |
| `Register Name` | heading of its table; optional over OCPP |
| `Port #` | port number; empty for the whole station, or where the device is a port |
| `Type`, `Units`, `Notes` | as in the tables |
| `Starting Value` | never sent |
| `Writable` | `TRUE` to permit writes |
| `Scrape Interval` | optional: seconds between polls of this row |
| `Currency` | optional: maximum age of its value in seconds |

Registries of the classic driver load unchanged. A row that is no longer valid produces a warning
with its number. A `Port #` at an attribute of the whole station is a warning too.

## Columns of the tables

- *Scope*: what has the value. Without the column, it is the station.
- *Without port*: the meaning of a row without port, on a device without `portNumber`. A dash: the
  row must name its port.
- *Group*: a device with `stationGroup` can have it.
- *Writable*: the operation that a write calls.
- *Since* 5.1: version 5.0 of the web services does not report it.

A column is missing where no row needs it. Intervals and maximum ages are defaults.
`Scrape Interval` and `Currency` of a row replace them. `cacheExpiration` of the device replaces the
maximum age.

A value is None where the service does not report it.
"""
_OCPP_HEAD = """
# Points of chargers that connect directly (OCPP)

For devices with `"backend": "ocpp"`. A port is a connector, in OCPP 2.x an EVSE. Values come from
the last message of the charger, so they are never stale. *Pushed*: a change is published at once,
not at the next poll. Without a connection the status is UNREACHABLE, and values that the charger
reports about itself are None. The Register Name may be empty: each attribute has only one.
"""
_KEPT = ("Attribute", "Type", "Unit", "Notes")
"""The columns of every table; another one is there only if a row needs it."""
_COMMON = {
    "Scrape interval": "Polled {}.",
    "Currency": "Maximum age: {}.",
}
"""Column to the sentence that replaces it where all rows have one value."""
_DEFAULT = {"Scope": "station", "Since": "5.0"}
"""Column to the value that is not shown where all rows have it."""
_WHOLE = {
    StationValue.NOTHING: "-",
    StationValue.SAME: "value shared by all ports",
    StationValue.ANY: "1 if any is",
    StationValue.OWN: "the charger's own",
}


def page() -> str:
    """Return the whole page."""
    return "".join(
        [
            _HEAD,
            *_registers(CHARGEPOINT, _soap_cells),
            _OCPP_HEAD,
            *_registers(OCPP, _ocpp_cells),
        ]
    )


def _registers(table: Catalogue, cells: Callable[[Attribute], dict[str, str]]) -> Iterator[str]:
    for register in table.registers:
        rows = [row for row in table if row.register == register]
        yield f"\n## {register}\n\n"
        shown = [cells(row) for row in rows]
        values = {name: {row[name] for row in shown} for name in shown[0]}
        common = [name for name in _COMMON if len(values.get(name, ())) == 1]
        sentences = [f"Read by `{rows[0].call}`."] if len(table.calls) > 1 else []
        sentences += [_COMMON[name].format(*values[name]) for name in common]
        if sentences:
            yield " ".join(sentences) + "\n\n"
        columns = [
            name
            for name in values
            if name in _KEPT or (name not in common and values[name] - {_DEFAULT.get(name, "")})
        ]
        yield _line(columns) + _line("---" for _ in columns)
        yield from (_line(row[name] for name in columns) for row in shown)


def _soap_cells(row: Attribute) -> dict[str, str]:
    return {
        **_cells(row),
        "Scrape interval": _interval(row.scrape_interval_s),
        "Currency": f"{row.currency_s:g} s",
        "Since": row.since,
        "Notes": row.notes,
    }


def _ocpp_cells(row: Attribute) -> dict[str, str]:
    return {**_cells(row), "Pushed": "yes" if row.pushed else "", "Notes": row.notes}


def _cells(row: Attribute) -> dict[str, str]:
    return {
        "Attribute": f"`{row.name}`",
        "Type": row.kind.value,
        "Unit": row.unit,
        "Scope": row.scope.value,
        "Without port": _without_port(row),
        "Group": "yes" if row.grouped else "",
        "Writable": row.write,
    }


def _interval(seconds: float | None) -> str:
    return "at the `interval` of the device" if seconds is None else f"every {seconds} s"


def _without_port(row: Attribute) -> str:
    if row.own:
        return "of the whole station"
    return _WHOLE[row.whole] if row.scope.value == "port" else ""


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _main(arguments: list[str]) -> int:
    path = Path(arguments[-1])
    if "--check" not in arguments:
        path.write_text(page(), encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != page():
        sys.stderr.write(f"{path} is out of date; run: make {path}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
