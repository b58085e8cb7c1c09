"""Pages of sessions, newest first, and meter values within sessions."""

# ruff: noqa: S608 - conditions are put in, all of them from here
from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chargepoint_driver.backends.ocpp.model.authorization import key_of
from chargepoint_driver.backends.ocpp.storage.migrations import version_of
from chargepoint_driver.backends.ocpp.storage.queries import reading, row_of, select
from chargepoint_driver.process import sqlite
from chargepoint_driver.records import EnergyReading, SessionQuery, SessionRecord

__all__ = ["energy_readings", "readings_of", "record_of", "session_page"]

_BEGIN = "coalesce(start_time, received)"
_TOUCHES = "(stop_time >= :since OR (stop_time IS NULL AND state = 'active'))"
_MAX_AT_ONCE = 500
_MAX_ID = 1 << 63


def session_page(path: Path, query: SessionQuery) -> list[SessionRecord]:
    """Return the first `limit` sessions that a query leaves, newest first. Raises NotFoundError,
    TransientError."""
    values: dict[str, Any] = {"since": query.since_s, "until": query.until_s}
    conditions = []
    for name, column, value in (
        ("station", "charge_point", query.station_id),
        ("connector", "connector", query.port),
    ):
        if value is not None:
            conditions.append(f"{column} = :{name}")
            values[name] = value
    if query.id_tag is not None:
        conditions.append("tag_key(id_tag) = :tag")
        values["tag"] = key_of(query.id_tag)
    place = "stop_time" if query.is_by_end else _BEGIN
    if query.before is not None:
        conditions.append(_behind(place, query.before, values))
    with reading(path) as db:
        db.create_function("tag_key", 1, lambda tag: key_of(tag or ""), deterministic=True)
        if query.is_by_end:
            conditions.append("stop_time >= :since")
            if query.until_s is not None:
                conditions.append("stop_time < :until")
            return _page(db, place, conditions, values, query.limit)
        conditions.append(_TOUCHES)
        if query.until_s is not None:
            conditions.append(f"{_BEGIN} <= :until")
        # Each part by an index of its own: begun since then, and begun before and still there.
        found = _page(db, place, [*conditions, f"{_BEGIN} >= :since"], values, query.limit)
        rest = query.limit - len(found)
        if rest:
            found += _page(db, place, [*conditions, f"{_BEGIN} < :since"], values, rest)
        return found


def energy_readings(path: Path, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
    """Return meter values of sessions by `sessionID`, oldest first: the first and the last of each
    quarter hour. A session without any, or whose register was reset, is missing."""
    wanted = [int(each) for each in session_ids if each.isdecimal() and int(each) < _MAX_ID]
    found: dict[str, list[EnergyReading]] = {}
    with reading(path) as db:
        if version_of(db) < 6:
            return {}
        for at in range(0, len(wanted), _MAX_AT_ONCE):
            ids = wanted[at : at + _MAX_AT_ONCE]
            rows = db.execute(
                "SELECT transaction_id, first_time, first_wh - meter_start, of.last_time,"
                " of.last_wh - meter_start FROM session_registers AS of"
                " JOIN transactions ON transactions.id = transaction_id"
                f" WHERE transaction_id IN ({', '.join('?' * len(ids))})"
                " AND meter_start IS NOT NULL AND register_resets = 0"
                " ORDER BY transaction_id, quarter",
                ids,
            )
            found.update(readings_of(rows))
    return found


def readings_of(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[EnergyReading]]:
    """Return meter values by `sessionID` of rows (transaction, time and Wh of the first, time and
    Wh of the last), those of a transaction one after another."""
    found: dict[str, list[EnergyReading]] = {}
    for own_id, first_s, first_wh, last_s, last_wh in rows:
        of_session = found.setdefault(str(own_id), [])
        of_session.append(EnergyReading(first_s, first_wh))
        if last_s > first_s:
            of_session.append(EnergyReading(last_s, last_wh))
    return found


def _behind(place: str, before: tuple[float, str | None], values: dict[str, Any]) -> str:
    """Return the condition of what stands behind a place of the order."""
    values["place"], last_id = before
    if last_id is None:
        return f"{place} <= :place"
    if not last_id.isdecimal() or int(last_id) >= _MAX_ID:
        return f"{place} < :place"
    values["last"] = int(last_id)
    return f"({place} < :place OR ({place} = :place AND id < :last))"


def _page(
    db: sqlite.Connection, place: str, conditions: list[str], values: dict[str, Any], limit: int
) -> list[SessionRecord]:
    rows = db.execute(
        f"{select(db, place)} WHERE {' AND '.join(conditions)}"
        f" ORDER BY {place} DESC, id DESC LIMIT :limit",
        {**values, "limit": limit},
    ).fetchall()
    return [record_of(row) for row in rows]


def record_of(row: tuple[Any, ...]) -> SessionRecord:
    """Return a session of the columns of `select`, with its place behind them."""
    known = row_of(row[:-1])
    start_s, end_s = row[5], row[6]
    return SessionRecord(
        session_id=str(known["id"]),
        station_id=known["charge_point"],
        port=known["connector"] or None,
        id_tag=(known["id_tag"] or "").strip() or None,
        start_s=start_s,
        end_s=end_s,
        has_ended=known["state"] != "active",
        energy_wh=known["energy_wh"],
        is_minimum=bool(known["energy_is_minimum"]),
        place_s=row[-1],
    )
