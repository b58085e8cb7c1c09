"""The tables of reservations and of our remote starts.

A reservation is `active`, `unconfirmed` (sent, no answer came), `refused`, `cancelled`, `expired`
or `used` by a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.storage.database import Database

__all__ = ["RESERVATION_COLUMNS", "Reservations", "reservation_of"]

RESERVATION_COLUMNS = "id, charge_point, connector, id_tag, made, expires, state, transaction_id"
"""The columns that `reservation_of` takes."""
_IDS_SINCE_S = 1_577_836_800
_OPEN = "state IN ('active', 'unconfirmed')"


class Reservations(Database):
    """See the module."""

    def keep_remote_start(
        self, station_id: str, start_id: int, id_tag: str, requested_s: float
    ) -> None:
        """Remember the idTag of a remote start (2.x): its Started may name the id only."""
        self._write_later(
            ("remote_starts", station_id, start_id),
            "INSERT OR REPLACE INTO remote_starts VALUES (?, ?, ?, ?)",
            (station_id, start_id, id_tag, requested_s),
        )

    def tag_of_remote_start(self, station_id: str, start_id: int) -> str | None:
        """Return the idTag of our remote start; None where it was not ours."""
        row = self._db.execute(
            "SELECT id_tag FROM remote_starts WHERE charge_point = ? AND start_id = ?",
            (station_id, start_id),
        ).fetchone()
        return None if row is None else str(row[0])

    def forget_remote_starts(self, before_s: float) -> None:
        """Remove the remote starts that no transaction answers any more."""
        where = "WHERE requested < ?"
        if self._db.execute(f"SELECT 1 FROM remote_starts {where} LIMIT 1", (before_s,)).fetchone():  # noqa: S608
            delete = f"DELETE FROM remote_starts {where}"  # noqa: S608
            self._write_later(("remote_starts", "old"), delete, (before_s,))

    def next_reservation_id(self, now_s: float) -> int:
        """Return an id that no reservation has had: those of a lost file are lower."""
        last = self._db.execute("SELECT coalesce(max(id), 0) FROM reservations").fetchone()[0]
        return max(int(last) + 1, int(now_s) - _IDS_SINCE_S, 1)

    def keep_reservation(
        self,
        station_id: str,
        reservation_id: int,
        connector: int,
        id_tag: str,
        made_s: float,
        expires_s: float,
        state: str,
    ) -> None:
        """Keep a reservation, in the place of one with the same id."""
        self._write_later(
            ("reservations", station_id, reservation_id),
            "INSERT OR REPLACE INTO reservations (id, charge_point, connector, id_tag, made,"
            " expires, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (reservation_id, station_id, connector, id_tag, made_s, expires_s, state),
        )

    def end_reservation(self, station_id: str, reservation_id: int, state: str) -> None:
        """Note that a reservation was cancelled or has expired."""
        self._write_later(
            ("reservations", station_id, reservation_id, state),
            f"UPDATE reservations SET state = ? WHERE charge_point = ? AND id = ? AND {_OPEN}",  # noqa: S608
            (state, station_id, reservation_id),
        )

    def use_reservation(
        self,
        station_id: str,
        reservation_id: int | None,
        connector: int,
        id_tag: str,
        transaction_id: int,
        start_s: float,
    ) -> None:
        """Note that a transaction uses a reservation: the one that it names, else the one of its
        idTag on its connector."""
        if isinstance(reservation_id, int):
            self._write(
                "UPDATE reservations SET state = 'used', transaction_id = ?"
                " WHERE charge_point = ? AND id = ? AND transaction_id IS NULL",
                (transaction_id, station_id, reservation_id),
            )
            return
        row = self._db.execute(
            f"SELECT id FROM reservations WHERE charge_point = ? AND {_OPEN}"  # noqa: S608
            " AND connector IN (0, ?) AND lower(id_tag) = lower(?) AND made <= ? AND expires > ?"
            " ORDER BY connector = 0, id LIMIT 1",
            (station_id, connector, id_tag, start_s, start_s),
        ).fetchone()
        if row is not None:
            self.use_reservation(station_id, row[0], connector, id_tag, transaction_id, start_s)

    def reservations(self, now_s: float, station_id: str | None = None) -> list[dict[str, Any]]:
        """Return all reservations, or those of a charge point, in the order of their ids."""
        self.expire_reservations(now_s)
        rows = self._db.execute(
            f"SELECT {RESERVATION_COLUMNS} FROM reservations"  # noqa: S608
            " WHERE charge_point = coalesce(?, charge_point) ORDER BY id, charge_point",
            (station_id,),
        )
        return [reservation_of(row) for row in rows]

    async def all_reservations(
        self, now_s: float, station_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the same, also of chargers of other processes. Raises StoreError."""
        return self.reservations(now_s, station_id)

    def expire_reservations(self, now_s: float) -> None:
        """Note which reservations have expired by now."""
        where = f"WHERE {_OPEN} AND expires <= ?"
        if self._db.execute(f"SELECT 1 FROM reservations {where} LIMIT 1", (now_s,)).fetchone():  # noqa: S608
            expire = f"UPDATE reservations SET state = 'expired' {where}"  # noqa: S608
            self._write_later(("reservations", "expired"), expire, (now_s,))


def reservation_of(row: Sequence[Any]) -> dict[str, Any]:
    """Return {id, charge_point, connector, id_tag, made, expires, state, transaction_id} of a
    row."""
    return {
        "id": row[0],
        "charge_point": row[1],
        "connector": row[2] or None,
        "id_tag": row[3],
        "made": iso(row[4]),
        "expires": iso(row[5]),
        "state": row[6],
        "transaction_id": row[7],
    }
