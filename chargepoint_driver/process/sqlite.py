"""SQLite connections whose errors are StoreError."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from chargepoint_driver.errors import StoreError

__all__ = ["Connection", "Cursor", "connect", "migrate"]

_END = object()


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(str(error)) from error


class Cursor(sqlite3.Cursor):
    """Rows of one statement. Every method raises StoreError, and then has released the file."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        try:
            super().execute(sql, parameters)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        try:
            super().executemany(sql, parameters)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return self

    def executescript(self, script: str, /) -> Cursor:
        try:
            super().executescript(script)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return self

    def fetchone(self) -> Any:
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def fetchall(self) -> list[Any]:
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        try:
            yield from iter(super().__next__, _END)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        # The traceback keeps this cursor, whose statement would keep the file open.
        with suppress(sqlite3.Error):
            self.close()
        return StoreError(str(error))


class Connection(sqlite3.Connection):
    """One connection. Every method raises StoreError."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        return self.cursor(Cursor).execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Cursor:
        return self.cursor(Cursor).executemany(sql, parameters)

    def executescript(self, script: str, /) -> Cursor:
        return self.cursor(Cursor).executescript(script)

    def commit(self) -> None:
        with _own_errors():
            super().commit()

    def __enter__(self) -> Connection:  # noqa: PYI034  # Self needs Python 3.11
        with _own_errors():
            super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> Literal[False]:
        with _own_errors():
            return super().__exit__(kind, error, trace)


def connect(path: Path | str, **options: Any) -> Connection:
    """Open a file; the options are those of `sqlite3.connect`. Raises StoreError."""
    with _own_errors():
        return sqlite3.connect(path, factory=Connection, **options)


def migrate(db: Connection, migrations: Sequence[str]) -> None:
    """Bring a file to the newest schema: carry out the migrations that it does not have, all or
    none. `PRAGMA user_version` counts them, so a new one goes to the end.

    Raises StoreError for a file of a later version, which is left as it is.
    """
    if _version(db, migrations) == len(migrations):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it meanwhile.
        done = _version(db, migrations)
        for number, script in enumerate(migrations[done:], done + 1):
            for statement in _statements(script):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
    except BaseException:
        with suppress(StoreError):
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _version(db: Connection, migrations: Sequence[str]) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations):
        raise StoreError(
            f"it is of a later version of this driver, or not a file of this kind (schema "
            f"{version}; this version knows {len(migrations)})"
        )
    return version


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, each of which ends with its line."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise StoreError("a migration ends within a statement")
