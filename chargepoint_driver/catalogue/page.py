"""Generator of docs/reference/points.md, the reader's copy of the catalogue.

python -m chargepoint_driver.catalogue.page PATH           write the page
python -m chargepoint_driver.catalogue.page --check PATH   exit code 1 if the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from chargepoint_driver.catalogue import CHARGEPOINT, OCPP, Attribute, Catalogue, Whole

_HEAD = """# Points

Every attribute that a registry CSV may name, made from the driver's catalogue.

*Scrape interval*: how often the row is polled where the row does not say; *device* is the
`interval` of the device. *Currency*: how old a value may be where neither the row nor
`cacheExpiration` says. *Without port*: what a row without port means on a device without
`portNumber`; a dash means that the row must name its port. *Group*: may stand in the registry of
a device with `stationGroup`. *Since* 5.1: not reported by
version 5.0 of the web services. Values are None where the service reports nothing.
"""
_OCPP_HEAD = """
# Points of chargers that connect directly (OCPP)

For devices with `"backend": "ocpp"`; a port is a connector, of OCPP 2.0.1 an EVSE. Values come
from what the charge point said last, so none is old. *Pushed*: a change is published at once and
not at the next poll. Without a connection the status is UNREACHABLE and what the charge point
said of itself is None. The Register Name may be left empty: every attribute stands in one only.
"""
_COLUMNS = (
    "Attribute", "Type", "Unit", "Scope", "Without port", "Group", "Writable",
    "Scrape interval", "Currency", "Since", "Notes",
)  # fmt: skip
_OCPP_COLUMNS = (
    "Attribute", "Type", "Unit", "Scope", "Without port", "Writable", "Pushed", "Notes"
)  # fmt: skip
_WHOLE = {
    Whole.NOTHING: "-",
    Whole.SAME: "value shared by all ports",
    Whole.ANY: "1 if any is",
    Whole.OWN: "the charge point's own",
}


def page() -> str:
    """The whole page."""
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
        yield f"\n## {register}\n\nRead by `{rows[0].call}`.\n\n"
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
        sys.stderr.write(f"{path} is not what the catalogue says; run: make {path}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
