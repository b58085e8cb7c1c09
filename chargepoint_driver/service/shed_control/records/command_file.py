"""The commands in force, in a small SQLite file, so that a restart does not forget them.

Holds no credentials: an account is known by a digest of its endpoint and user name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import ConfigurationError, StoreError, TransientError
from chargepoint_driver.process import sqlite
from chargepoint_driver.process.files import make_private
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.command_store import (
    Before,
    Loads,
    command_of,
    command_text,
    digest_of,
    is_readable,
    key_of,
    limits_of,
    limits_text,
    loads_of,
    loads_text,
    target_of,
)
from chargepoint_driver.service.shed_control.records.hand_over import HandOver

__all__ = ["CommandFile", "kept_writes"]

# Files from before versions have some of these tables. A change is a new entry at the end.
_MIGRATIONS = (
    """
CREATE TABLE IF NOT EXISTS commands (
    account TEXT NOT NULL,
    station TEXT NOT NULL,
    port INTEGER NOT NULL,    -- 0: the whole station
    station_group TEXT NOT NULL,      -- '': no group
    held TEXT NOT NULL,       -- JSON of CommandState
    PRIMARY KEY (account, station, port, station_group)
);
CREATE TABLE IF NOT EXISTS periods (
    account TEXT NOT NULL,
    station TEXT NOT NULL,
    limits TEXT NOT NULL,     -- JSON: port to the limit in force before the control period
    PRIMARY KEY (account, station)
);
CREATE TABLE IF NOT EXISTS loads (
    account TEXT NOT NULL,
    station TEXT NOT NULL,
    loads TEXT NOT NULL,      -- JSON: port to its load in kW before the control period
    PRIMARY KEY (account, station)
);
CREATE TABLE IF NOT EXISTS leases (
    account TEXT NOT NULL,
    station TEXT NOT NULL,
    port INTEGER NOT NULL,    -- 0: the whole station
    station_group TEXT NOT NULL,      -- '': no group
    seconds REAL NOT NULL,    -- 0: no lease
    PRIMARY KEY (account, station, port, station_group)
);
CREATE TABLE IF NOT EXISTS writes (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    time TEXT NOT NULL,       -- ISO 8601, UTC
    station TEXT NOT NULL,
    port INTEGER NOT NULL,    -- 0: the whole station
    station_group TEXT NOT NULL,      -- '': no group
    point TEXT NOT NULL,
    value TEXT NOT NULL,
    writer TEXT NOT NULL,     -- identity of the agent; '': not known
    outcome TEXT NOT NULL     -- sent, staged, or the code of an error
);
""",
)
_WAIT_S = 5.0
_MAX_WRITES = 10_000


def kept_writes(path: Path, account: tuple[str, str]) -> list[tuple[Any, ...]]:
    """Return the writes of an account that a file keeps (see `writers.Write`), oldest first. Reads
    only, while the file's owner runs. Raises TransientError when the file cannot be read."""
    path = path.expanduser()
    if not path.is_file():
        return []
    try:
        with closing(
            sqlite.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
        ) as db:
            return db.execute(
                "SELECT time, station, port, station_group, point, value, writer, outcome"
                " FROM writes WHERE account = ? ORDER BY id",
                (digest_of(account),),
            ).fetchall()
    except StoreError as error:
        raise TransientError(f"command_file: {path} cannot be read now ({error})") from None


