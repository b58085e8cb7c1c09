"""Alarms and maintenance over time: first and last seen, and who has acknowledged them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from chargepoint_driver.errors import InvalidValueError, NotFoundError
from chargepoint_driver.web.api.schemas import Alarm, Incident, Maintenance
from chargepoint_driver.web.store.database import Database
from chargepoint_driver.web.times import iso, iso_or_none

__all__ = ["ALARM", "MAINTENANCE", "Incidents"]

ALARM = "alarm"
MAINTENANCE = "maintenance"
_KEPT_S = 400 * 86_400.0
_SAVE_S = 60.0
_MAX_FOUND = 1_000
_COLUMNS = (
    "id, kind, account, cpid, connector, what, since, first_seen, last_seen, ended, "
    "acknowledged, acknowledged_by, note"
)
_SELECT = f"SELECT {_COLUMNS} FROM incidents "  # noqa: S608 - constant names
_SAVE = """
INSERT INTO incidents (kind, account, cpid, connector, what, since, first_seen, last_seen, ended,
    acknowledged, acknowledged_by, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CHANGE = """
UPDATE incidents SET last_seen = ?, ended = ?, acknowledged = ?, acknowledged_by = ?, note = ?
WHERE id = ?
"""

# kind, account, station, connector, what it is, and the time that the service gives.
_Key = tuple[str, str, str, int | None, str, str | None]


@dataclass
class _Open:
    """One that is not over."""

    key: _Key
    first_seen: float
    last_seen: float
    number: int | None = None
    ended: float | None = None
    acknowledged: float | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    is_dirty: bool = field(default=True)
    saved_s: float = 0.0


class Incidents:
    """Incidents: the open ones in memory, all of them in the database. `see` belongs to one thread;
    `save`, `found` and `acknowledge` wait for the disk."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._open: dict[_Key, _Open] = {}
        self._over: list[_Open] = []
        with database.reading() as db:
            for row in db.execute(_SELECT + "WHERE ended IS NULL"):
                key: Any = tuple(row[1:7])
                self._open[key] = _Open(
                    key, row[7], row[8], row[0], None, row[10], row[11], row[12], False, row[8]
                )

    def see(
        self,
        alarms: Iterable[Alarm],
        maintenance: Iterable[Maintenance],
        known: Collection[tuple[str, str]],
    ) -> None:
        """Take what is active now, and write into each when it was seen first and last, and
        whether somebody has taken note. What is not active any more is over, where its station
        is among `known`: (account, station) of those that could be read."""
        now_s = self._now()
        with self._lock:
            seen: set[_Key] = set()
            for alarm in alarms:
                key = _key(ALARM, alarm, alarm.alarmType, alarm.alarmTime)
                seen.add(key)
                # One that cannot be read at present was not seen now.
                self._fill(alarm, self._seen(key, now_s, is_now=alarm.asOf is None))
            for each in maintenance:
                key = _key(MAINTENANCE, each, each.reason, None)
                seen.add(key)
                self._fill(each, self._seen(key, now_s, is_now=True))
            for key in [key for key in self._open if key not in seen and key[1:3] in known]:
                over = self._open.pop(key)
                over.ended, over.is_dirty = now_s, True
                self._over.append(over)

    def _seen(self, key: _Key, now_s: float, *, is_now: bool) -> _Open:
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = _Open(key, now_s, now_s)
        elif is_now:
            found.last_seen = now_s
            found.is_dirty = found.is_dirty or now_s - found.saved_s >= _SAVE_S
        return found

    @staticmethod
    def _fill(shown: Alarm | Maintenance, found: _Open) -> None:
        shown.firstSeen = iso(found.first_seen)
        # By the minute: else a page would get a change where there is none.
        shown.lastSeen = iso(max(found.first_seen, found.last_seen // 60 * 60))
        shown.acknowledged = iso_or_none(found.acknowledged)
        shown.acknowledgedBy, shown.note = found.acknowledged_by, found.note

    def save(self) -> None:
        """Write down what changed."""
        with self._saving:
            with self._lock:
                changed = [each for each in (*self._over, *self._open.values()) if each.is_dirty]
                self._over = []
            if not changed:
                return
            with self._database.transaction() as db:
                for each in changed:
                    rest = each.acknowledged, each.acknowledged_by, each.note
                    if each.number is None:
                        row = (*each.key, each.first_seen, each.last_seen, each.ended, *rest)
                        each.number = db.execute(_SAVE, row).lastrowid
                    else:
                        db.execute(_CHANGE, (each.last_seen, each.ended, *rest, each.number))
                    each.is_dirty, each.saved_s = False, each.last_seen
                db.execute("DELETE FROM incidents WHERE last_seen < ?", (self._now() - _KEPT_S,))

    def acknowledge(
        self,
        kind: str,
        account: str,
        cpid: str,
        connector: int | None,
        what: str,
        *,
        by: str,
        note: str,
    ) -> None:
        """Acknowledge what is open, with a note and its writer. Raises NotFoundError."""
        with self._lock:
            found = [
                each
                for key, each in self._open.items()
                if key[:5] == (kind, account, cpid, connector, what)
            ]
            if not found:
                raise NotFoundError(
                    f"{cpid}: no {kind} {what!r} is open there; it may be over meanwhile"
                )
            for each in found:
                each.acknowledged, each.acknowledged_by, each.note = self._now(), by, note or None
                each.is_dirty = True
        self.save()

    def found(
        self,
        since_s: float,
        account: str | None = None,
        cpid: str | None = None,
        limit: int | None = None,
        after: tuple[Any, ...] | None = None,
    ) -> tuple[list[Incident], tuple[float, int] | None]:
        """Return what was seen since then, newest first, also what is over; and the `after` of what
        follows, None where nothing does. At most `limit`, by default 1,000. Raises
        InvalidValueError."""
        if after is not None and [type(each) for each in after] != [float, int]:
            raise InvalidValueError("after: is not of this list")
        most = limit or _MAX_FOUND
        first_seen, number = after or (None, None)
        self.save()
        with self._database.reading() as db:
            rows = db.execute(
                _SELECT + "WHERE last_seen >= ? AND (? IS NULL OR account = ?) "
                "AND (? IS NULL OR cpid = ?) AND (? IS NULL OR (first_seen, id) < (?, ?)) "
                "ORDER BY first_seen DESC, id DESC LIMIT ?",
                (since_s, account, account, cpid, cpid, number, first_seen, number, most + 1),
            ).fetchall()
        last = rows[most - 1] if len(rows) > most else None
        found = [_incident(*row[1:]) for row in rows[:most]]
        return found, None if last is None else (float(last[7]), int(last[0]))


def _incident(
    kind: Any,
    account: str,
    cpid: str,
    connector: int | None,
    what: str,
    since: str | None,
    first_s: float,
    last_s: float,
    ended_s: float | None,
    acknowledged_s: float | None,
    by: str | None,
    note: str | None,
) -> Incident:
    """Return a row of the table as the API shows it."""
    return Incident(
        kind=kind,
        account=account,
        cpid=cpid,
        name=None,
        connectorId=connector,
        what=what,
        since=since,
        firstSeen=iso(first_s),
        lastSeen=iso(last_s),
        ended=iso_or_none(ended_s),
        acknowledged=iso_or_none(acknowledged_s),
        acknowledgedBy=by,
        note=note,
    )


def _key(kind: str, shown: Alarm | Maintenance, what: str, since: str | None) -> _Key:
    return kind, shown.account, shown.cpid, shown.connectorId, what, since
