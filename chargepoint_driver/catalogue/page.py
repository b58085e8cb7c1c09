"""The reader's copy of the catalogue: docs/points.md.

python -m chargepoint_driver.catalogue.page docs/points.md           writes it
python -m chargepoint_driver.catalogue.page --check docs/points.md   exit code 1 if it is old
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from chargepoint_driver.catalogue import CHARGEPOINT, Attribute, Whole

_HEAD = """# Points

Every attribute that a registry CSV may name, made from the driver's catalogue.

*Scrape interval*: how often the row is polled where the row does not say; *device* is the
`interval` of the device. *Currency*: how old a value may be where neither the row nor
`cacheExpiration` says. *Without port*: what a row without port means on a device without
`portNumber`; a dash means that the row must name its port. *Group*: may stand in the registry of
a device with `stationGroup`. *Since* 5.1: not reported by
version 5.0 of the web services. Values are None where the service reports nothing.
"""
_COLUMNS = (
    "Attribute", "Type", "Unit", "Scope", "Without port", "Group", "Writable",
    "Scrape interval", "Currency", "Since", "Notes",
)  # fmt: skip
_WHOLE = {Whole.NOTHING: "-", Whole.SAME: "value shared by all ports", Whole.ANY: "1 if any is"}


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for register in CHARGEPOINT.registers:
        rows = [row for row in CHARGEPOINT if row.register == register]
        parts.append(f"\n## {register}\n\nRead by `{rows[0].call}`.\n\n")
        parts.append(_line(_COLUMNS) + _line("---" for _ in _COLUMNS))
        parts.extend(_line(_cells(row)) for row in rows)
    return "".join(parts)


def _cells(row: Attribute) -> tuple[str, ...]:
    return (
        f"`{row.name}`",
        row.kind.value,
        row.unit,
        row.scope.value,
        _without_port(row),
        "yes" if row.grouped else "",
        row.write,
        "device" if row.scrape_interval_s is None else f"{row.scrape_interval_s} s",
        f"{row.currency_s:g} s",
        row.since,
        row.notes,
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
