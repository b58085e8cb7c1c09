"""Questions to the database, on a connection of their own: any thread, any process may ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from chargepoint_driver.backends.ocpp.model.energy import Registers
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.storage.json_rows import (
    damaged_row,
    lenient,
    object_in,
)
from chargepoint_driver.backends.ocpp.storage.migrations import version_of
from chargepoint_driver.errors import NotFoundError, StoreError, TransientError
from chargepoint_driver.process import sqlite
from chargepoint_driver.reports import as_csv, month_bounds
from chargepoint_driver.text import get_logger

__all__ = [
    "COLUMNS",
    "active_points",
    "charge_points",
    "energy_of",
    "events",
    "last_contact",
    "last_energy",
    "limit_of",
    "limits",
    "newest_sessions",
    "reading",
    "row_of",
    "running",
    "select",
    "sessions",
    "transaction",
    "transactions",
    "transactions_csv",
    "usage",
    "usage_csv",
    "usage_of",
]

_log = get_logger(__name__)
_MAX_EVENTS = 1_000
_MAX_LOOKED = 200_000
# Two processes read the same clock at different moments.
_MAX_AHEAD_S = 60.0
_FIELDS = (
    "id", "charge_point", "connector", "wire_id", "id_tag", "start", "stop", "duration_s",
    "energy_wh", "meter_start_wh", "meter_stop_wh", "reason", "state", "matched_by",
    "register_resets", "energy_is_minimum",
)  # fmt: skip
_USAGE = (
    "id_tag", "month", "sessions", "energy_wh", "energy_is_minimum", "without_energy", "duration_s",
)  # fmt: skip
_COLUMNS = (
    "id", "charge_point", "connector", "wire_id", "id_tag", "start_time", "stop_time",
    "meter_start", "meter_stop", "last_wh", "last_time", "reason", "state",
)  # fmt: skip
# What version 1 of the schema lacks, and what stands for it.
_SINCE_2 = {
    "matched_by": "NULL", "register_resets": "0", "carried_wh": "0", "base_wh": "NULL"
}  # fmt: skip

COLUMNS = (*_COLUMNS, *_SINCE_2)
"""The columns that `row_of` takes."""


def transactions(path: Path, month: str) -> list[dict[str, Any]]:
    """Every transaction that was completed in the month (UTC), oldest first: its final duration
    and energy. None where a begin or a register is missing. Raises InvalidValueError."""
    begin, end = month_bounds(month)
    with reading(path) as db:
        rows = db.execute(
            select(db) + " WHERE stop_time >= ? AND stop_time < ? ORDER BY stop_time, id",
            (begin.timestamp(), end.timestamp()),
        ).fetchall()
    return [row_of(row) for row in rows]


def sessions(
    path: Path, station_id: str | None, since_s: float, until_s: float | None
) -> list[dict[str, Any]]:
    """The transactions of a charge point (None: of all) that touch a time, oldest first; the
    fields are those of `transactions`."""
    where = "(stop_time >= ? OR (stop_time IS NULL AND state = 'active'))"
    values: list[Any] = [since_s]
    if until_s is not None:
        where += " AND coalesce(start_time, received) <= ?"
        values.append(until_s)
    if station_id is not None:
        where += " AND charge_point = ?"
        values.append(station_id)
    with reading(path) as db:
        rows = db.execute(
            f"{select(db)} WHERE {where} ORDER BY coalesce(start_time, received), id",
            values,
        ).fetchall()
    return [row_of(row) for row in rows]


def running(path: Path, station_id: str | None = None) -> list[dict[str, Any]]:
    """The transactions that run, of a charge point (None: of all), oldest first; the fields are
    those of `transactions`."""
    where, values = "state = 'active'", []
    if station_id is not None:
        where += " AND charge_point = ?"
        values.append(station_id)
    with reading(path) as db:
        rows = db.execute(
            f"{select(db)} WHERE {where} ORDER BY coalesce(start_time, received), id", values
        ).fetchall()
    return [row_of(row) for row in rows]


def usage(path: Path, month: str) -> list[dict[str, Any]]:
    """Sessions, energy (Wh) and time (s) of each idTag in YYYY-MM (UTC), by the transactions that
    ended in it; case of the idTag does not count.

    `energy_wh` and `duration_s` are sums of what is known, None where nothing is.
    `without_energy` counts the sessions whose energy is not known; `energy_is_minimum`: the sum
    is a minimum, by those or by a register that was reset. idTag None: sessions without one."""
    return usage_of(month, transactions(path, month))


def usage_of(month: str, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the same of the transactions that ended in the month."""
    found: dict[str | None, dict[str, Any]] = {}
    for row in rows:
        id_tag = row["id_tag"]
        one = found.setdefault(
            None if id_tag is None else id_tag.casefold(),
            {
                "id_tag": id_tag,
                "month": month,
                "sessions": 0,
                "energy_wh": None,
                "energy_is_minimum": False,
                "without_energy": 0,
                "duration_s": None,
            },
        )
        one["sessions"] += 1
        one["without_energy"] += row["energy_wh"] is None
        one["energy_is_minimum"] |= bool(row["energy_is_minimum"]) or row["energy_wh"] is None
        for name in ("energy_wh", "duration_s"):
            if row[name] is not None:
                one[name] = (one[name] or 0.0) + row[name]
    return [found[key] for key in sorted(found, key=lambda key: (key is None, key or ""))]


