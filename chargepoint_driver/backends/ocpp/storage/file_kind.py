"""The kind of a central system's file, as it is marked in it."""

from __future__ import annotations

from pathlib import Path

from chargepoint_driver.backends.ocpp.storage.queries import reading
from chargepoint_driver.errors import ConfigurationError

__all__ = ["NODE_APPLICATION_ID", "is_of_node", "refuse_file_of_node"]

NODE_APPLICATION_ID = 0x43504E44
"""`PRAGMA application_id` of the file of a node: its copy of records in PostgreSQL, which is made
again at each start, and its own events."""


def is_of_node(path: Path) -> bool:
    """Return True if it is the file of a node. Raises NotFoundError, TransientError."""
    with reading(path) as db:
        (mark,) = db.execute("PRAGMA application_id").fetchone()
    return bool(mark == NODE_APPLICATION_ID)


def refuse_file_of_node(path: Path, instead: str) -> None:
    """Raise ConfigurationError for the file of a node; `instead` is what to do."""
    if is_of_node(path):
        raise ConfigurationError(
            f"{path}: is the file of a node, with a part of the records that PostgreSQL has; "
            f"{instead}"
        )
