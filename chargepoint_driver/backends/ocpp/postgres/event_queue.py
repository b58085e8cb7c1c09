"""Events of a node on their way to PostgreSQL: they go there with the changes they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from chargepoint_driver.events.envelope import EVENTS_LOST, KINDS
from chargepoint_driver.text import get_logger

__all__ = ["TABLE", "EventQueue", "Row"]

_log = get_logger(__name__)

TABLE = "events"
"""The table, as batches name it."""
_MAX_WAITING = 50_000
# A node's own relay sends these from its own file: they are too many for a database.
_OF_THE_FILE = "MeterValues"
# What a node adds itself is written also where another one has the charger.
_OURS = frozenset((*KINDS["shed"], *KINDS["alarm"]))

Row = tuple[Any, ...]
"""seq, received and time (seconds since 1970), charger, connector (None: the whole charger),
action, content as JSON text."""


class EventQueue:
    """Rows in their order. On the loop's thread."""

    def __init__(self, max_waiting: int = _MAX_WAITING) -> None:
        """Of more than `max_waiting` rows the oldest are dropped, and reported as lost."""
        self._max_waiting = max_waiting
        self._rows: list[tuple[str, Row]] = []
        self._dropped = 0
        self._dropped_after = 0
        self._last_dropped: Row | None = None
        self._is_logged = False

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, rows: Iterable[Row]) -> None:
        """Add events that are in the node's file; those of meter values stay there only."""
        for row in rows:
            action = row[5]
            if action != _OF_THE_FILE:
                self._rows.append(("" if action in _OURS else row[3], row))
        self._drop_excess()

    def take(self) -> list[tuple[str, Row]]:
        """Return all rows, each with the charger whose owner may write it ('': any node), and keep
        none."""
        rows, self._rows = self._rows, []
        if len(rows) < self._max_waiting // 2:
            self._is_logged = False
        last, self._last_dropped = self._last_dropped, None
        if last is not None:
            count, self._dropped = self._dropped, 0
            rows.insert(0, ("", _lost(last, count, self._dropped_after)))
        return rows

    def put_back(self, rows: Sequence[tuple[str, Row]]) -> None:
        """Put rows back that were taken and could not be written."""
        self._rows[:0] = rows
        self._drop_excess()

    def forget(self, station_ids: Iterable[str]) -> None:
        """Drop events of chargers that another node has: what made them was not acknowledged."""
        gone = set(station_ids)
        self._rows = [each for each in self._rows if each[0] not in gone]

    def _drop_excess(self) -> None:
        excess = len(self._rows) - self._max_waiting
        if excess <= 0:
            return
        if not self._is_logged:
            self._is_logged = True
            _log.error(
                "postgres: more than %d events wait for it; the oldest are dropped",
                self._max_waiting,
            )
        for _, row in self._rows[:excess]:
            count, after = 1, row[0] - 1
            if row[5] == EVENTS_LOST:
                # What was reported before is reported with the rest.
                reported = json.loads(row[6])
                count, after = reported["lost"], reported["after"]
            if self._last_dropped is None:
                self._dropped_after = after
            self._dropped += count
            self._last_dropped = row
        del self._rows[:excess]


def _lost(last: Row, count: int, after: int) -> Row:
    seq, received_s = last[:2]
    content = json.dumps({"lost": count, "after": after, "through": seq})
    return (seq, received_s, received_s, "", None, EVENTS_LOST, content)