def usage_csv(rows: list[dict[str, Any]]) -> str:
    """The same as CSV with a header; what is None is empty."""
    return as_csv(_USAGE, rows)


def newest_sessions(path: Path, station_ids: Iterable[str]) -> dict[str, dict[int, dict[str, Any]]]:
    """Charge point to the newest transaction of each of its connectors."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    with reading(path) as db:
        # Connector by connector: one step through an index each, however long the history.
        following = (
            "SELECT min(connector) FROM transactions"
            " WHERE charge_point = ? AND connector > ? AND state <> 'orphan'"
        )
        newest = (
            f"{select(db)} WHERE charge_point = ? AND connector = ? AND state <> 'orphan'"
            " ORDER BY coalesce(start_time, received) DESC LIMIT 1"
        )
        for station_id in station_ids:
            of_station = found[station_id] = {}
            connector = -1
            while (
                connector := db.execute(following, (station_id, connector)).fetchone()[0]
            ) is not None:
                row = db.execute(newest, (station_id, connector)).fetchone()
                if row is not None:
                    of_station[connector] = row_of(row)
    return found


def transactions_csv(rows: list[dict[str, Any]]) -> str:
    """The same as CSV with a header; what is None is empty."""
    return as_csv(_FIELDS, rows)


def transaction(path: Path, transaction_id: int) -> dict[str, Any]:
    """One transaction, running or not, however old; the fields are those of `transactions`, and
    `time` of its last register. Raises NotFoundError."""
    row = None
    if abs(transaction_id) < 1 << 63:
        with reading(path) as db:
            row = db.execute(select(db) + " WHERE id = ?", (transaction_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no transaction {transaction_id}")
    return {**row_of(row), "time": iso(row[10] or row[6])}


def last_energy(path: Path, transaction_id: int) -> dict[str, Any]:
    """The last known energy of a transaction, running or not. Raises NotFoundError."""
    return energy_of(transaction(path, transaction_id))


def energy_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return the energy of a row of `transaction`."""
    names = ("id", "charge_point", "connector", "state", "energy_wh", "time")
    return {name: found[name] for name in names}


def last_contact(path: Path) -> dict[str, str | None]:
    """Charge point to the time of its last message."""
    with reading(path) as db:
        rows = db.execute("SELECT id, last_seen FROM charge_points ORDER BY id").fetchall()
    return {row[0]: iso(row[1]) for row in rows}


def active_points(path: Path, now_s: float, within_s: float) -> list[str]:
    """The charge points that sent something within that time."""
    with reading(path) as db:
        rows = db.execute(
            "SELECT id FROM charge_points WHERE last_seen BETWEEN ? AND ? ORDER BY id",
            # One from the future is from before a clock was put back.
            (now_s - within_s, now_s + _MAX_AHEAD_S),
        ).fetchall()
    return [row[0] for row in rows]


def events(path: Path, after: int = 0, most: int = _MAX_EVENTS) -> list[dict[str, Any]]:
    """Return events with ids above `after`, oldest first, `most` of them or fewer."""
    after = max(0, min(after, (1 << 63) - 1))
    with reading(path) as db:
        rows = db.execute(
            "SELECT id, received, time, charge_point, connector, action, data FROM events"
            " WHERE id > ? ORDER BY id LIMIT ?",
            (after, max(1, min(most, _MAX_EVENTS))),
        ).fetchall()
    return _events_of(path, rows)


