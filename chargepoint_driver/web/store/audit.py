"""Audit log of the page: commands, logins and refused attempts, with who sent them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.web.api.audit_schemas import AuditEntry
from chargepoint_driver.web.store.database import Database
from chargepoint_driver.web.times import iso, iso_or_none

__all__ = ["DONE", "Attempt", "Audit", "Filters"]

DONE = "done"
_DAY_S = 86_400.0
_PRUNE_S = 3_600.0
# Of requests without a key, which anybody can send.
_MAX_STRANGERS = 10_000
_COLUMNS = (
    "id, time, name, role, address, command, account, cpid, connector, station_group, arguments, "
    "ended, status, result, message"
)
_INSERT = """
INSERT INTO audit (time, name, role, address, command, account, cpid, connector, station_group,
    arguments, ended, status, result, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True)
class Attempt:
    """A request and its caller: `name` and `role` of the caller, None where nobody is logged in."""

    name: str | None
    role: str | None
    address: str
    command: str
    account: str | None = None
    cpid: str | None = None
    connector: int | None = None
    group: str | None = None
    arguments: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Filters:
    """Entries that are wanted; None: all. `result`: a code, or `failed` for every error."""

    start_s: float | None = None
    end_s: float | None = None
    by: str | None = None
    command: str | None = None
    result: str | None = None
    account: str | None = None
    cpid: str | None = None


class Audit:
    """Entries in the database. Every method waits for the disk, and raises StoreError."""

    def __init__(self, database: Database, days: int, now: Callable[[], float] = time.time) -> None:
        """`days`: how long an entry is kept."""
        self._database = database
        self._kept_s = days * _DAY_S
        self._now = now
        self._pruned_s = float("-inf")

    def begin(self, attempt: Attempt) -> int:
        """Write down a command that begins; return the number of its entry."""
        return self._add(attempt, None, None, None, None)

    def end(self, number: int, status: int, result: str, message: str | None) -> None:
        """Write down what came of a command."""
        with self._database.transaction() as db:
            db.execute(
                "UPDATE audit SET ended = ?, status = ?, result = ?, message = ? WHERE id = ?",
                (self._now(), status, result, message, number),
            )

    def add(self, attempt: Attempt, status: int, result: str, message: str | None) -> None:
        """Write down what is over already, like a refusal."""
        self._add(attempt, self._now(), status, result, message)

    def _add(
        self,
        attempt: Attempt,
        ended_s: float | None,
        status: int | None,
        result: str | None,
        message: str | None,
    ) -> int:
        text = None if attempt.arguments is None else json.dumps(attempt.arguments)
        row = (
            self._now(),
            attempt.name,
            attempt.role,
            attempt.address,
            attempt.command,
            attempt.account,
            attempt.cpid,
            attempt.connector,
            attempt.group,
            text,
            ended_s,
            status,
            result,
            message,
        )
        with self._database.transaction() as db:
            number = db.execute(_INSERT, row).lastrowid
            self._prune(db)
        assert number is not None
        return int(number)

    def _prune(self, db: Any) -> None:
        """Remove what is too old, once an hour, and what is too much of strangers."""
        now_s = self._now()
        if now_s - self._pruned_s < _PRUNE_S:
            return
        self._pruned_s = now_s
        db.execute("DELETE FROM audit WHERE time < ?", (now_s - self._kept_s,))
        db.execute(
            "DELETE FROM audit WHERE name IS NULL AND id <= (SELECT id FROM audit WHERE name IS "
            "NULL ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (_MAX_STRANGERS,),
        )

    def found(
        self, filters: Filters, limit: int, before: int | None = None
    ) -> tuple[list[AuditEntry], int | None]:
        """Return entries, newest first, and the `before` of those that follow, None where none
        do."""
        wanted: list[tuple[str, Any]] = [
            ("id < ?", before),
            ("time >= ?", filters.start_s),
            ("time < ?", filters.end_s),
            ("name = ?", filters.by),
            ("command = ?", filters.command),
            ("account = ?", filters.account),
            ("cpid = ?", filters.cpid),
        ]
        if filters.result == "failed":
            wanted.append(("result != ?", DONE))
        else:
            wanted.append(("result = ?", filters.result))
        given = [(condition, value) for condition, value in wanted if value is not None]
        where = " AND ".join(["1", *(condition for condition, _ in given)])
        sql = f"SELECT {_COLUMNS} FROM audit WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - constant words
        with self._database.reading() as db:
            rows = db.execute(sql, (*(value for _, value in given), limit + 1)).fetchall()
        more = len(rows) > limit
        entries = [_entry(row) for row in rows[:limit]]
        return entries, entries[-1].id if more else None

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names and the commands that entries have, in order."""
        found = []
        with self._database.reading() as db:
            for column in ("name", "command"):
                rows = db.execute(
                    f"SELECT DISTINCT {column} FROM audit WHERE {column} IS NOT NULL "  # noqa: S608
                    f"ORDER BY {column} LIMIT 1000"
                )
                found.append([str(row[0]) for row in rows])
        return found[0], found[1]


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    """Return a row of the table as the API shows it."""
    return AuditEntry(
        id=row[0],
        time=iso(row[1]),
        by=row[2],
        role=row[3],
        address=row[4],
        command=row[5],
        account=row[6],
        cpid=row[7],
        connectorId=row[8],
        group=row[9],
        arguments=None if row[10] is None else json.loads(row[10]),
        ended=iso_or_none(row[11]),
        status=row[12],
        result=row[13],
        message=row[14],
    )
