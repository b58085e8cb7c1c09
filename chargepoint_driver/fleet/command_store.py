"""Commands in force of an account, in PostgreSQL.

The node that holds the account goes on with those of the node before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chargepoint_driver.backend import Limit, Target
from chargepoint_driver.errors import FencedError
from chargepoint_driver.fleet.leased_records import LeasedRecords
from chargepoint_driver.service.shed_control.records.command_state import CommandState
from chargepoint_driver.service.shed_control.records.command_store import (
    Before,
    Loads,
    command_of,
    command_text,
    is_readable,
    key_of,
    limits_of,
    limits_text,
    loads_of,
    loads_text,
    target_of,
)

__all__ = ["PostgresCommandStore"]

_NAME = "postgres: commands"
_MAX_WRITES = 10_000


class PostgresCommandStore:
    """See `records.command_store.CommandStore`: every write is fenced by the account's lease."""

    is_shared = True

    def __init__(
        self, records: LeasedRecords, account: str, *, marks_each_call: bool = False
    ) -> None:
        """`account` is what the account is known by in the tables. `marks_each_call`: the backend
        calls `before_call` right before each call, on the thread that makes it."""
        self._records = records
        self._account = account
        self._marks_each_call = marks_each_call
        self._marks = threading.local()

    @contextmanager
    def sending(self, mark: Callable[[], None]) -> Iterator[None]:
        """See `CommandStore.sending`."""
        if not self._marks_each_call:
            mark()
            yield
            return
        self._marks.next = mark
        try:
            yield
        finally:
            self._marks.next = None

    def before_call(self) -> None:
        """Mark the command of this thread, where it has one: its call is sent next. Raises
        TransientError where nothing may be sent."""
        self._records.check()
        mark, self._marks.next = getattr(self._marks, "next", None), None
        if mark is not None:
            mark()
            self._records.check()

    def check(self) -> None:
        """See `CommandStore.check`."""
        refusal = self._records.refusal()
        if refusal is not None:
            raise FencedError(refusal)

    def load(self) -> tuple[dict[Target, CommandState], Before]:
        """See `CommandStore.load`."""

        async def read(db: Any) -> tuple[list[Any], list[Any]]:
            return (
                await db.fetch(
                    "SELECT station, port, station_group, held FROM commands WHERE account = $1",
                    self._account,
                ),
                await db.fetch(
                    "SELECT station, limits FROM periods WHERE account = $1", self._account
                ),
            )

        rows, periods = self._records.run(read)
        commands: dict[Target, CommandState] = {}
        before: Before = {}
        for station, port, group, text in map(tuple, rows):
            with is_readable(_NAME, station or group):
                commands[target_of(station, port, group)] = command_of(text)
        for station, text in map(tuple, periods):
            with is_readable(_NAME, station):
                before[station] = limits_of(text)
        return commands, before

    def load_more(self) -> tuple[dict[Target, float], Loads]:
        """See `CommandStore.load_more`."""

        async def read(db: Any) -> tuple[list[Any], list[Any]]:
            return (
                await db.fetch(
                    "SELECT station, port, station_group, seconds FROM write_leases"
                    " WHERE account = $1",
                    self._account,
                ),
                await db.fetch(
                    "SELECT station, loads FROM loads WHERE account = $1", self._account
                ),
            )

        leases, rows = self._records.run(read)
        loads: Loads = {}
        for station, text in map(tuple, rows):
            with is_readable(_NAME, station):
                loads[station] = loads_of(text)
        return {target_of(*key): seconds for *key, seconds in map(tuple, leases)}, loads

    def take_over(
        self, files: Iterable[Path], wanted: Collection[Target], patience: int = 0
    ) -> list[str]:
        """Do nothing: commands of files on one machine are not the fleet's."""
        del files, wanted, patience
        return []

    def save(self, changes: Mapping[Target, CommandState | None]) -> None:
        """See `CommandStore.save`."""
        gone = [key_of(target) for target, command in changes.items() if command is None]
        kept = [
            (*key_of(target), command_text(command))
            for target, command in changes.items()
            if command is not None
        ]

        async def write(db: Any) -> None:
            if gone:
                await db.execute(
                    "DELETE FROM commands USING"
                    " unnest($2::text[], $3::bigint[], $4::text[]) AS gone (station, port, part)"
                    " WHERE account = $1 AND commands.station = gone.station"
                    " AND commands.port = gone.port AND station_group = part",
                    self._account, *_columns(gone),
                )  # fmt: skip
            if kept:
                await db.execute(
                    "INSERT INTO commands SELECT $1, * FROM"
                    " unnest($2::text[], $3::bigint[], $4::text[], $5::text[])"
                    " ON CONFLICT (account, station, port, station_group)"
                    " DO UPDATE SET held = excluded.held",
                    self._account, *_columns(kept),
                )  # fmt: skip

        self._records.run(write)

    def save_period(
        self,
        station: str,
        limits: Mapping[int, Limit | None] | None,
        loads: Mapping[int, float | None] = MappingProxyType({}),
    ) -> None:
        """See `CommandStore.save_period`."""
        key = (self._account, station)
        texts = None if limits is None else (limits_text(limits), loads_text(loads))

        async def write(db: Any) -> None:
            for number, (table, column) in enumerate((("periods", "limits"), ("loads", "loads"))):
                if texts is None:
                    where = f"DELETE FROM {table} WHERE account = $1 AND station = $2"  # noqa: S608
                    await db.execute(where, *key)
                else:
                    await db.execute(
                        f"INSERT INTO {table} VALUES ($1, $2, $3) ON CONFLICT (account, station)"  # noqa: S608
                        f" DO UPDATE SET {column} = excluded.{column}",
                        *key, texts[number],
                    )  # fmt: skip

        self._records.run(write)

    def save_lease(self, target: Target, seconds: float) -> None:
        """See `CommandStore.save_lease`."""

        async def write(db: Any) -> None:
            await db.execute(
                "INSERT INTO write_leases VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (account, station, port, station_group)"
                " DO UPDATE SET seconds = excluded.seconds",
                self._account, *key_of(target), float(seconds),
            )  # fmt: skip

        self._records.run(write)

    def save_write(self, values: tuple[Any, ...]) -> None:
        """See `CommandStore.save_write`."""

        async def write(db: Any) -> None:
            await db.execute(
                "INSERT INTO writes (account, time, station, port, station_group, point, value,"
                " writer, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                self._account, *values,
            )  # fmt: skip
            await db.execute(
                "DELETE FROM writes WHERE account = $1 AND id <= (SELECT id FROM writes"
                " WHERE account = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)",
                self._account, _MAX_WRITES,
            )  # fmt: skip

        self._records.run(write)

    def writes(self, most: int) -> list[tuple[Any, ...]]:
        """See `CommandStore.writes`."""

        async def read(db: Any) -> list[Any]:
            sql = (
                "SELECT time, station, port, station_group, point, value, writer, outcome"
                " FROM writes WHERE account = $1 ORDER BY id DESC LIMIT $2"
            )
            return list(await db.fetch(sql, self._account, most))

        return [tuple(row) for row in self._records.run(read)]

    def close(self) -> None:
        """Write nothing any more."""
        self._records.lose()


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
