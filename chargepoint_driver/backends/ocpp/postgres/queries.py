"""Queries of the records of all nodes, in PostgreSQL."""

# ruff: noqa: S608 - names of columns and conditions are put in, all of them from here
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from chargepoint_driver.backends.ocpp.model.authorization import key_of
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.storage import queries, session_queries
from chargepoint_driver.errors import NotFoundError, StoreError, TransientError
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord
from chargepoint_driver.reports import month_bounds

__all__ = ["PostgresQueries"]

_T = TypeVar("_T")
_WAIT_S = 30.0
_MAX_AT_ONCE = 3
_BEGIN = "coalesce(start_time, received)"
_SELECT = f"SELECT {', '.join(queries.COLUMNS)} FROM transactions"
_MAX_ID = 1 << 63


class PostgresQueries:
    """See `interfaces.Queries`. Events and messages are those of this node only."""

    def __init__(
        self, connections: Connections, loop: asyncio.AbstractEventLoop, local: Path
    ) -> None:
        """`loop` is the one of the connections; `local` the file with this node's events."""
        self._connections = connections
        self._loop = loop
        self._local = local
        self._turns = asyncio.Semaphore(_MAX_AT_ONCE)

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        async def ask() -> list[Any]:
            # So that a few long questions leave connections to what cannot wait.
            async with self._turns, self._connections.get() as db:
                return list(await db.fetch(sql, *values, timeout=_WAIT_S))

        return self._wait(ask)

    def _wait(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Have something asked on the loop. Raises TransientError."""

        async def run() -> _T:
            return await ask()

        asked = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            return asked.result(_WAIT_S)
        except StoreError as error:
            raise TransientError(f"postgres: cannot be read now ({error})") from None
        except TimeoutError:
            asked.cancel()
            raise TransientError(f"postgres: no answer within {_WAIT_S:g} s") from None

    def transactions(self, month: str) -> list[dict[str, Any]]:
        """See `queries.transactions`."""
        begin, end = month_bounds(month)
        rows = self._ask(
            f"{_SELECT} WHERE stop_time >= $1 AND stop_time < $2 ORDER BY stop_time, id",
            begin.timestamp(), end.timestamp(),
        )  # fmt: skip
        return [queries.row_of(tuple(row)) for row in rows]

    def sessions(
        self, station_id: str | None, since_s: float, until_s: float | None
    ) -> list[dict[str, Any]]:
        """See `queries.sessions`."""
        rows = self._ask(
            f"{_SELECT} WHERE (stop_time >= $1 OR (stop_time IS NULL AND state = 'active'))"
            f" AND ($2::float8 IS NULL OR {_BEGIN} <= $2) AND ($3::text IS NULL OR"
            f" charge_point = $3) ORDER BY {_BEGIN}, id",
            float(since_s), None if until_s is None else float(until_s), station_id,
        )  # fmt: skip
        return [queries.row_of(tuple(row)) for row in rows]

    def running(self, station_id: str | None = None) -> list[dict[str, Any]]:
        """See `queries.running`."""
        rows = self._ask(
            f"{_SELECT} WHERE state = 'active' AND ($1::text IS NULL OR charge_point = $1)"
            f" ORDER BY {_BEGIN}, id",
            station_id,
        )
        return [queries.row_of(tuple(row)) for row in rows]

    def usage(self, month: str) -> list[dict[str, Any]]:
        """See `queries.usage`."""
        return queries.usage_of(month, self.transactions(month))

    def newest_sessions(self, station_ids: list[str]) -> dict[str, dict[int, dict[str, Any]]]:
        """See `queries.newest_sessions`."""
        rows = self._ask(
            f"SELECT DISTINCT ON (charge_point, connector) {', '.join(queries.COLUMNS)}"
            " FROM transactions WHERE charge_point = ANY($1::text[]) AND state <> 'orphan'"
            f" ORDER BY charge_point, connector, {_BEGIN} DESC",
            list(station_ids),
        )
        found: dict[str, dict[int, dict[str, Any]]] = {each: {} for each in station_ids}
        for row in rows:
            found[row["charge_point"]][row["connector"]] = queries.row_of(tuple(row))
        return found

    def transaction(self, transaction_id: int) -> dict[str, Any]:
        """See `queries.transaction`."""
        rows = []
        if abs(transaction_id) < _MAX_ID:
            rows = self._ask(f"{_SELECT} WHERE id = $1", transaction_id)
        if not rows:
            raise NotFoundError(f"no transaction {transaction_id}")
        last_s, stop_s = rows[0]["last_time"], rows[0]["stop_time"]
        return {**queries.row_of(tuple(rows[0])), "time": iso(last_s or stop_s)}

    def last_energy(self, transaction_id: int) -> dict[str, Any]:
        """See `queries.last_energy`."""
        return queries.energy_of(self.transaction(transaction_id))

    def session_page(self, query: SessionQuery) -> list[SessionRecord]:
        """See `session_queries.session_page`."""
        place = "stop_time" if query.is_by_end else _BEGIN
        values: list[Any] = []
        conditions = []

        def given(value: Any, kind: str) -> str:
            values.append(value)
            return f"${len(values)}::{kind}"

        since = given(query.since_s, "float8")
        if query.is_by_end:
            conditions.append(f"stop_time >= {since}")
        else:
            conditions.append(f"(stop_time >= {since} OR (stop_time IS NULL AND state = 'active'))")
        if query.until_s is not None:
            sign = "<" if query.is_by_end else "<="
            conditions.append(f"{place} {sign} {given(query.until_s, 'float8')}")
        if query.station_id is not None:
            conditions.append(f"charge_point = {given(query.station_id, 'text')}")
        if query.port is not None:
            conditions.append(f"connector = {given(query.port, 'bigint')}")
        if query.id_tag is not None:
            tags = self._spellings(query.id_tag)
            conditions.append(f"id_tag = ANY({given(tags, 'text[]')})")
        if query.before is not None:
            at_s, last_id = query.before
            if last_id is None:
                conditions.append(f"{place} <= {given(at_s, 'float8')}")
            elif not last_id.isdecimal() or int(last_id) >= _MAX_ID:
                conditions.append(f"{place} < {given(at_s, 'float8')}")
            else:
                at, own_id = given(at_s, "float8"), given(int(last_id), "bigint")
                conditions.append(f"({place}, id) < ({at}, {own_id})")
        rows = self._ask(
            f"SELECT {', '.join(queries.COLUMNS)}, {place} AS place FROM transactions"
            f" WHERE {' AND '.join(conditions)} ORDER BY place DESC, id DESC"
            f" LIMIT {given(query.limit, 'bigint')}",
            *values,
        )
        return [session_queries.record_of(tuple(row)) for row in rows]

    def _spellings(self, id_tag: str) -> list[str]:
        """Return the idTags of transactions that mean the same as one."""
        wanted = key_of(id_tag)
        rows = self._ask("SELECT DISTINCT id_tag FROM transactions")
        return [row["id_tag"] for row in rows if key_of(row["id_tag"]) == wanted]

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """See `session_queries.energy_readings`."""
        wanted = [int(each) for each in session_ids if each.isdecimal() and int(each) < _MAX_ID]
        rows = self._ask(
            "SELECT transaction_id, first_time, first_wh - meter_start, r.last_time,"
            " r.last_wh - meter_start FROM session_registers AS r"
            " JOIN transactions AS t ON t.id = r.transaction_id"
            " WHERE transaction_id = ANY($1::bigint[]) AND meter_start IS NOT NULL"
            " AND register_resets = 0 ORDER BY transaction_id, quarter",
            wanted,
        )
        return session_queries.readings_of(tuple(row) for row in rows)

    def limits(self) -> list[dict[str, Any]]:
        """See `queries.limits`."""
        rows = self._ask(
            "SELECT charge_point, connector, data FROM limits ORDER BY charge_point, connector"
        )
        return [queries.limit_of(tuple(row), "postgres") for row in rows]

    def events(self, after: int = 0, most: int = 1_000) -> list[dict[str, Any]]:
        """See `queries.events`."""
        return queries.events(self._local, after, most)

    def messages(
        self, station_id: str, before: int | None, limit: int, action: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """See `queries.messages`."""
        return queries.messages(self._local, station_id, before, limit, action)
