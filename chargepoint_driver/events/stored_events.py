"""Stored events as a relay reads them: in order of their ids, on a connection that only reads.

The table is the one of the central system's file and of the outbox, so that one reader serves both:
`events (id, received, time, charge_point, connector, action, data)` and `runs (first_id, run)`.
"""

# ruff: noqa: S608 - a condition is put in, from here
from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import NotFoundError, StoreError, TransientError
from chargepoint_driver.events.envelope import Event
from chargepoint_driver.process import sqlite

__all__ = ["StoredEvents", "begin_run"]

# One row, so that SQLite does the work in one step. Between steps the reader takes the
# interpreter's lock, and a thread that serves chargers waits for it. A damaged content would damage
# the envelope around it.
_READ = (
    "SELECT CAST(group_concat(data, '') AS BLOB), '[' || group_concat(json_array(id,"
    # Until the year 9999, and no text: that is above every number.
    " CASE WHEN received BETWEEN 0 AND 253402300799 THEN received END,"
    " CASE WHEN time BETWEEN 0 AND 253402300799 THEN time END, CAST(charge_point AS TEXT),"
    " CASE WHEN typeof(connector) = 'integer' THEN connector END, CAST(action AS TEXT),"
    " length(CAST(data AS BLOB)))) || ']' FROM (SELECT id, received, time, charge_point,"
    " connector, action, CASE WHEN json_valid(data) AND instr(data, char(0)) = 0 THEN data"
    " ELSE '{\"damaged\":true}' END AS data FROM events WHERE id > ?%s ORDER BY id LIMIT ?)"
)
# In the file of a node: what the shared records do not have.
_OWN = " AND (action = 'MeterValues' OR id < (SELECT min(first_id) FROM outbox))"


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

    def __init__(
        self, path: Path, account: str, *, busy_s: float = 1.0, is_of_node: bool = False
    ) -> None:
        """`is_of_node`: see only the events that a node keeps for itself, those of meter values.

        Raises NotFoundError, TransientError."""
        self.account = account
        self._only = _OWN if is_of_node else ""
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
        contents, text = self._ask(_READ % self._only, after, limit)[0]
        if text is None:
            return []
        rows = json.loads(text)
        if rows[-1][0] > self._known_to:
            self._read_runs(rows[-1][0])
        found, begin = [], 0
        for row in rows:
            end = begin + row[6]
            found.append(self._event(row, contents[begin:end].decode("utf-8", "replace")))
            begin = end
        return found

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

    def count(self, after: int, through: int) -> int:
        """Return how many events have ids above `after`, up to `through`. What was deleted counts
        as one event for each id. Raises TransientError."""
        if not self._only:
            return through - after
        deleted = max(0, min(self.first() - 1, through) - after)
        sql = f"SELECT count(*) FROM events WHERE id > ? AND id <= ?{self._only}"
        return deleted + int(self._ask(sql, after, through)[0][0])

    def received_s(self, after: int) -> float | None:
        """Return when the first event above an id was received; None for none. Raises
        TransientError."""
        rows = self._ask(
            f"SELECT received FROM events WHERE id > ?{self._only} ORDER BY id LIMIT 1", after
        )
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

    def _event(self, row: Sequence[Any], content: str) -> Event:
        own_id, received_s, time_s, station, connector, action, _ = row
        received_s = 0.0 if received_s is None else float(received_s)
        return Event(
            self._run(own_id),
            own_id,
            received_s,
            received_s if time_s is None else float(time_s),
            self.account,
            str(station),
            connector,
            str(action),
            content,
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
