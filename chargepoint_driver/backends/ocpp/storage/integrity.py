"""The check of the SQLite file at the start, and what to do about a damaged one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.loop_thread import start_native_thread

__all__ = ["MAX_CHECKED_BYTES", "advice", "check_in_background", "fault_in", "is_damage"]

MAX_CHECKED_BYTES = 32 << 20
"""A larger file is checked while the central system runs already."""


def advice(path: Path, fault: object) -> str:
    """Return a sentence: which file is damaged, how, and what to do."""
    return (
        f"{path} is damaged ({fault}). Stop the central system and keep a copy of the file. Then "
        "take it back from a backup, or save what can be read with "
        f"`sqlite3 {path} .recover | sqlite3 NEW`"
    )


def fault_in(db: sqlite.Connection) -> str | None:
    """Return what a quick check finds wrong with a file, None where it is sound."""
    try:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except StoreError as error:
        if not is_damage(error):
            raise
        return str(error)
    return None if found == "ok" else f"quick_check: {' '.join(found.split())}"


def is_damage(error: Exception) -> bool:
    """Return True if an error reports that the file itself is damaged."""
    return any(part in str(error) for part in ("malformed", "quick_check", "not a database"))


def check_in_background(path: Path, report: Callable[[str], None]) -> None:
    """Check a file on a thread of its own. `report` is called on this loop, for a damaged file."""
    loop = asyncio.get_running_loop()

    def check() -> None:
        with suppress(StoreError), closing(sqlite.connect(path, timeout=5)) as db:
            if (fault := fault_in(db)) is not None:
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(lambda: report(advice(path, fault)))

    start_native_thread(check)
