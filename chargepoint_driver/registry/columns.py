"""The columns of a registry CSV, by the names of the specification.

The platform driver stores rows under its own field names once a point has been enabled or
disabled by RPC; both spellings are the same column.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

POINT_NAME = "Volttron Point Name"
ATTRIBUTE = "Attribute Name"
REGISTER = "Register Name"
PORT = "Port #"
TYPE = "Type"
UNITS = "Units"
STARTING_VALUE = "Starting Value"
WRITABLE = "Writable"
NOTES = "Notes"
SCRAPE_INTERVAL = "Scrape Interval"
CURRENCY = "Currency"
HOST_INTERVALS = ("interval", "polling_interval")
"""Columns of the platform driver itself, by either of which it reads an interval."""
BEYOND = "(beyond the last column)"
"""The cells that a row has more than there are columns, as a list."""

FIELDS = {
    POINT_NAME: "volttron_point_name",
    ATTRIBUTE: "attribute_name",
    REGISTER: "register_name",
    PORT: "port_number",
    TYPE: "type_name",
    UNITS: "units",
    STARTING_VALUE: "starting_value",
    WRITABLE: "writable",
    NOTES: "notes",
    SCRAPE_INTERVAL: "scrape_interval",
    CURRENCY: "currency",
}
"""Column to the field name of the interface's point config."""

_FOLDED = {name.lower(): name for name in FIELDS} | {field: name for name, field in FIELDS.items()}
# What spreadsheets and editors leave around a text: blanks, NUL, byte order marks.
_AROUND = "\x00\ufeff\u200b"
_SEPARATORS = {";": ";", "\t": "tabs", "|": "|"}


def stripped(value: Any) -> Any:
    """Return a cell without blanks and marks around its text; any other value as it is."""
    if not isinstance(value, str):
        return value
    value = value.strip()
    return value.strip(_AROUND).strip() if value and _is_wrapped(value) else value


def _is_wrapped(value: str) -> bool:
    """Return whether something stands around the text; most cells need no second look."""
    return value[0] in _AROUND or value[-1] in _AROUND


def canonical(column: object) -> str:
    """Return a column by its name above, whichever way it is spelled; others as they are."""
    name: str = stripped(str(column))
    # Behind a byte order mark the config store takes quotes for a part of the name.
    name = name.strip('"').strip()
    return _FOLDED.get(name.lower(), name)


def normal(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the row with the columns above under their own names, texts stripped.

    Other columns (the host's own, such as `group`) stay as they are. Cells beyond the last
    column, which the config store keeps as a list, are left out.
    """
    return {
        canonical(key): stripped(value) for key, value in row.items() if not isinstance(value, list)
    }


def is_blank(row: Mapping[Any, Any]) -> bool:
    """Return whether no cell holds anything. Spreadsheets leave such rows behind a table."""
    return not any(map(_holds_text, row.values()))


def beyond(row: Mapping[Any, Any]) -> list[str]:
    """Return the cells beyond the last column that hold something."""
    found = [cell for cells in row.values() if isinstance(cells, list) for cell in cells]
    return [str(cell) for cell in found if _holds_text(cell)]


def _holds_text(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_holds_text, value))
    return value is not None and bool(stripped(str(value)))


def misspelt(names: Iterable[str]) -> dict[str, str]:
    """Return each column that is hardly anything but a known one, which is missing, and that."""
    given = set(names)
    missing = {name.lower(): name for name in FIELDS if name not in given}
    found: dict[str, str] = {}
    for name in sorted(given - set(FIELDS) - {BEYOND}):
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8)
        if near:
            found[name] = missing[near[0]]
    return found


def misread(names: Sequence[object]) -> tuple[str, str] | None:
    """Return (problem, cure) of a first line that does not name the columns, None when it does."""
    if ATTRIBUTE in map(canonical, names):
        return None
    found = set(map(canonical, names))
    missing = " and ".join(
        f"no column {each}" for each in (POINT_NAME, ATTRIBUTE) if each not in found
    )
    cure = f"the first line of a registry names its columns ({POINT_NAME}, {ATTRIBUTE}, …)"
    line = ",".join(str(name) for name in names if name is not None)
    first = str(stripped(line))
    if first.lower().startswith("sep="):
        return f"{missing}, but {first.rstrip(',')!r}", f"remove this line; {cure}"
    if first.startswith(("#", "//")):
        return f"{missing}, but a comment", f"remove the comment; {cure}"
    for separator, word in _SEPARATORS.items():
        if ATTRIBUTE in map(canonical, line.split(separator)):
            return f"{missing}: the file is separated by {word}", "save it with commas (CSV)"
    if not first:
        return missing, f"remove the blank line; {cure}"
    return missing, cure
