"""Reading a registry CSV file."""

from __future__ import annotations

import csv
from pathlib import Path

from chargepoint_driver.errors import BadConfiguration
from chargepoint_driver.registry.columns import ATTRIBUTE, POINT_NAME, normal

__all__ = ["read_csv"]


def read_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """(line number, row) of each row that is not blank.

    Raises BadConfiguration when the file cannot be read or is no registry.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, restkey="", restval="")
            columns = normal(dict.fromkeys(reader.fieldnames or (), ""))
            missing = [name for name in (POINT_NAME, ATTRIBUTE) if name not in columns]
            if missing:
                raise BadConfiguration(
                    f"{path}: row 1: no column {' and no column '.join(missing)}; "
                    "the first line of a registry names its columns"
                )
            rows = [(reader.line_num, normal(row)) for row in reader]
    except (OSError, UnicodeError) as error:
        raise BadConfiguration(f"{path}: cannot be read ({error})") from None
    except csv.Error as error:
        # The reader counts the rows that it could read.
        raise BadConfiguration(f"{path}: row {reader.line_num + 1}: not CSV ({error})") from None
    return [(line, row) for line, row in rows if any(map(_holds_text, row.values()))]


def _holds_text(value: object) -> bool:
    """Whether a cell, or the list of cells beyond the last column, is not blank."""
    return any(map(_holds_text, value)) if isinstance(value, list) else bool(str(value).strip())
