"""Leases: names that one holder in the fleet has at a time.

All times are those of PostgreSQL's clock. A holder counts with its monotonic clock from before it
asked: its own end of a lease is never later than that in the database. Each time a name is taken
its epoch rises. A write that names the epoch in its transaction (`FENCE`) fails for a holder
whose lease another one has taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chargepoint_driver.backends.ocpp.postgres.connections import Connections

__all__ = ["FENCE", "Leases"]

FENCE = "SELECT 1 FROM leases WHERE name = $1 AND holder = $2 AND epoch = $3 FOR SHARE"
"""Selects a row where a lease is held under an epoch. Nobody takes it before the transaction that
runs this has ended."""

_MARGIN_S = 0.5


class Leases:
    """See the module. On one loop. `hold` takes a name, and `renew` must run regularly then."""

    def __init__(
        self,
        connections: Connections,
        holder: str,
        lease_s: float,
        *,
        margin_s: float = _MARGIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`holder` is of no other process. A lease lasts `lease_s` from each renewal; here it
        ends `margin_s` earlier. `clock` gives monotonic seconds; it must go on while the process
        is stopped."""
        self._connections = connections
        self.holder = holder
        self._lease_s = lease_s
        self._margin_s = margin_s
        self._clock = clock
        # Name to its epoch, and to when it ends here.
        self._held: dict[str, tuple[int, float]] = {}
        self.on_lost: Callable[[str], None] = lambda _: None
        """Called with a name that was held and is not any more, but for `release`."""

    async def hold(self, name: str) -> int | None:
        """Hold a name that nobody holds. Returns its epoch; None while another holder has it.
        Raises StoreError."""
        if (epoch := self.epoch(name)) is not None:
            return epoch
        asked_s = self._clock()
        async with self._connections.get() as db:
            found = await db.fetchval(
                "INSERT INTO leases VALUES ($1, $2, 1, now() + $3 * interval '1 second')"
                " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
                " epoch = leases.epoch + 1, until = excluded.until"
                " WHERE leases.until < now() OR leases.holder = excluded.holder RETURNING epoch",
                name, self.holder, self._lease_s,
            )  # fmt: skip
        if found is None:
            return None
        self._held[name] = int(found), self._end_s(asked_s)
        return self.epoch(name)

    def epoch(self, name: str) -> int | None:
        """Return the epoch under which a name is held here now; None where it is not."""
        epoch, end_s = self._held.get(name, (0, float("-inf")))
        return epoch if self._clock() < end_s else None

    async def renew(self) -> None:
        """Renew every lease that is held. Raises StoreError; those that have ended are lost then
        too."""
        self._end_old()
        if not self._held:
            return
        asked_s = self._clock()
        mine = {name: epoch for name, (epoch, _) in self._held.items()}
        try:
            async with self._connections.get() as db:
                rows = await db.fetch(
                    "UPDATE leases AS l SET until = now() + $4 * interval '1 second'"
                    " FROM unnest($1::text[], $2::bigint[]) AS mine (name, epoch)"
                    " WHERE l.name = mine.name AND l.epoch = mine.epoch AND l.holder = $3"
                    " RETURNING l.name",
                    list(mine), list(mine.values()), self.holder, self._lease_s,
                )  # fmt: skip
        finally:
            self._end_old()
        renewed = {row[0] for row in rows}
        for name, epoch in mine.items():
            # It may have been released, lost or taken again meanwhile.
            if name in self._held and self._held[name][0] == epoch:
                if name in renewed:
                    self._held[name] = epoch, self._end_s(asked_s)
                else:
                    self._lose(name)

    async def release(self, *names: str) -> None:
        """Let others hold names at once; without names, all of them. Raises StoreError, and then
        they end in a few seconds."""
        mine = {
            name: self._held.pop(name)[0] for name in names or [*self._held] if name in self._held
        }
        if mine:
            async with self._connections.get() as db:
                await db.execute(
                    "UPDATE leases AS l SET until = now() - interval '1 microsecond'"
                    " FROM unnest($1::text[], $2::bigint[]) AS mine (name, epoch)"
                    " WHERE l.name = mine.name AND l.epoch = mine.epoch AND l.holder = $3",
                    list(mine), list(mine.values()), self.holder,
                )  # fmt: skip

    def _end_s(self, asked_s: float) -> float:
        return asked_s + self._lease_s - self._margin_s

    def _end_old(self) -> None:
        for name in [name for name in self._held if self.epoch(name) is None]:
            self._lose(name)

    def _lose(self, name: str) -> None:
        del self._held[name]
        self.on_lost(name)
