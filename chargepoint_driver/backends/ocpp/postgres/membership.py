"""Membership of a node in the fleet: its row, its lease and the chargers that it owns.

All times are those of PostgreSQL's clock. The node itself counts with its monotonic clock from
before it asked: its own end of the lease is never later than that in the database. Renewals are
counted: a database that does not have the last one is older than what this node wrote.
"""

# ruff: noqa: S608 - a constant of `schema` is put in
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from chargepoint_driver import __version__
from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.restores import skip_given_ids
from chargepoint_driver.backends.ocpp.postgres.schema import (
    OLDEST_SQL,
    VERSION,
    check_version,
    refusal_of,
)
from chargepoint_driver.errors import ConfigurationError, StoreError

__all__ = ["Claim", "Membership"]

# A node stops sending so long before its lease ends.
_MARGIN_S = 0.5
# Claims are read again over this time: one may become visible after a later one.
_OVERLAP_S = 10.0


class Claim(NamedTuple):
    """The claim of a charger. `is_news`: another run had it since this one last did."""

    epoch: int
    is_news: bool


class Membership:
    """See the module. On the loop's thread only."""

    def __init__(
        self,
        connections: Connections,
        node: str,
        lease_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives monotonic seconds; it must go on while the process is stopped."""
        self._connections = connections
        self._node = node
        self._lease_s = lease_s
        self._clock = clock
        self._end_s = clock()
        self.run = 0
        # Charger to the epoch under which this run owns it.
        self.epochs: dict[str, int] = {}
        # How often the lease was renewed, as far as this process knows.
        self._renewals = 0
        # Why this node can never write or send again; None while it can.
        self.end_reason: str | None = None
        # Charger to the epoch of another run that claimed it of late.
        self._elsewhere: dict[str, int] = {}
        # True when somebody has asked that the node gives up its chargers.
        self.is_draining = False

    async def register(self, address: str) -> None:
        """Become the node. Waits for the lease of an earlier run of it. Raises StoreError;
        ConfigurationError where another process uses the same name, or the tables are newer."""
        patience = self._clock() + self._lease_s + 2
        while True:
            asked_s = self._clock()
            async with self._connections.get() as db:
                await skip_given_ids(db)
                run = await db.fetchval(
                    "INSERT INTO nodes (id, run, address, version, started, seen, lease_until,"
                    " schema_version) SELECT $1, nextval('node_runs'), $2, $3, now(), now(),"
                    " now() + $4 * interval '1 second', $5 ON CONFLICT (id) DO UPDATE SET"
                    " run = excluded.run, address = excluded.address, version = excluded.version,"
                    " started = now(), seen = now(), lease_until = excluded.lease_until,"
                    " draining = false, schema_version = excluded.schema_version,"
                    " renewals = 0"
                    " WHERE nodes.lease_until < now() RETURNING run",
                    self._node, address, __version__, self._lease_s, VERSION,
                )  # fmt: skip
                # A migration may have ended since the first check.
                await check_version(db)
            if run is not None:
                self.run, self._end_s = int(run), asked_s + self._lease_s
                return
            if self._clock() > patience:
                raise ConfigurationError(
                    f"node: {self._node!r} runs already; give this one another name, or stop that "
                    "one"
                )
            await asyncio.sleep(0.2)

    async def renew(self) -> dict[str, int]:
        """Renew the lease. Returns the chargers that other runs claimed of late, with their epochs
        there. Raises StoreError."""
        asked_s = self._clock()
        async with self._connections.get() as db:
            row = await db.fetchrow(
                "UPDATE nodes SET seen = now(), lease_until = now() + $3 * interval '1 second',"
                " renewals = renewals + 1 WHERE id = $1 AND run = $2 AND renewals >= $4"
                f" RETURNING draining, renewals, {OLDEST_SQL}",
                self._node, self.run, self._lease_s, self._renewals,
            )  # fmt: skip
            if row is None:
                run = await db.fetchval("SELECT run FROM nodes WHERE id = $1", self._node)
                self.end_reason = (
                    f"another process runs under the name {self._node!r}"
                    if run is not None and run > self.run
                    else "postgres does not have any more what this node wrote: it was restored, "
                    "or a standby without the last changes has taken over; start the node again"
                )
                return {}
            self.is_draining, self._renewals, oldest = row
            refusal = refusal_of(oldest)
            if refusal is not None:
                self.end_reason = f"the tables of postgres are newer: {refusal}"
                return {}
            since_s = max(0.0, asked_s - self._end_s) + self._lease_s + _OVERLAP_S
            rows = await db.fetch(
                "SELECT charge_point, epoch FROM owners WHERE run <> $1"
                " AND claimed > now() - $2 * interval '1 second'",
                self.run, since_s,
            )  # fmt: skip
        # Known before anything may be sent again: to give them up takes longer.
        self._elsewhere = dict(map(tuple, rows))
        self._end_s = asked_s + self._lease_s
        return self._elsewhere

    def lost(self, elsewhere: Mapping[str, int]) -> list[str]:
        """Return the chargers that this run no longer owns, by what `renew` returned."""
        if self.end_reason is not None:
            return list(self.epochs)
        return [name for name, epoch in elsewhere.items() if epoch > self.epochs.get(name, epoch)]

    async def claim(self, station_ids: Iterable[str]) -> dict[str, Claim]:
        """Own these chargers from now on, also those of other nodes. Raises StoreError."""
        async with self._connections.get() as db:
            rows = await db.fetch(
                "INSERT INTO owners SELECT id, $2, $3, 1, clock_timestamp()"
                " FROM unnest($1::text[]) AS id ORDER BY id ON CONFLICT (charge_point) DO UPDATE"
                " SET node = excluded.node, run = excluded.run, epoch = owners.epoch + 1,"
                " claimed = clock_timestamp() RETURNING charge_point, epoch",
                sorted(set(station_ids)), self._node, self.run,
            )  # fmt: skip
        return {name: Claim(epoch, epoch != self.epochs.get(name, -1) + 1) for name, epoch in rows}

    def refusal(self) -> str | None:
        """Return why this node may send nothing now; None where it may."""
        if self.end_reason is not None:
            return self.end_reason
        if self._clock() > self._end_s - _MARGIN_S:
            return "the lease of this node has ended, since PostgreSQL does not answer"
        return None

    def refusal_to_send(self, station_id: str) -> str | None:
        """Return why nothing may be sent to a charger now; None where it may."""
        refusal = self.refusal()
        if refusal is None:
            epoch = self.epochs.get(station_id)
            if epoch is None or self._elsewhere.get(station_id, epoch) > epoch:
                return "another node has this charger"
        return refusal

    async def release(self) -> None:
        """End the lease at once: the name is free. Does nothing where PostgreSQL is away."""
        try:
            async with self._connections.get() as db:
                await db.execute(
                    "UPDATE nodes SET lease_until = now() WHERE id = $1 AND run = $2",
                    self._node, self.run,
                )  # fmt: skip
        except StoreError:
            pass  # it ends in a few seconds anyway
