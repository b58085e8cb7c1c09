"""The PostgreSQL of the parts about a fleet."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tests.postgres_server import FOLDERS, Postgres

__all__ = ["missing", "open_tables", "processor_s"]


def missing() -> str | None:
    """Return what is not installed here, as a reason; None where all is."""
    if find_spec("asyncpg") is None:
        return "asyncpg is not installed"
    if shutil.which("initdb", path=FOLDERS) is None:
        return "PostgreSQL is not installed"
    return None


def open_tables(postgres: Postgres) -> str:
    """Return the DSN of a new database with the tables of a fleet."""
    dsn = postgres.database()
    # The module needs asyncpg.
    import_module("tests.unit.backends.ocpp.nodes").make_tables(dsn)
    return dsn


def processor_s(postgres: Postgres) -> float:
    """Return the processor time of PostgreSQL so far, with that of its connections."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(folder.name) == postgres.pid:
            ticks += sum(map(int, fields[11:15]))  # its own, and that of children that ended
        elif int(fields[1]) == postgres.pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
