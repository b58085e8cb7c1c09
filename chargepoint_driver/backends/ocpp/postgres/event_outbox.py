"""Events of all nodes in PostgreSQL, and how far each sink has got.

Ids come from one sequence. Those of one run rise in the order of its commits, since a node writes
one transaction after the other. Those of one charger do too, on whichever nodes they arise: a node
claims a charger only after the transactions of the node before it. Between runs an id may become
visible after a higher one. So a sink has a cursor for each run, and what is read at one moment, in
the order of ids, has the events of each charger in their order without a gap.
"""

# ruff: noqa: S608 - parts of statements are put in, all of them from here
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.leases import FENCE
from chargepoint_driver.events.envelope import Event

__all__ = ["NEWEST", "EventOutbox", "Lease", "Skipped", "Waiting"]

_MAX_TIME_S = 253_402_300_799.0
"""The year 9999: an envelope has no later one."""
_LOOK_AHEAD = 10_000
_LONG_S = 30.0

# Of each run: what a sink (its row is `s`) has got.
_AT = (
    "event_runs AS r LEFT JOIN cursors AS c ON c.sink = s.name AND c.run = r.run"
    " CROSS JOIN LATERAL (SELECT {what} FROM events AS e WHERE e.run = r.run"
    " AND e.id > greatest(s.floor, coalesce(c.at, 0)){more}) AS w"
)
_COLUMNS = "id, seq, received, time, charge_point, connector, action, data"
_READ = (
    f"SELECT r.run, r.account, w.* FROM sinks AS s CROSS JOIN"
    f" {_AT.format(what=_COLUMNS, more=' ORDER BY id LIMIT $2')}"
    " WHERE s.name = $1 ORDER BY w.id LIMIT $2"
)
_FIRST = _AT.format(what="id, received", more=" ORDER BY id LIMIT 1")
NEWEST = (
    "(SELECT max(l.id) FROM event_runs AS r CROSS JOIN LATERAL (SELECT id FROM events AS e"
    " WHERE e.run = r.run ORDER BY id DESC LIMIT 1) AS l)"
)
"""The id of the newest event, in SQL; NULL for none."""
_MEASURE = (
    "SELECT s.name, s.lost, s.skipped, s.skipped_after, s.skipped_through, s.skipped_run,"
    f" f.first, f.received, {NEWEST} AS newest FROM sinks AS s CROSS JOIN LATERAL"
    f" (SELECT min(w.id) AS first, min(w.received) AS received FROM {_FIRST}) AS f"
    " WHERE s.name = ANY($1::text[])"
)
# Nothing goes that is younger than it may be, whatever the order of ids.
_OLD = (
    "SELECT coalesce(min(w.id) FILTER (WHERE w.received >= $2) - 1, max(w.id)) FROM"
    f" (SELECT w.* FROM sinks AS s CROSS JOIN"
    f" {_AT.format(what='id, received', more=f' ORDER BY id LIMIT {_LOOK_AHEAD}')}"
    f" WHERE s.name = $1 ORDER BY w.id LIMIT {_LOOK_AHEAD}) AS w"
)
_SKIP = (
    "UPDATE sinks AS s SET floor = $2, skipped = s.skipped + n.count,"
    " skipped_after = coalesce(s.skipped_after, n.first - 1), skipped_through = $2,"
    " skipped_run = (SELECT max(run) FROM event_runs) FROM (SELECT count(*) AS count,"
    " min(w.id) AS first FROM sinks AS s CROSS JOIN"
    f" {_AT.format(what='id', more=' AND e.id <= $2')} WHERE s.name = $1) AS n"
    " WHERE s.name = $1 AND n.count > 0"
)
_REPORTED = (
    "UPDATE sinks SET lost = lost + $2, skipped = skipped - $2,"
    " skipped_after = CASE WHEN skipped = $2 THEN NULL ELSE $3::bigint END WHERE name = $1"
)
_MOVE = (
    "INSERT INTO cursors SELECT $1, * FROM unnest($2::bigint[], $3::bigint[])"
    " ON CONFLICT (sink, run) DO UPDATE SET at = greatest(cursors.at, excluded.at)"
)


class Lease(NamedTuple):
    """The lease under which a sink's cursors are moved."""

    name: str
    holder: str
    epoch: int


class Skipped(NamedTuple):
    """Events that a sink is not given, and that were not reported to it yet: their number, and the
    ids between which they were. `run` is for the identity of the event about it."""

    events: int
    after: int
    through: int
    run: int


class Waiting(NamedTuple):
    """Events that wait for a sink. `events`: ids from the first one to the newest (an upper bound).
    `oldest_s`: when the oldest was received, seconds since 1970; None where nothing waits. `lost`:
    events that were reported to it as lost."""

    events: int
    oldest_s: float | None
    newest: int
    lost: int
    skipped: Skipped | None


