"""Stored events as a relay reads them: in order of their ids, on a connection that only reads.

The table is the one of the central system's file and of the outbox, so that one reader serves both:
`events (id, received, time, charge_point, connector, action, data)` and `runs (first_id, run)`.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import NotFoundError, StoreError, TransientError
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.process import sqlite

__all__ = ["StoredEvents", "begin_run"]

# A damaged content would damage the envelope around it.
_COLUMNS = (
    "id, received, time, charge_point, connector, action, CASE WHEN json_valid(data) THEN data END"
)
_DAMAGED = '{"damaged":true}'
_MAX_TIME_S = 253_402_300_799.0  # the end of the year 9999


def begin_run(db: sqlite.Connection, run: int, last_id: int) -> None:
    """Note in the table `runs` that the events above `last_id` are of a new run."""
    newest = db.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()[0]
    db.execute(
        "INSERT OR REPLACE INTO runs (first_id, run) VALUES (?, ?)",
        # Also where the clock was set back: a later run has a higher number.
        (last_id + 1, max(run, newest + 1)),
    )


class StoredEvents:
    """The events of one file. For one thread at a time."""

    def __init__(self, path: Path, account: str, *, busy_s: float = 1.0) -> None:
        """Raises NotFoundError, TransientError."""
        self.account = account
        self._path = path
        if not path.is_file():
            raise NotFoundError(f"there is no database {path}")
        try:
            self._db = sqlite.connect(
                f"{path.resolve().as_uri()}?mode=ro",
                uri=True,
                timeout=busy_s,
                isolation_level=None,
                check_same_thread=False,
            )
        except StoreError as error:
            raise self._later(error) from None
        self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self._firsts: list[int] = []
        self._runs: list[int] = []
        self._known_to = -1

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def read(self, after: int, limit: int) -> list[Event]:
        """Return events with ids above `after`, oldest first, at most `limit`. Raises
        TransientError."""
        rows = self._ask(
            f"SELECT {_COLUMNS} FROM events WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608
            after,
            limit,
        )
        if rows and rows[-1][0] > self._known_to:
            self._read_runs(rows[-1][0])
        return [self._event(row) for row in rows]

    def last(self) -> int:
        """Return the id of the newest event that was ever stored; 0 for none. Raises
        TransientError."""
        rows = self._ask(
            "SELECT max(coalesce((SELECT max(id) FROM events), 0),"
            " coalesce((SELECT id FROM last_event), 0))"
        )
        return int(rows[0][0])

    def first(self) -> int:
        """Return the id of the oldest event that is stored; 0 for none. Raises TransientError."""
        return int(self._ask("SELECT coalesce(min(id), 0) FROM events")[0][0])

    def received_s(self, after: int) -> float | None:
        """Return when the first event above an id was received; None for none. Raises
        TransientError."""
        rows = self._ask("SELECT received FROM events WHERE id > ? ORDER BY id LIMIT 1", after)
        return None if not rows else float(rows[0][0])

    def before(self, time_s: float) -> int:
        """Return the highest id such that all events up to it were received before a time.

        By bisection: ids grow with the time of receipt. Raises TransientError."""
        first = self._ask("SELECT min(id) FROM events")[0][0]
        low, high = (first or 1) - 1, self.last()
        while low < high:
            middle = (low + high) // 2
            rows = self._ask(
                "SELECT id, received FROM events WHERE id > ? ORDER BY id LIMIT 1", middle
            )
            if not rows or rows[0][1] >= time_s:
                high = middle
            else:
                low = int(rows[0][0])
        return low

    def run_of(self, seq: int) -> int:
        """Return the run of an id. Raises TransientError."""
        self._read_runs(seq)
        return self._run(seq)

    def _event(self, row: tuple[Any, ...]) -> Event:
        own_id, received_s, time_s, station, connector, action, data = row
        if not isinstance(connector, int):
            connector = None
        received_s = _time(received_s, 0.0)
        return Event(
            self._run(own_id),
            own_id,
            received_s,
            _time(time_s, received_s),
            self.account,
            str(station),
            connector,
            str(action),
            data if isinstance(data, str) else _DAMAGED,
        )

    def _run(self, own_id: int) -> int:
        place = bisect_right(self._firsts, own_id)
        return self._runs[place - 1] if place else 0

    def _read_runs(self, own_id: int) -> None:
        try:
            rows = self._db.execute("SELECT first_id, run FROM runs ORDER BY first_id").fetchall()
        except StoreError:
            rows = []  # of an older release: nothing has opened the file since
        self._firsts = [row[0] for row in rows]
        self._runs = [row[1] for row in rows]
        self._known_to = own_id

    def _ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except StoreError as error:
            raise self._later(error) from None

    def _later(self, error: StoreError) -> TransientError:
        return TransientError(f"{self._path}: cannot be read now ({error})")


def _time(value: object, default_s: float) -> float:
    """Return a time that a calendar has."""
    if isinstance(value, (int, float)) and 0 <= value < _MAX_TIME_S:
        return float(value)
    return default_s