def messages(
    path: Path, station_id: str, before: int | None, limit: int, action: str | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Return events of a charge point, newest first, and the id to ask for older ones with.

    The events of all charge points stand in one order. So that a quiet one among thousands costs
    no long look, one call goes through a part of them only: it may find fewer, and go on."""
    top = (1 << 63) - 1 if before is None else max(1, min(before, (1 << 63) - 1))
    with reading(path) as db:
        newest, first = db.execute("SELECT max(id), min(id) FROM events").fetchone()
        if newest is None:
            return [], None
        top = min(top, newest + 1)
        floor = max(first, top - _MAX_LOOKED)
        rows = db.execute(
            "SELECT id, received, time, charge_point, connector, action, data FROM events"
            " WHERE id < ? AND id >= ? AND charge_point = ? AND (? IS NULL OR action = ?)"
            " ORDER BY id DESC LIMIT ?",
            (top, floor, station_id, action, action, limit),
        ).fetchall()
    older = rows[-1][0] if len(rows) == limit else floor
    return _events_of(path, rows), older if older > first else None


def _events_of(path: Path, rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return rows as dictionaries, without those that are damaged."""
    found = []
    for row in rows:
        try:
            data, received, time = msgspec.json.decode(row[6]), iso(row[1]), iso(row[2])
        except (TypeError, ValueError, OverflowError) as error:
            _log.error("database: %s: %s", path, damaged_row(f"events, id {row[0]}", error))
            continue
        found.append(
            {
                "id": row[0],
                "received": received,
                "time": time,
                "charge_point": row[3],
                "connector": row[4],
                "action": row[5],
                "data": data,
            }
        )
    return found


def limits(path: Path) -> list[dict[str, Any]]:
    """The limit that was given last, by charge point and `connector` (0: the charge point);
    `data` has the fields of `model.limit.LimitState`."""
    with reading(path) as db:
        rows = db.execute(
            "SELECT charge_point, connector, data FROM limits ORDER BY charge_point, connector"
        ).fetchall()
    return [limit_of(row, path) for row in rows]


def limit_of(row: tuple[Any, ...], source: object) -> dict[str, Any]:
    """Return {charge_point, connector, data} of a row of `limits`; `source` is where it is."""
    station_id, number, data = row
    name = f"limits, {station_id!r} {number!r}"
    return {
        "charge_point": station_id,
        "connector": number,
        "data": _readable(source, data, name),
    }


@contextmanager
def reading(path: Path) -> Iterator[sqlite.Connection]:
    """A connection that only reads. Raises NotFoundError, TransientError."""
    if not path.is_file():
        raise NotFoundError(f"there is no database {path}")
    try:
        with closing(
            sqlite.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        ) as db:
            lenient(db)
            yield db
    except StoreError as error:
        raise TransientError(f"{path}: cannot be read now ({error})") from None


def charge_points(path: Path) -> list[dict[str, Any]]:
    """Return what is kept of every charge point that was ever there, by id: `id`, `ocpp_version`,
    `boot`, `configuration`, and of each of its `connectors`, by number, what it last said."""
    with reading(path) as db:
        rows = db.execute(
            "SELECT id, version, boot, configuration FROM charge_points ORDER BY id"
        ).fetchall()
        said = db.execute("SELECT charge_point, connector, data FROM connectors").fetchall()
    connectors: dict[str, dict[int, Any]] = {}
    for station_id, number, data in said:
        connectors.setdefault(station_id, {})[number] = _readable(
            path, data, f"connectors, {station_id!r} {number!r}"
        )
    return [
        {
            "id": station_id,
            "ocpp_version": version,
            "boot": _readable(path, boot, f"charge_points, boot of {station_id!r}"),
            "configuration": _readable(
                path, configuration, f"charge_points, configuration of {station_id!r}"
            ),
            "connectors": connectors.get(station_id, {}),
        }
        for station_id, version, boot, configuration in rows
    ]


def _readable(path: object, text: object, row: str) -> dict[str, Any]:
    try:
        return object_in(text)
    except ValueError as error:
        _log.error("database: %s: %s", path, damaged_row(row, error))
        return {}


def select(db: sqlite.Connection, *more: str) -> str:
    """The columns of `row_of`, and more behind them. A file that no central system of this release
    has opened yet has the older schema."""
    late = [*_SINCE_2] if version_of(db) >= 2 else [*_SINCE_2.values()]
    return f"SELECT {', '.join([*_COLUMNS, *late, *more])} FROM transactions"  # noqa: S608


def row_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return the fields of `transactions` of a row with the columns of `select`."""
    (own_id, station_id, connector, wire_id, id_tag, start_s, stop_s, start_wh, stop_wh, last_wh,
     last_s, reason, state, matched_by, resets, carried_wh, base_wh) = row  # fmt: skip
    if last_s is None or (start_s is not None and last_s <= start_s and last_wh == start_wh):
        # The register of the begin tells the energy so far, and not that of the end.
        last_wh = start_wh if state == "active" else None
    registers = Registers(start_wh, last_wh, resets, carried_wh, base_wh)
    delivered = registers.delivered(stop_wh)
    duration = None
    if start_s is not None and stop_s is not None:
        duration = max(0.0, stop_s - start_s)
    return {
        "id": own_id,
        "charge_point": station_id,
        "connector": connector,
        "wire_id": wire_id,
        "id_tag": id_tag or None,
        "start": iso(start_s),
        "stop": iso(stop_s),
        "duration_s": duration,
        "energy_wh": delivered.wh,
        "meter_start_wh": start_wh,
        "meter_stop_wh": stop_wh,
        "reason": reason,
        "state": state,
        "matched_by": matched_by,
        "register_resets": delivered.resets,
        "energy_is_minimum": delivered.is_minimum,
    }
