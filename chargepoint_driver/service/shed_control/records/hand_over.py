"""Commands in the files of other processes, which no longer have the account: they are taken over.

An account moves between a driver and the caching agent when devices are stored again. Its limits
stay in force meanwhile, and the process that has the account now must renew and clear them. Each
process locks its file for each of its accounts. A free lock shows that its owner has ended, or has
given the account up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from chargepoint_driver.backend import Target
from chargepoint_driver.errors import StoreError
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.ownership_lock import OwnershipLock
from chargepoint_driver.text import get_logger

__all__ = ["HandOver", "commanded_stations"]

_log = get_logger(__name__)

_LIMIT_S = 5.0
# Table to its columns after account and station, the key first.
_TABLES = {
    "commands": ("port", "station_group", "held"),
    "periods": ("limits",),
    "loads": ("loads",),
    "leases": ("port", "station_group", "seconds"),
}
_COLUMNS = {"limits", "loads", "held", "seconds"}
Row = tuple[Any, ...]


def commanded_stations(path: Path) -> set[str]:
    """Return the stations with commands in a file, of any account. Empty where it cannot be
    read."""
    path = path.expanduser()
    if not path.is_file():
        return set()
    try:
        with closing(
            sqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LIMIT_S)
        ) as db:
            return {station for (station,) in db.execute("SELECT DISTINCT station FROM commands")}
    except StoreError as error:
        _log.warning("%s cannot be looked through for limits (%s)", path, error)
        return set()


class HandOver:
    """Commands that one account takes over from the files of other processes."""

    def __init__(self, path: Path, account: str, lock: Callable[[], Any]) -> None:
        """`path` is the account's own file, `account` its digest there. `lock` is entered while
        rows are moved."""
        self._path = path.expanduser()
        self._account = account
        self._guard = lock
        self._own = lock_of(self._path, account)
        self._said: set[Path] = set()
        self._free: dict[Path, int] = {}

    def claim(self) -> None:
        """Lock the own file for the account: nobody takes from it now."""
        try:
            self._own.acquire()
        except OSError as error:
            if self._path not in self._said:
                self._said.add(self._path)
                _log.warning("%s cannot be locked (%s)", self._own.path, error)

    def close(self) -> None:
        """Give the account up: another process may take over."""
        self._own.release()

    def take(
        self,
        files: Iterable[Path],
        wanted: Collection[Target],
        db: sqlite.Connection,
        patience: int = 0,
    ) -> list[Path]:
        """Move the rows of the stations and groups of `wanted` out of other files into `db`; the
        files that had some. A row that `db` has already is only deleted there. A lock must have
        been free for `patience` calls before: its owner may only be restarting."""
        self.claim()
        stations = {target.station_id for target in wanted if target.group is None}
        groups = {target.group for target in wanted if target.group is not None}
        taken = []
        for path in files:
            if path == self._path or not path.is_file():
                continue
            try:
                rows = self._rows(path, stations, groups)
                if any(rows.values()) and self._move(path, rows, db, patience):
                    taken.append(path)
            except (OSError, StoreError) as error:
                if path not in self._said:
                    self._said.add(path)
                    _log.warning("%s cannot be looked through for limits (%s)", path, error)
        return taken

    def _rows(
        self, path: Path, stations: Collection[str], groups: Collection[str]
    ) -> dict[str, list[Row]]:
        """Table to the account's rows of these stations and groups."""
        found: dict[str, list[Row]] = {}
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite.connect(uri, uri=True, timeout=_LIMIT_S)) as other:
            there = {name for (name,) in other.execute("SELECT name FROM sqlite_master")}
            for table, columns in _TABLES.items():
                if table in there:
                    found[table] = other.execute(
                        f"SELECT station, {', '.join(columns)} FROM {table} "  # noqa: S608
                        "WHERE account = ?",
                        (self._account,),
                    ).fetchall()
        commands = found.get("commands", [])
        shares = {row[0] for row in commands if _group_of(row) in groups}
        return {
            table: [
                row
                for row in rows
                if row[0] in stations
                or row[0] in shares
                or (len(_TABLES[table]) > 1 and row[2] in groups)
            ]
            for table, rows in found.items()
        }

    def _move(
        self, path: Path, rows: dict[str, list[Row]], db: sqlite.Connection, patience: int
    ) -> bool:
        """Move rows unless the file's owner still has the account. The own file comes first: a
        process that is killed in between leaves them twice, and not nowhere."""
        lock = lock_of(path, self._account)
        if not lock.acquire():
            self._free.pop(path, None)
            if path not in self._said:
                self._said.add(path)
                _log.warning(
                    "%s: limits of this account are also kept by %s (process %s), which still has "
                    "the account. Take the account from its config, or restart it",
                    self._path.stem,
                    path.stem,
                    lock.owner() or "unknown",
                )
            return False
        self._free[path] = free = self._free.get(path, -1) + 1
        if free < patience:
            lock.release()
            return False
        try:
            with self._guard(), db:
                db.execute("BEGIN IMMEDIATE")
                for table, found in rows.items():
                    columns = ("account", "station", *_TABLES[table])
                    if table == "commands":
                        self._drop_older(found, db)
                    db.executemany(
                        f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) "  # noqa: S608
                        f"VALUES ({', '.join('?' * len(columns))})",
                        [(self._account, *row) for row in found],
                    )
            with closing(sqlite.connect(path, timeout=_LIMIT_S)) as other, other:
                for table, found in rows.items():
                    keys = [name for name in _TABLES[table] if name not in _COLUMNS]
                    where = " AND ".join(f"{name} = ?" for name in ("account", "station", *keys))
                    other.executemany(
                        f"DELETE FROM {table} WHERE {where}",  # noqa: S608
                        [(self._account, *row[: 1 + len(keys)]) for row in found],
                    )
        finally:
            lock.release()
        self._said.discard(path)
        del self._free[path]
        return True

    def _drop_older(self, commands: list[Row], db: sqlite.Connection) -> None:
        """Make room for commands that are newer than the own ones of the same target."""
        for station, port, group, state in commands:
            key = (self._account, station, port, group)
            where = "account = ? AND station = ? AND port = ? AND station_group = ?"
            for (own,) in db.execute(f"SELECT held FROM commands WHERE {where}", key).fetchall():  # noqa: S608
                if _sent_s(own) < _sent_s(state):
                    db.execute(f"DELETE FROM commands WHERE {where}", key)  # noqa: S608


def lock_of(path: Path, account: str) -> OwnershipLock:
    """Return the lock of one account in a file of commands."""
    return OwnershipLock(path.with_name(f"{path.name}.{account}.lock"))


def _group_of(command: Row) -> str | None:
    """Return the station group that a command is a share of, or is of."""
    try:
        group = command[2] or json.loads(command[3]).get("group")
        return None if group is None else str(group)
    except (AttributeError, ValueError):
        return None


def _sent_s(state: str) -> float:
    """Return when a command was last acknowledged, or sent without an answer; 0 if unknown."""
    try:
        fields = json.loads(state)
        doubt = fields.get("doubt") or {}
        return max(float(fields.get("sent_s") or 0.0), float(doubt.get("sent_s") or 0.0))
    except (AttributeError, TypeError, ValueError):
        return 0.0
