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

- *Scope*: what has the value.
- *Without port*: the meaning of a row without port, on a device without `portNumber`. A dash: the
  row must name its port.
- *Group*: a device with `stationGroup` can have it.
- *Writable*: the operation that a write calls.
- *Scrape interval*: default time between polls. *device* is the `interval` of the device.
- *Currency*: default maximum age. `cacheExpiration` of the device replaces it.
- *Since* 5.1: version 5.0 of the web services does not report it.

A value is None where the service does not report it.
"""
_OCPP_HEAD = """
# Points of chargers that connect directly (OCPP)

For devices with `"backend": "ocpp"`. A port is a connector, in OCPP 2.x an EVSE. Values come from
the last message of the charger, so they are never stale. *Pushed*: a change is published at once,
not at the next poll. Without a connection the status is UNREACHABLE, and values that the charger
reports about itself are None. The Register Name may be empty: each attribute has only one.
"""
_COLUMNS = (
    "Attribute", "Type", "Unit", "Scope", "Without port", "Group", "Writable",
    "Scrape interval", "Currency", "Since", "Notes",
)  # fmt: skip
_OCPP_COLUMNS = (
    "Attribute", "Type", "Unit", "Scope", "Without port", "Writable", "Pushed", "Notes"
)  # fmt: skip
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
            *_registers(CHARGEPOINT, _COLUMNS, _cells),
            _OCPP_HEAD,
            *_registers(OCPP, _OCPP_COLUMNS, _ocpp_cells),
        ]
    )


def _registers(
    table: Catalogue, columns: tuple[str, ...], cells: Callable[[Attribute], tuple[str, ...]]
) -> Iterator[str]:
    for register in table.registers:
        rows = [row for row in table if row.register == register]
        yield f"\n## {register}\n\n"
        if len(table.calls) > 1:
            yield f"Read by `{rows[0].call}`.\n\n"
        yield _line(columns) + _line("---" for _ in columns)
        yield from (_line(cells(row)) for row in rows)


def _cells(row: Attribute) -> tuple[str, ...]:
    return (
        *_common(row),
        "device" if row.scrape_interval_s is None else f"{row.scrape_interval_s} s",
        f"{row.currency_s:g} s",
        row.since,
        row.notes,
    )


def _ocpp_cells(row: Attribute) -> tuple[str, ...]:
    return (*_common(row), "yes" if row.pushed else "", row.notes)


def _common(row: Attribute) -> tuple[str, ...]:
    return (
        f"`{row.name}`",
        row.kind.value,
        row.unit,
        row.scope.value,
        _without_port(row),
        "yes" if row.grouped else "",
        row.write,
    )


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