class CommandFile:
    """One account's commands in a file. See `command_store.CommandStore`."""

    is_shared = False

    def __init__(self, path: Path, account: tuple[str, str]) -> None:
        """Raises ConfigurationError when the file cannot be used."""
        self._name = f"command_file: {path}"
        self._account = digest_of(account)
        self._lock = threading.Lock()
        try:
            path.expanduser().parent.mkdir(parents=True, exist_ok=True)
            make_private(path)
            self._db = sqlite.connect(
                path.expanduser(), timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except (OSError, StoreError) as error:
            raise ConfigurationError(
                f"command_file: {path} cannot be used ({error}); correct the path or its "
                "permissions, or move away a file that is not an SQLite database"
            ) from None
        self._hand_over = HandOver(path, self._account, lambda: self._lock)
        self._hand_over.claim()

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        # Safe when the process is killed; after a power failure the last command may be
        # missing, and then its shed expires.
        self._db.execute("PRAGMA synchronous=NORMAL")
        sqlite.migrate(self._db, _MIGRATIONS)
        ((state,),) = self._db.execute("PRAGMA quick_check(1)").fetchall()
        if state != "ok":
            raise StoreError(state)

    def check(self) -> None:
        """Do nothing: the file is this process's own."""

    @contextmanager
    def sending(self, mark: Callable[[], None]) -> Iterator[None]:
        """Mark it at once."""
        mark()
        yield

    def load(self) -> tuple[dict[Target, CommandState], Before]:
        """See `CommandStore.load`."""
        with self._lock:
            rows = self._db.execute(
                "SELECT station, port, station_group, held FROM commands WHERE account = ?",
                (self._account,),
            ).fetchall()
            periods = self._db.execute(
                "SELECT station, limits FROM periods WHERE account = ?", (self._account,)
            ).fetchall()
        commands: dict[Target, CommandState] = {}
        before: Before = {}
        for station, port, group, text in rows:
            with is_readable(self._name, station or group):
                commands[target_of(station, port, group)] = command_of(text)
        for station, text in periods:
            with is_readable(self._name, station):
                before[station] = limits_of(text)
        return commands, before

    def load_more(self) -> tuple[dict[Target, float], Loads]:
        """See `CommandStore.load_more`."""
        with self._lock:
            leases = self._db.execute(
                "SELECT station, port, station_group, seconds FROM leases WHERE account = ?",
                (self._account,),
            ).fetchall()
            rows = self._db.execute(
                "SELECT station, loads FROM loads WHERE account = ?", (self._account,)
            ).fetchall()
        loads: Loads = {}
        for station, text in rows:
            with is_readable(self._name, station):
                loads[station] = loads_of(text)
        return {target_of(*key): seconds for *key, seconds in leases}, loads

    def take_over(
        self, files: Iterable[Path], wanted: Collection[Target], patience: int = 0
    ) -> list[str]:
        """Move into this file what other files hold of the stations and groups of `wanted`, if
        their processes no longer have the account; the names of those files. For `patience` see
        `HandOver.take`."""
        return [path.stem for path in self._hand_over.take(files, wanted, self._db, patience)]

    def save_lease(self, target: Target, seconds: float) -> None:
        """Keep the lease of a target. Raises StoreError."""
        key = (self._account, *key_of(target))
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)", (*key, seconds)
            )

    def save_write(self, values: tuple[Any, ...]) -> None:
        """Keep one write (see `writers.Write`), and the newest 10,000 of all. Raises
        StoreError."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            done = self._db.execute(
                "INSERT INTO writes (account, time, station, port, station_group, point, value,"
                " writer, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self._account, *values),
            )
            self._db.execute(
                "DELETE FROM writes WHERE id <= ?", ((done.lastrowid or 0) - _MAX_WRITES,)
            )

    def writes(self, most: int) -> list[tuple[Any, ...]]:
        """Return the newest writes, newest first. Raises StoreError."""
        with self._lock:
            return self._db.execute(
                "SELECT time, station, port, station_group, point, value, writer, outcome"
                " FROM writes WHERE account = ? ORDER BY id DESC LIMIT ?",
                (self._account, most),
            ).fetchall()

    def save(self, changes: Mapping[Target, CommandState | None]) -> None:
        """Keep these together; None forgets. Raises StoreError."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for target, command in changes.items():
                key = (self._account, *key_of(target))
                if command is None:
                    self._db.execute(
                        "DELETE FROM commands WHERE account = ? AND station = ? AND port = ? "
                        "AND station_group = ?",
                        key,
                    )
                else:
                    self._db.execute(
                        "INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?, ?)",
                        (*key, command_text(command)),
                    )

    def save_period(
        self,
        station: str,
        limits: Mapping[int, Limit | None] | None,
        loads: Mapping[int, float | None] = MappingProxyType({}),
    ) -> None:
        """Keep what was in force at a station before, and what flowed; None forgets both. Raises
        StoreError."""
        key = (self._account, station)
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if limits is None:
                for table in ("periods", "loads"):
                    self._db.execute(
                        f"DELETE FROM {table} WHERE account = ? AND station = ?",  # noqa: S608
                        key,
                    )
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO periods VALUES (?, ?, ?)", (*key, limits_text(limits))
                )
                self._db.execute(
                    "INSERT OR REPLACE INTO loads VALUES (?, ?, ?)", (*key, loads_text(loads))
                )

    def close(self) -> None:
        with self._lock:
            self._db.close()
        self._hand_over.close()
