"""JSON in rows of the file, and texts that are no UTF-8: damage to a row costs that row."""

from __future__ import annotations

from typing import Any

import msgspec

from chargepoint_driver.process import sqlite

__all__ = ["damaged_row", "lenient", "object_in"]


def lenient(db: sqlite.Connection) -> None:
    """Have texts that are no UTF-8 read with replacements: SQLite would end the whole reading."""
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")


def object_in(text: object) -> dict[str, Any]:
    """Return the object in a cell; an empty one where the cell is empty. Raises ValueError."""
    if text is None or text == "":
        return {}
    if not isinstance(text, (str, bytes)):
        raise ValueError(f"a {type(text).__name__}, not JSON")
    found = msgspec.json.decode(text)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def damaged_row(row: str, error: Exception) -> str:
    """Return a sentence on a row that cannot be used, for the log."""
    return (
        f"{row} is damaged ({error}) and left out; take the file back from a backup, or delete "
        "the row"
    )
