"""Retention: what is older than it should be is deleted, in steps of a few milliseconds.

Ids of events and transactions grow with the time of receipt. So the rows that are due are found by
bisection over the ids, and no step reads more than its few hundred rows. Where the clock was set
back, a row may go later than it should; none goes earlier.
"""

# ruff: noqa: S608 - names of tables and conditions are put in, all of them from here
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from chargepoint_driver.backends.ocpp.storage.database import Database

__all__ = ["KINDS", "Retention", "Sweep"]


class _Kind(NamedTuple):
    """`ours`: the rows of the table that the kind has. `ended`: of those, what may go."""

    table: str
    ours: str
    ended: str
    rows_a_step: int


KINDS = {
    "events": _Kind("events", "action <> 'MeterValues'", "1", 500),
    "meter_values": _Kind("events", "action = 'MeterValues'", "1", 500),
    # Each is in a dozen indexes.
    "transactions": _Kind("transactions", "1", "state <> 'active'", 50),
}
"""Kinds of records that have an age of their own."""


@dataclass(slots=True)
class Sweep:
    """One walk over the rows of a kind, from `next_id` to below `end_id`. `kept_id`: the first row
    that may be due another time."""

    kind: str
    before_s: float
    next_id: int
    end_id: int
    kept_id: int | None = None


class Retention(Database):
    """See the module."""

    def __init__(
        self,
        path: Path,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(path, wall, clock)
        # Kind to the first id that the next sweep looks at.
        self._kept_from: dict[str, int] = {}

    def sweep(self, kind: str, before_s: float) -> Sweep:
        """Begin to delete what was received before a time. `kind` is one of KINDS."""
        begin = self._kept_from.get(kind, 0)
        return Sweep(kind, before_s, begin, self._first_since(kind, begin, before_s))

    def sweep_step(self, sweep: Sweep) -> bool:
        """Delete what is due of the next rows. Returns whether there may be more.

        Commit after each step. Raises StoreError; then the sweep is over.
        """
        table, ours, ended, most = KINDS[sweep.kind]
        rows = self._db.execute(
            f"SELECT id, {ours} AND {ended} AND received < ?, {ours} FROM {table}"
            " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (sweep.before_s, sweep.next_id, sweep.end_id, most),
        ).fetchall()
        if not rows:
            return False
        last = rows[-1][0]
        if any(is_due for _, is_due, _ in rows):
            self._write("INSERT OR REPLACE INTO last_event VALUES (1, ?)", (self._last_event,))
            self._write(
                f"DELETE FROM {table} WHERE id >= ? AND id <= ? AND {ours} AND {ended}"
                " AND received < ?",
                (sweep.next_id, last, sweep.before_s),
            )
            if table == "transactions":
                self._write(
                    "DELETE FROM session_registers WHERE transaction_id >= ?"
                    " AND transaction_id <= ? AND NOT EXISTS"
                    " (SELECT 1 FROM transactions WHERE id = transaction_id)",
                    (sweep.next_id, last),
                )
        if sweep.kept_id is None:
            kept = (own_id for own_id, is_due, is_ours in rows if is_ours and not is_due)
            sweep.kept_id = next(kept, None)
        sweep.next_id = last + 1
        return True

    def end_sweep(self, sweep: Sweep) -> None:
        """Remember where the next sweep begins. Call it when the last step is stored."""
        kept = sweep.kept_id
        self._kept_from[sweep.kind] = sweep.next_id if kept is None else kept

    def _first_since(self, kind: str, begin: int, before_s: float) -> int:
        """Return the first id, of `begin` and later ones, that was received then or later."""
        table = KINDS[kind].table
        newest = self._db.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
        low, high = begin, (newest or 0) + 1
        following = f"SELECT id, received FROM {table} WHERE id >= ? ORDER BY id LIMIT 1"
        while low < high:
            middle = (low + high) // 2
            own_id, received_s = self._db.execute(following, (middle,)).fetchone() or (high, 0.0)
            if own_id >= high or received_s >= before_s:
                high = middle
            else:
                low = own_id + 1
        return low
