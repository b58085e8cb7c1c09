"""Loads, limits and sheds as an SQLite historian stored them."""

from __future__ import annotations

import bisect
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from statistics import median

from chargepoint_driver.errors import ConfigurationError, NotFoundError, StoreError
from chargepoint_driver.process import sqlite

__all__ = ["PortHistory", "Series", "day_of", "last_day", "merged", "read", "total"]

# The points that are drawn, with the port's number behind them in the registry of a station.
_POINT = re.compile(r"(.+)/(portLoad|allowedLoad|percentShed|shedState)(?:\.(\d+))?")
_GAP = 2.5
"""How many typical intervals may lie between two values that are joined."""


@dataclass
class Series:
    """Values of one point by time. None: the point was polled and nothing was reported."""

    times: list[datetime] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def typical_s(self) -> float:
        """Return the typical time between two values, in seconds; infinite where there is only
        one."""
        steps = [
            (after - before).total_seconds()
            for before, after in zip(self.times, self.times[1:], strict=False)
        ]
        return median(steps) if steps else math.inf

    def with_gaps(self) -> tuple[list[datetime], list[float]]:
        """For drawing: NaN where nothing was reported, and between values that lie further
        apart than is typical."""
        most = timedelta(seconds=min(self.typical_s() * _GAP, 10**8))
        times: list[datetime] = []
        values: list[float] = []
        for moment, value in zip(self.times, self.values, strict=True):
            if times and moment - times[-1] > most:
                times.append(times[-1] + most / _GAP)
                values.append(math.nan)
            times.append(moment)
            values.append(math.nan if value is None else value)
        return times, values

    def gaps(self) -> list[tuple[datetime, datetime]]:
        """From the last value before to the first one after each gap."""
        found: list[tuple[datetime, datetime]] = []
        before: datetime | None = None
        in_gap = False
        for moment, value in zip(*self.with_gaps(), strict=True):
            if math.isnan(value):
                in_gap = True
                continue
            if in_gap and before is not None:
                found.append((before, moment))
            before, in_gap = moment, False
        return found

    def at(self, moment: datetime) -> float | None:
        """Return the value then: the last one before, unless a gap lies between."""
        index = bisect.bisect_right(self.times, moment) - 1
        if index < 0 or (moment - self.times[index]).total_seconds() > self.typical_s() * _GAP:
            return None
        return self.values[index]


@dataclass
class PortHistory:
    """Recorded values of one port."""

    name: str
    load_kw: Series = field(default_factory=Series)
    allowed_kw: Series = field(default_factory=Series)
    percent: Series = field(default_factory=Series)
    shed: Series = field(default_factory=Series)

    def sheds(self) -> list[tuple[datetime, datetime]]:
        """Return when a shed was reported: from the first to the last value of 1 without a gap."""
        times, values = self.shed.with_gaps()
        found: list[tuple[datetime, datetime]] = []
        begun = None
        for moment, value in zip(times, values, strict=True):
            if value == 1 and begun is None:
                begun = moment
            elif value != 1 and begun is not None:
                found.append((begun, moment))
                begun = None
        if begun is not None:
            found.append((begun, times[-1]))
        return found

    def limit_kw(self) -> Series:
        """Return the ceiling in force. For a shed by per cent the service reports 0: not a
        limit."""
        limit = Series()
        for moment, allowed in zip(self.allowed_kw.times, self.allowed_kw.values, strict=True):
            is_shed = self.shed.at(moment) == 1 and not self.percent.at(moment)
            limit.times.append(moment)
            limit.values.append(allowed if is_shed else None)
        return limit


def day_of(text: str, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """Return the beginning and the end of a day, by the clock of the zone (None: this machine's).
    Raises ValueError."""
    first = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - the zone is added below
    after = first + timedelta(days=1)
    if zone is None:
        return first.astimezone(), after.astimezone()
    return first.replace(tzinfo=zone), after.replace(tzinfo=zone)


def last_day(path: Path, zone: tzinfo | None) -> str:
    """Return the day of the last value of a load. Raises NotFoundError, ConfigurationError."""
    rows = _rows(
        path,
        "SELECT max(ts) FROM data NATURAL JOIN topics WHERE topic_name LIKE ?",
        ("%/portLoad%",),
    )
    (last,) = rows[0]
    if last is None:
        raise NotFoundError(f"{path}: no load was ever recorded; is portLoad in the registries?")
    return f"{_moment(last).astimezone(zone):%Y-%m-%d}"


def read(path: Path, start: datetime, end: datetime, prefix: str = "") -> list[PortHistory]:
    """Return the histories of the ports below the topic `prefix`, sorted by name. Raises
    NotFoundError when nothing was recorded then, ConfigurationError for a file that is not a
    historian's."""
    rows = _rows(
        path,
        "SELECT ts, topic_name, value_string FROM data NATURAL JOIN topics "
        "WHERE ts >= ? AND ts < ? ORDER BY ts",
        # Stored as text in UTC: text compares as time does.
        (_text(start), _text(end)),
    )
    ports: dict[str, PortHistory] = {}
    prefix = prefix.removeprefix("devices/").strip("/")
    for ts, topic, value in rows:
        found = _POINT.fullmatch(str(topic))
        if found is None or not (not prefix or f"{topic}/".startswith(f"{prefix}/")):
            continue
        device, point, port = found.groups()
        name = device if port is None else f"{device} port {port}"
        port_history = ports.setdefault(name, PortHistory(name))
        series = {
            "portLoad": port_history.load_kw,
            "allowedLoad": port_history.allowed_kw,
            "percentShed": port_history.percent,
            "shedState": port_history.shed,
        }[point]
        series.times.append(_moment(ts))
        series.values.append(_number(value))
    recorded = [port_history for port_history in ports.values() if port_history.load_kw.times]
    if not recorded:
        below = f" below {prefix}" if prefix else ""
        raise NotFoundError(
            f"{path}: no load{below} was recorded from {_text(start)} to {_text(end)}; choose "
            "another --day or --topic"
        )
    return sorted(recorded, key=lambda port_history: port_history.name)


def total(ports: Sequence[PortHistory]) -> Series:
    """Return the load of all ports together; None where any of them is not known."""
    steps = [step for one in ports if math.isfinite(step := one.load_kw.typical_s())]
    moments = sorted({moment for port_history in ports for moment in port_history.load_kw.times})
    if not steps:
        return Series()
    pace = timedelta(seconds=max(steps))
    sums = Series()
    moment = moments[0]
    while moment <= moments[-1]:
        # Ports are polled together, and stored some milliseconds apart.
        loads = [port_history.load_kw.at(moment + pace / 2) for port_history in ports]
        known = [load for load in loads if load is not None]
        sums.times.append(moment)
        sums.values.append(sum(known) if len(known) == len(loads) else None)
        moment += pace
    return sums


def merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return the spans with those that touch made one."""
    found: list[tuple[datetime, datetime]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def _rows(path: Path, query: str, values: Iterable[str]) -> list[tuple[str, ...]]:
    if not path.is_file():
        raise ConfigurationError(f"{path}: no such file; give the database of an SQLite historian")
    try:
        database = sqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            return database.execute(query, tuple(values)).fetchall()
        finally:
            database.close()
    except StoreError as error:
        raise ConfigurationError(
            f"{path}: cannot be read as an SQLite historian's database ({error})"
        ) from None


def _text(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _number(text: str) -> float | None:
    """Return the stored JSON as a number; None for null and for anything that is not a number."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return None
    return float(value) if isinstance(value, (int, float)) else None
