"""Tables of accounts in PostgreSQL: the nodes that have them, their leases and alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from chargepoint_driver.backends.ocpp.postgres.connections import Connections
from chargepoint_driver.backends.ocpp.postgres.fenced import transaction
from chargepoint_driver.errors import StoreError
from chargepoint_driver.fleet.leased_records import LeasedRecords
from chargepoint_driver.fleet.placement import Candidate, Seen
from chargepoint_driver.text import get_logger

__all__ = ["AccountAlerts", "AccountTable"]

_log = get_logger(__name__)


class AccountTable:
    """See the module. On the loop. Each method raises StoreError."""

    def __init__(self, connections: Connections, own: Candidate) -> None:
        self._connections = connections
        self.own = own

    async def register(self, accounts: Mapping[str, str]) -> None:
        """Note which accounts this node has in its config: name to endpoint and user name, as a
        digest."""
        async with transaction(self._connections) as db:
            await db.execute("DELETE FROM account_nodes WHERE node = $1", self.own.node)
            await db.executemany(
                "INSERT INTO account_nodes VALUES ($1, $2, $3, $4)",
                [(name, self.own.node, self.own.run, key) for name, key in accounts.items()],
            )

    async def read(self) -> dict[str, Seen]:
        """Return the accounts that nodes have which run, by name."""
        async with transaction(self._connections) as db:
            rows = await db.fetch(
                "SELECT a.name, a.node, a.run, a.account, n.draining, l.holder, l.epoch,"
                " extract(epoch FROM l.until - now())::float8"
                " FROM account_nodes AS a"
                " JOIN nodes AS n ON n.id = a.node AND n.run = a.run AND n.lease_until > now()"
                " LEFT JOIN leases AS l ON l.name = 'account:' || a.name"
            )
        candidates: defaultdict[str, list[Candidate]] = defaultdict(list)
        leases: dict[str, tuple[str | None, int, float]] = {}
        for name, node, run, key, is_draining, holder, epoch, left_s in map(tuple, rows):
            candidates[name].append(Candidate(node, run, key, is_draining))
            leases[name] = holder, epoch or 0, left_s or 0.0
        return {name: Seen(tuple(each), *leases[name]) for name, each in candidates.items()}


class AccountAlerts:
    """Alerts about limits of an account that are not over, for `fleet status`. Any thread may raise
    one: it is stored soon, and nobody waits for it."""

    def __init__(self, records: LeasedRecords, key: str) -> None:
        """`key` is what the account is known by in the tables."""
        self._records = records
        self._key = key

    async def clear(self) -> None:
        """Forget those of the holder before: what goes on is raised again."""

        async def write(db: Any) -> None:
            await db.execute("DELETE FROM account_alerts WHERE account = $1", self._key)

        await self._records.run_on_loop(write)

    def raise_(self, about: str, what: str) -> None:
        """Raise an alert."""

        async def write(db: Any) -> None:
            await db.execute(
                "INSERT INTO account_alerts VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING",
                self._key, about, what,
            )  # fmt: skip

        self._soon(write)

    def resolve(self, about: str, what: str) -> None:
        """Note that an alert is over."""

        async def write(db: Any) -> None:
            await db.execute(
                "DELETE FROM account_alerts WHERE account = $1 AND about = $2 AND what = $3",
                self._key, about, what,
            )  # fmt: skip

        self._soon(write)

    def _soon(self, write: Any) -> None:
        async def store() -> None:
            try:
                await self._records.run_on_loop(write)
            except StoreError as error:
                _log.warning("an alert was not stored (%s)", error)

        self._records.soon(store)
