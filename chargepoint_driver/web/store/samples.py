"""Load, limit, capacity and headroom over time, in three steps of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Protocol

from chargepoint_driver.process import sqlite
from chargepoint_driver.web.api.schemas import SeriesSample
from chargepoint_driver.web.store.database import Database

__all__ = ["STEPS", "Samples", "Series", "Source"]

_DAY_S = 86_400.0
# Step in seconds to the time that its samples are kept. Each step is made of the one before.
STEPS: Mapping[int, float] = {60: 2 * _DAY_S, 900: 33 * _DAY_S, 21_600: 400 * _DAY_S}
_MAX_POINTS = 3_200
_BORDER_S = 900
_LAST = """
SELECT start, until, load, peak, allowed, capacity, headroom, unknown FROM samples
WHERE series = ? AND step = 60 ORDER BY start DESC LIMIT 1
"""
# The join goes from the one series to its rows by the primary key.
_READ = """
SELECT start, until, load, peak, allowed, capacity, headroom, unknown
FROM series CROSS JOIN samples ON samples.series = series.id
    AND step = :step AND start >= :reach AND start < :end
WHERE kind = :kind AND account = :account AND name = :name AND until > :begin ORDER BY start
"""

# Means are weighted with time; of limits and headroom the lowest counts. NULL stays NULL where
# nothing of a stretch is known. A sample never crosses the border of the next step.
_ROLL = """
INSERT OR REPLACE INTO samples
SELECT samples.series, :step, CAST(start / :step AS INTEGER) * :step AS bucket, max(until),
    round(sum(load * (until - start)) / sum(CASE WHEN load IS NOT NULL THEN until - start END), 3),
    max(peak), min(allowed), max(capacity), min(headroom), max(unknown)
FROM series CROSS JOIN samples ON samples.series = series.id AND samples.step = :fine
    AND start >= :begin AND start < :end
GROUP BY samples.series, bucket
"""
_DROP = """
DELETE FROM samples WHERE series IN (SELECT id FROM series) AND step = ? AND start < ?
"""


@dataclass(frozen=True)
class Series:
    """One thing over time. `kind`: site, group or port; `account` "" and `name` "" are all of
    them; the name of a port is its station and its number with a line end between."""

    kind: str
    account: str = ""
    name: str = ""

    @classmethod
    def port(cls, account: str, cpid: str, connector: int) -> Series:
        return cls("port", account, f"{cpid}\n{connector}")


class Source(Protocol):
    """Source of charts. `name` is shown."""

    name: str

    def read(self, series: Series, start_s: float, end_s: float) -> tuple[int, list[SeriesSample]]:
        """Return (step in seconds, samples that touch the time, oldest first)."""


class Samples:
    """The store of the page. Methods may wait for the disk: call them on threads."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now
        self._ids: dict[Series, int] = {}

    def add(self, found: Iterable[tuple[Series, SeriesSample]]) -> None:
        """Keep samples of the finest step. One that equals the sample right before it makes that
        one longer."""
        with self._database.transaction() as db:
            for series, sample in found:
                number = self._id(db, series)
                values = _values(sample)
                before = db.execute(_LAST, (number,)).fetchone()
                is_same = before is not None and before[1] >= sample.start and before[2:] == values
                if is_same and before[0] // _BORDER_S == sample.start // _BORDER_S:
                    db.execute(
                        "UPDATE samples SET until = max(until, ?) "
                        "WHERE series = ? AND step = 60 AND start = ?",
                        (sample.until, number, before[0]),
                    )
                else:
                    db.execute(
                        "INSERT OR REPLACE INTO samples VALUES (?, 60, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (number, sample.start, sample.until, *values),
                    )

    def roll(self) -> None:
        """Make the coarser samples of what is complete by now, and drop what is too old."""
        now_s, steps = self._now(), list(STEPS)
        for fine, step in pairwise(steps):
            self._roll(fine, step, now_s)
        with self._database.transaction() as db:
            for step, kept_s in STEPS.items():
                db.execute(_DROP, (step, now_s - kept_s))

    def _roll(self, fine: int, step: int, now_s: float) -> None:
        end_s = now_s // step * step
        with self._database.transaction() as db:
            row = db.execute("SELECT until FROM rolled WHERE step = ?", (step,)).fetchone()
            # After a long pause also what would be too old by now is rolled before it is dropped.
            begin_s = 0.0 if row is None else row[0]
            if begin_s < end_s:
                db.execute(_ROLL, {"fine": fine, "step": step, "begin": begin_s, "end": end_s})
                db.execute("INSERT OR REPLACE INTO rolled VALUES (?, ?)", (step, end_s))

    def read(self, series: Series, start_s: float, end_s: float) -> tuple[int, list[SeriesSample]]:
        """Return (step, samples): of the finest step that reaches back so far and has few enough
        points. What is not complete in that step stands at the end in finer steps."""
        step = _step(start_s, end_s, self._now())
        found: list[SeriesSample] = []
        with self._database.reading() as db:
            for each in sorted((s for s in STEPS if s <= step), reverse=True):
                from_s = found[-1].until if found else start_s
                asked = {
                    "step": each,
                    # Rows that begin before the time may reach into it.
                    "reach": from_s - max(each, _BORDER_S),
                    "begin": from_s,
                    "end": end_s,
                    **asdict(series),
                }
                rows = db.execute(_READ, asked).fetchall()
                found += [SeriesSample(max(row[0], from_s), *row[1:]) for row in rows]
        return step, found

    def _id(self, db: sqlite.Connection, series: Series) -> int:
        if series not in self._ids:
            words = series.kind, series.account, series.name
            db.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?)", words)
            (number,) = db.execute(
                "SELECT id FROM series WHERE kind = ? AND account = ? AND name = ?", words
            ).fetchone()
            self._ids[series] = number
        return self._ids[series]


def _values(sample: SeriesSample) -> tuple[float | None, ...]:
    return (
        sample.load,
        sample.peak,
        sample.allowed,
        sample.capacity,
        sample.headroom,
        sample.unknown,
    )


def _step(start_s: float, end_s: float, now_s: float) -> int:
    """Return the finest step that is kept for so long and gives few enough points."""
    for step, kept_s in STEPS.items():
        if start_s >= now_s - kept_s and (end_s - start_s) / step <= _MAX_POINTS:
            return step
    return list(STEPS)[-1]
