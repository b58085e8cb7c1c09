"""Calls of an account in PostgreSQL, so that its limit of calls in a minute holds over nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chargepoint_driver.backends.soap.rate_limit import WINDOW_S
from chargepoint_driver.errors import StoreError, TransientError
from chargepoint_driver.fleet.leased_records import LeasedRecords

__all__ = ["PostgresCallJournal"]

# A call leaves some time after it was noted: those of other nodes count for longer.
_LATE_S = 2.0


class PostgresCallJournal:
    """See `rate_limit.CallJournal`."""

    def __init__(self, records: LeasedRecords, account: str) -> None:
        """`account` is what the account is known by in the tables."""
        self._records = records
        self._account = account

    def recent(self) -> Iterable[float]:
        """See `CallJournal.recent`."""

        async def read(db: Any) -> list[Any]:
            sql = (
                "SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM calls"
                " WHERE account = $1 AND at > clock_timestamp() - $2 * interval '1 second'"
                " ORDER BY at"
            )
            return list(await db.fetch(sql, self._account, WINDOW_S + _LATE_S))

        try:
            rows = self._records.run(read)
        except StoreError as error:
            raise TransientError(f"the calls of other nodes cannot be counted ({error})") from None
        return [max(0.0, row[0] - _LATE_S) for row in rows]

    def note(self, is_write: bool) -> None:
        """See `CallJournal.note`."""

        async def write(db: Any) -> None:
            await db.execute(
                "INSERT INTO calls VALUES ($1, clock_timestamp(), $2)", self._account, is_write
            )
            await db.execute(
                "DELETE FROM calls"
                " WHERE account = $1 AND at < clock_timestamp() - $2 * interval '2 second'",
                self._account, WINDOW_S,
            )  # fmt: skip

        try:
            self._records.run(write)
        except StoreError as error:
            raise TransientError(
                f"the call cannot be noted ({error}); nothing was sent; ask again"
            ) from None
