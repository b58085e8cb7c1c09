"""The table of transactions: which row a message means, and what may still change in it.

A row is `active`, then `completed` by its own end, or `lost` where its end was not seen. Of a lost
row its own end, and late registers, still count. A completed row and an `orphan` (an end whose
begin never came) are never changed. A charger's own id may name several rows.
"""

# ruff: noqa: S608 - names of columns are put in, all of them from here
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chargepoint_driver.backends.ocpp.model.charger import Transaction
from chargepoint_driver.backends.ocpp.model.energy import Registers
from chargepoint_driver.backends.ocpp.storage.database import Database

__all__ = [
    "QUARTER_S",
    "RETRY_WINDOW_S",
    "TRANSACTION_COLUMNS",
    "End",
    "Transactions",
    "transaction_of",
]

RETRY_WINDOW_S = 3_600.0
"""How long after a session was closed as lost a repeated begin still means that session."""

QUARTER_S = 900
"""Seconds of a step of `session_registers`."""

TRANSACTION_COLUMNS = (
    "id, wire_id, connector, id_tag, start_time, meter_start, last_wh, last_time, alias,"
    " register_resets, carried_wh, base_wh, in_question, state"
)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a transaction as a message has it. `key` makes a repeated message the same."""

    wire_id: str | None
    id_tag: str
    stop_s: float
    stop_wh: float | None
    reason: str | None
    key: str


class Transactions(Database):
    """See the module."""

    def start(
        self,
        station_id: str,
        connector: int,
        id_tag: str,
        start_s: float | None,
        start_wh: float | None,
        received_s: float,
        *,
        request: str | None,
        wire_id: str | None = None,
        origin: str = "start",
    ) -> tuple[Transaction, bool]:
        """Return (transaction, is new) for a begin.

        A begin with the same `request` is a repeat while its session has not ended: it runs, or
        it was closed as lost at most RETRY_WINDOW_S ago. After the end it is another session:
        a charger whose clock was never set may send the same begin again.
        """
        if request is not None:
            known = self._one(
                "charge_point = ? AND request = ? AND (state = 'active'"
                " OR (state = 'lost' AND closed >= ?))",
                (station_id, request, received_s - RETRY_WINDOW_S),
            )
            if known is not None:
                return known, False
        given = self.next_transaction_id()
        if wire_id is None and given is not None:
            wire_id = str(given)
        cursor = self._write(
            "INSERT INTO transactions (id, charge_point, connector, wire_id, id_tag, start_time,"
            " meter_start, state, origin, received, request)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'active', ?, ?, ?)",
            (
                given,
                station_id,
                connector,
                wire_id,
                id_tag,
                start_s,
                start_wh,
                origin,
                received_s,
                request,
            ),
        )
        own_id = int(cursor.lastrowid or 0)
        if wire_id is None:
            wire_id = str(own_id)
            self._write("UPDATE transactions SET wire_id = ? WHERE id = ?", (wire_id, own_id))
        started = Transaction(
            own_id, wire_id, connector, id_tag, start_s or received_s, start_wh, start_wh, start_s
        )
        return started, True

    def next_transaction_id(self) -> int | None:
        """Return the id of the next transaction; None has SQLite give it. Raises StoreError."""
        return None

    def mark_superseded(self, station_id: str, connector: int, but: int, received_s: float) -> None:
        """Another transaction began on the connector: those before it have ended unseen."""
        rows = self._db.execute(
            "SELECT id FROM transactions INDEXED BY transactions_running WHERE charge_point = ?"
            " AND connector = ? AND state = 'active' AND id < ?",
            (station_id, connector, but),
        ).fetchall()
        for (own_id,) in rows:
            self.lose(own_id, received_s)

    def lose(self, transaction_id: int, received_s: float) -> None:
        """Close a transaction whose end was not seen, at its last known register."""
        self._write_register(transaction_id)
        self._write(
            "UPDATE transactions SET state = 'lost', closed = ?,"
            " stop_time = coalesce(last_time, start_time, received)"
            " WHERE id = ? AND state = 'active'",
            (received_s, transaction_id),
        )

    # ---- which one is meant --------------------------------------------------------------

    def running(self, station_id: str, wire_id: str) -> list[Transaction]:
        """Return those that run under that name, newest first."""
        return self._all(
            "charge_point = ?1 AND state = 'active' AND (wire_id = ?2 OR alias = ?2)"
            " ORDER BY id DESC",
            (station_id, wire_id),
        )

    def newest(self, station_id: str, wire_id: str) -> Transaction | None:
        """Return the newest transaction of that name, orphans apart."""
        newest = (
            "SELECT id FROM (SELECT id FROM transactions WHERE charge_point = ?1 AND {} = ?2"
            " AND state <> 'orphan' ORDER BY id DESC LIMIT 1)"
        )
        # Each half by its own index: some chargers have thousands of sessions of one name.
        both = f"{newest.format('wire_id')} UNION ALL {newest.format('alias')}"
        return self._one(f"id = (SELECT max(id) FROM ({both}))", (station_id, wire_id))

    def ended_by(self, station_id: str, end: End) -> Transaction | None:
        """Return the transaction, or orphan, that this very message ended before."""
        found = self._one(
            "charge_point = ? AND stop_request = ? ORDER BY id DESC", (station_id, end.key)
        )
        if found is None and end.wire_id is not None:  # of a release that kept no key
            found = self._one(
                "charge_point = ? AND wire_id = ? AND stop_request IS NULL AND stop_time = ?"
                " AND meter_stop IS ? AND state IN ('completed', 'orphan')",
                (station_id, end.wire_id, end.stop_s, end.stop_wh),
            )
        return found

    def active(self, station_id: str | None = None) -> list[tuple[str, Transaction]]:
        """Return (charge point, transaction) of all that have not ended, or of those of one."""
        where = "" if station_id is None else " AND charge_point = ?"
        rows = self._db.execute(
            f"SELECT charge_point, {TRANSACTION_COLUMNS} FROM transactions"
            f" WHERE state = 'active'{where} ORDER BY id",
            () if station_id is None else (station_id,),
        )
        return [(row[0], transaction_of(row[1:])) for row in rows]

    def begin_of(self, transaction_id: int) -> tuple[float | None, str | None, int | None]:
        """Return (time of the begin, its `request`, number of the last event) of a transaction;
        each None where it is not known."""
        row = self._db.execute(
            "SELECT start_time, request, seq FROM transactions WHERE id = ?", (transaction_id,)
        ).fetchone()
        return (None, None, None) if row is None else (row[0], row[1], row[2])

    def has_end_like(self, transaction_id: int, end: End) -> bool:
        """Return whether a transaction ended at that time or with that register."""
        row = self._db.execute(
            "SELECT 1 FROM transactions WHERE id = ? AND (stop_time = ? OR meter_stop IS ?)",
            (transaction_id, end.stop_s, end.stop_wh),
        ).fetchone()
        return row is not None

    def stop_time(self, transaction_id: int) -> float | None:
        """Return when a transaction ended, s since 1970."""
        row = self._db.execute(
            "SELECT stop_time FROM transactions WHERE id = ?", (transaction_id,)
        ).fetchone()
        return None if row is None else row[0]

    # ---- changes -------------------------------------------------------------------------

    def set_alias(self, transaction_id: int, alias: str) -> None:
        """Store the charger's own id of a transaction that runs."""
        self._write("UPDATE transactions SET alias = ? WHERE id = ?", (alias, transaction_id))

    def question(self, transaction_id: int) -> None:
        """Note that an end without a usable id may have meant this transaction."""
        self._write(
            "UPDATE transactions SET in_question = 1 WHERE id = ? AND state = 'active'",
            (transaction_id,),
        )

    def register(self, transaction_id: int, energy_wh: float, time_s: float) -> None:
        """Remember the newest register of a transaction that is not completed, and the first and
        the last register of each quarter hour of any transaction."""
        known = self._registers.get(transaction_id)
        if known is None or known[1] <= time_s:
            self._registers[transaction_id] = energy_wh, time_s
        key = transaction_id, int(time_s // QUARTER_S)
        of_quarter = self._quarters.get(key)
        if of_quarter is None:
            self._quarters[key] = time_s, energy_wh, time_s, energy_wh
            return
        first_s, first_wh, last_s, last_wh = of_quarter
        if time_s < first_s:
            first_s, first_wh = time_s, energy_wh
        if time_s >= last_s:
            last_s, last_wh = time_s, energy_wh
        self._quarters[key] = first_s, first_wh, last_s, last_wh

    def reset(self, transaction_id: int, found: Registers) -> None:
        """Note that the register of a transaction was reset."""
        self._write(
            "UPDATE transactions SET register_resets = ?, carried_wh = ?, base_wh = ?"
            " WHERE id = ? AND state IN ('active', 'lost')",
            (found.resets, found.carried_wh, found.base_wh, transaction_id),
        )

    def sequence(self, transaction_id: int, seq: int, offline: bool) -> bool:
        """Note the number of an event (2.x). False when one so numbered, or later, was there."""
        row = self._db.execute(
            "SELECT seq, state FROM transactions WHERE id = ?", (transaction_id,)
        ).fetchone()
        last, state = row or (None, "")
        newer = last is None or seq > last
        missing = max(0, seq - last - 1) if last is not None and newer else 0
        if state in {"active", "lost"}:
            self._write(
                "UPDATE transactions SET seq = ?, gaps = gaps + ?, offline = max(offline, ?)"
                " WHERE id = ?",
                (seq if newer else last, missing, int(offline), transaction_id),
            )
        return newer

    def fill_missing(
        self,
        transaction_id: int,
        *,
        id_tag: str | None = None,
        start_s: float | None = None,
        start_wh: float | None = None,
        connector: int | None = None,
        request: str | None = None,
    ) -> None:
        """Fill in what was not known of the begin of a transaction that has not ended."""
        self._write(
            "UPDATE transactions SET id_tag = coalesce(nullif(id_tag, ''), ?, ''),"
            " start_time = coalesce(start_time, ?), meter_start = coalesce(meter_start, ?),"
            " connector = CASE WHEN connector = 0 THEN coalesce(?, 0) ELSE connector END,"
            " request = coalesce(request, ?) WHERE id = ? AND state IN ('active', 'lost')",
            (id_tag, start_s, start_wh, connector, request, transaction_id),
        )

    def stop(
        self, transaction_id: int, end: End, received_s: float, matched_by: str | None = None
    ) -> None:
        """End a transaction. A completed one is not changed."""
        self._write_register(transaction_id)
        self._write(
            "UPDATE transactions SET stop_time = ?, meter_stop = ?, reason = ?, closed = ?,"
            " matched_by = ?, stop_request = ?, state = 'completed'"
            " WHERE id = ? AND state IN ('active', 'lost')",
            (
                end.stop_s,
                end.stop_wh,
                end.reason,
                received_s,
                matched_by,
                end.key,
                transaction_id,
            ),
        )

    def record_orphan_stop(
        self, station_id: str, connector: int, end: End, received_s: float
    ) -> None:
        """Keep the end of a transaction whose begin never came. Nothing is guessed."""
        self._write(
            "INSERT INTO transactions (id, charge_point, connector, wire_id, id_tag, stop_time,"
            " meter_stop, reason, state, origin, received, closed, stop_request)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'orphan', 'stop', ?, ?, ?)",
            (
                self.next_transaction_id(),
                station_id,
                connector,
                end.wire_id,
                end.id_tag,
                end.stop_s,
                end.stop_wh,
                end.reason,
                received_s,
                received_s,
                end.key,
            ),
        )

    def _write_register(self, transaction_id: int) -> None:
        """Write the register that waits for the commit: the row is about to be closed."""
        known = self._registers.pop(transaction_id, None)
        if known is not None:
            wh, at = known
            self._write(self.REGISTER, (wh, at, transaction_id, at))

    def _one(self, where: str, values: tuple[Any, ...]) -> Transaction | None:
        row = self._db.execute(
            f"SELECT {TRANSACTION_COLUMNS} FROM transactions WHERE {where} LIMIT 1", values
        ).fetchone()
        return None if row is None else transaction_of(row)

    def _all(self, where: str, values: tuple[Any, ...]) -> list[Transaction]:
        rows = self._db.execute(
            f"SELECT {TRANSACTION_COLUMNS} FROM transactions WHERE {where}", values
        )
        return [transaction_of(row) for row in rows]


def transaction_of(row: tuple[Any, ...]) -> Transaction:
    """Return the transaction in a row of `TRANSACTION_COLUMNS`."""
    (own_id, wire_id, connector, id_tag, start_s, start_wh, last_wh, last_s, alias,
     resets, carried_wh, base_wh, in_question, state) = row  # fmt: skip
    return Transaction(
        own_id,
        wire_id or str(own_id),
        connector,
        id_tag,
        start_s or 0.0,
        start_wh,
        start_wh if last_wh is None else last_wh,
        start_s if last_s is None else last_s,
        alias,
        resets,
        carried_wh,
        base_wh,
        bool(in_question),
        state,
    )
