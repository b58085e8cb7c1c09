"""Reading a registry CSV file, as VOLTTRON's config store reads it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from chargepoint_driver.config.texts import read_text
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.registry import columns as col
from chargepoint_driver.registry.row_checks import Finding

__all__ = ["RegistryFile", "read_csv", "read_file"]

_SENTINEL = "the end"


class RegistryFile(NamedTuple):
    """The rows of a file that are not blank, each with its last line's number, and warnings."""

    rows: list[tuple[int, dict[str, Any]]]
    warnings: list[Finding]


class _Record(NamedTuple):
    first: int
    last: int
    cells: list[str]


def read_csv(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return (line number, row) of each row that is not blank.

    Raises ConfigurationError when the file cannot be read or is not a registry.
    """
    return read_file(path).rows


def read_file(path: Path) -> RegistryFile:
    """Return the rows of a registry file and what is odd about it.

    Raises ConfigurationError when the file cannot be read or is not a registry.
    """
    text = read_text(path)
    warnings = []
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        warnings.append(
            Finding(
                str(path),
                line,
                "file",
                "holds NUL characters; they are ignored, but Python 3.10 refuses them",
                "remove them; save the file with a text editor",
            )
        )
        text = text.replace("\0", "")
    try:
        records = list(_records(text, path))
    except csv.Error as error:
        raise ConfigurationError(f"{path}: not CSV ({error}); save it as CSV again") from None
    head, *rest = records or [_Record(1, 1, [])]
    wrong = col.misread(head.cells)
    if wrong is not None:
        raise ConfigurationError(f"{path}: row 1: {wrong[0]}; {wrong[1]}")
    names = Counter(map(col.canonical, head.cells))
    warnings += [
        Finding(str(path), 1, name, "stands twice, and the last one counts", "remove one")
        for name in col.FIELDS
        if names[name] > 1
    ]
    lines = text.split("\n")
    rows: list[tuple[int, dict[str, Any]]] = []
    for record in rest:
        row = _row(head.cells, record.cells)
        if col.is_blank(row):
            continue
        if _is_odd("\n".join(lines[record.first - 1 : record.last])):
            warnings.append(
                Finding(
                    str(path),
                    record.last,
                    "file",
                    "text follows a closing quote, so that the cell is not what it seems to be",
                    "quote the whole cell, and write a quote within it twice",
                )
            )
        rows.append((record.last, col.normal(row) | {col.BEYOND: row[col.BEYOND]}))
    return RegistryFile(rows, warnings)


def _row(names: list[str], cells: list[str]) -> dict[str, Any]:
    """Return a record as a row; cells that are missing are empty."""
    row: dict[str, Any] = dict.fromkeys(names, "") | dict(zip(names, cells, strict=False))
    row[col.BEYOND] = cells[len(names) :]
    return row


def _is_odd(lines: str) -> bool:
    """Return whether a record breaks the rules of CSV, which the config store does not mind."""
    try:
        list(csv.reader(io.StringIO(lines, newline="\n"), strict=True))
    except csv.Error:
        return True
    return False


def _records(text: str, path: Path) -> Iterator[_Record]:
    """Yield the records of CSV. Raises ConfigurationError at a quote that is never closed: the rest
    of the file would be one cell."""
    reader = csv.reader(io.StringIO(f"{text}\n{_SENTINEL}", newline="\n"))
    first = last = 1
    try:
        for cells in reader:
            if cells == [_SENTINEL] and reader.line_num == text.count("\n") + 2:
                return
            yield _Record(first, reader.line_num, cells)
            last, first = first, reader.line_num + 1
    except csv.Error as error:
        raise ConfigurationError(
            f"{path}: row {first}: not CSV ({error}); save it as CSV again"
        ) from None
    raise ConfigurationError(
        f"{path}: row {last}: not CSV (a quote is never closed); close it, or write a quote "
        "within a quoted cell twice"
    )