class EventOutbox:
    """See the module. Each method raises StoreError."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def begin_run(self, run: int, node: str, node_run: int, account: str) -> int:
        """Return a run for the events of a process: `run`, or a later one that nobody has."""
        while True:
            async with self._connections.get() as db:
                found = await db.fetchval(
                    "INSERT INTO event_runs (run, node, node_run, account)"
                    " SELECT greatest($1, coalesce(max(run), 0) + 1), $2, $3, $4 FROM event_runs"
                    " ON CONFLICT DO NOTHING RETURNING run",
                    run, node, node_run, account,
                )  # fmt: skip
            if found is not None:
                return int(found)

    async def add_sinks(self, names: Iterable[str]) -> None:
        """Make sinks known. New ones begin with the next event."""
        async with self._connections.get() as db:
            await db.execute(
                f"INSERT INTO sinks (name, floor) SELECT name, coalesce({NEWEST}, 0)"
                " FROM unnest($1::text[]) AS name ON CONFLICT DO NOTHING",
                list(names),
            )

    async def read(self, sink: str, limit: int) -> list[tuple[int, Event]]:
        """Return events that a sink has not got, each with its id, at most `limit`."""
        async with self._connections.get() as db:
            rows = await db.fetch(_READ, sink, limit)
        return [_event(row) for row in rows]

    async def moved(
        self, sink: str, lease: Lease, ids: Mapping[int, int], reported: Skipped | None
    ) -> bool:
        """Note that a sink has got the events of runs up to an id (`ids`: run to id), and that
        skipped ones were reported to it. False where the lease is another holder's."""
        async with self._connections.get() as db, db.transaction():
            if await db.fetchval(FENCE, *lease) is None:
                return False
            if reported is not None:
                await db.execute(_REPORTED, sink, reported.events, reported.through)
            if ids:
                await db.execute(_MOVE, sink, list(ids), list(ids.values()))
        return True

    async def measure(self, sinks: Sequence[str]) -> dict[str, Waiting]:
        """Return what waits for each sink."""
        async with self._connections.get() as db:
            rows = await db.fetch(_MEASURE, list(sinks))
        return {row["name"]: _waiting(row) for row in rows}

    async def skip(self, sink: str, lease: Lease, before_s: float, newest_skipped: int) -> bool:
        """Let a sink skip the oldest events that were received before a time, and all up to an id.
        Returns whether any were skipped."""
        async with self._connections.get() as db, db.transaction():
            if await db.fetchval(FENCE, *lease) is None:
                return False
            old = await db.fetchval(_OLD, sink, before_s, timeout=_LONG_S) or 0
            through = max(old, newest_skipped)
            done = await db.execute(_SKIP, sink, through, timeout=_LONG_S)
        return bool(done == "UPDATE 1")

    async def newest(self) -> int:
        """Return the id of the newest event; 0 for none."""
        async with self._connections.get() as db:
            return int(await db.fetchval(f"SELECT coalesce({NEWEST}, 0)"))

    async def stored(
        self, after: int, limit: int, since_s: float | None = None
    ) -> list[tuple[int, Event]]:
        """Return events with ids above `after`, each with its id, at most `limit`; those that were
        received at a time or later."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                f"SELECT r.run, r.account, w.* FROM event_runs AS r CROSS JOIN LATERAL"
                f" (SELECT {_COLUMNS} FROM events AS e WHERE e.run = r.run AND e.id > $1"
                " AND e.received >= $3 ORDER BY id LIMIT $2) AS w ORDER BY w.id LIMIT $2",
                after, limit, 0.0 if since_s is None else since_s, timeout=_LONG_S,
            )  # fmt: skip
        return [_event(row) for row in rows]


def _event(row: Any) -> tuple[int, Event]:
    run, account, own_id, seq, received_s, time_s, station, connector, action, data = row
    received_s = _in_range(received_s, 0.0)
    event = Event(
        run,
        seq,
        received_s,
        _in_range(time_s, received_s),
        account,
        station,
        connector,
        action,
        data,
    )
    return own_id, event


def _in_range(time_s: float, otherwise_s: float) -> float:
    return time_s if 0 <= time_s <= _MAX_TIME_S else otherwise_s


def _waiting(row: Any) -> Waiting:
    first, newest = row["first"], row["newest"] or 0
    skipped = None
    if row["skipped"]:
        after, through = row["skipped_after"] or 0, row["skipped_through"] or 0
        skipped = Skipped(row["skipped"], after, through, row["skipped_run"] or 0)
    count = 0 if first is None else newest - first + 1
    return Waiting(count, row["received"], newest, row["lost"], skipped)
