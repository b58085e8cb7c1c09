"""Deletion of old events from PostgreSQL. Every node does it; no row is deleted twice."""

# ruff: noqa: S608 - parts of statements are put in, all of them from here
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.event_outbox import NEWEST
from chargepoint_driver.errors import StoreError
from chargepoint_driver.text import get_logger

__all__ = ["EventRetention"]

_log = get_logger(__name__)

_EVERY_S = 60.0
_DELETED_AT_ONCE = 2_000
_LONG_S = 30.0
# An index and the head of a row need about half as much as the row itself.
_WITH_INDEXES = 1.5

# What no sink got is reported to it.
_DELETE = (
    "WITH gone AS (DELETE FROM events WHERE (run, id) IN ({which}) RETURNING run, id),"
    " lost AS (SELECT s.name, count(*) AS count, min(g.id) AS first, max(g.id) AS last,"
    " max(g.run) AS run FROM sinks AS s CROSS JOIN gone AS g LEFT JOIN cursors AS c"
    " ON c.sink = s.name AND c.run = g.run WHERE g.id > greatest(s.floor, coalesce(c.at, 0))"
    " GROUP BY s.name),"
    " noted AS (UPDATE sinks AS s SET skipped = s.skipped + lost.count,"
    " skipped_after = least(s.skipped_after, lost.first - 1),"
    " skipped_through = greatest(s.skipped_through, lost.last), skipped_run = lost.run"
    " FROM lost WHERE s.name = lost.name) SELECT count(*) FROM gone"
)
# Of each run the oldest rows are looked at: ids grow with the time of receipt, about.
_BEFORE = (
    "SELECT r.run, w.id FROM event_runs AS r CROSS JOIN LATERAL (SELECT id, received"
    f" FROM events AS e WHERE e.run = r.run ORDER BY id LIMIT {_DELETED_AT_ONCE}) AS w"
    f" WHERE w.received < $1 LIMIT {_DELETED_AT_ONCE}"
)
_UP_TO = (
    "SELECT r.run, w.id FROM event_runs AS r CROSS JOIN LATERAL (SELECT id FROM events AS e"
    f" WHERE e.run = r.run AND e.id <= $1 ORDER BY id LIMIT {_DELETED_AT_ONCE}) AS w"
    f" ORDER BY w.id LIMIT {_DELETED_AT_ONCE}"
)
# Of each node the newest run stays.
_FORGET_RUNS = (
    "WITH gone AS (DELETE FROM event_runs AS r WHERE begun < now() - interval '1 day' AND NOT"
    " EXISTS (SELECT 1 FROM events AS e WHERE e.run = r.run) AND EXISTS (SELECT 1 FROM event_runs"
    " AS later WHERE later.node = r.node AND later.run > r.run) RETURNING run)"
    " DELETE FROM cursors WHERE run IN (SELECT run FROM gone)"
)


class EventRetention:
    """See the module. On the loop of the connections."""

    def __init__(
        self,
        connections: Connections,
        keep_s: float | None,
        max_bytes: int | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`keep_s`: how old events become. `max_bytes`: what they may need, about. None for no
        limit."""
        self._connections = connections
        self._keep_s = keep_s
        self._max_bytes = max_bytes
        self._now = now

    async def run(self) -> None:
        """Delete what is old, again and again, until this is cancelled."""
        while True:
            try:
                while await self.delete():
                    await asyncio.sleep(0.05)
            except StoreError as error:
                _log.debug("old events stay (%s)", error)
            except Exception:  # noqa: BLE001 - logged; it is tried again
                _log.exception("old events could not be deleted")
            await asyncio.sleep(_EVERY_S)

    async def delete(self) -> bool:
        """Delete some of the events that are due. Returns whether there may be more. Raises
        StoreError."""
        deleted, max_bytes = 0, self._max_bytes
        async with self._connections.get() as db:
            if self._keep_s is not None:
                sql = _DELETE.format(which=_BEFORE)
                before_s = self._now() - self._keep_s
                deleted = await db.fetchval(sql, before_s, timeout=_LONG_S)
            if max_bytes is not None and (through := await self._excess(db, max_bytes)):
                sql = _DELETE.format(which=_UP_TO)
                deleted = max(deleted, await db.fetchval(sql, through, timeout=_LONG_S))
            if not deleted:
                await db.execute(_FORGET_RUNS)
        return bool(deleted == _DELETED_AT_ONCE)

    async def _excess(self, db: Any, max_bytes: int) -> int:
        """Return the id up to which events are too many for `max_bytes`, about; 0 for none."""
        first, newest, row_bytes = await db.fetchrow(
            "SELECT (SELECT min(f.id) FROM event_runs AS r CROSS JOIN LATERAL (SELECT id"
            " FROM events AS e WHERE e.run = r.run ORDER BY id LIMIT 1) AS f),"
            f" {NEWEST}, (SELECT avg(pg_column_size(e))"
            " FROM (SELECT * FROM events LIMIT 500) AS e)"
        )
        if first is None:
            return 0
        through = newest - int(max_bytes / (float(row_bytes) * _WITH_INDEXES))
        return through if through >= first else 0
