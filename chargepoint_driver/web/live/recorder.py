"""Samples of what is shown, gathered minute by minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chargepoint_driver.text import get_logger
from chargepoint_driver.web.api.schemas import Group, SeriesSample, Station
from chargepoint_driver.web.live import aggregates
from chargepoint_driver.web.store.samples import Samples, Series

__all__ = ["Recorder"]

_log = get_logger(__name__)
_STEP_S = 60
_BORDER_S = 900
# After a longer pause a reading does not count for the time after it.
_MAX_LOOK_S = 120.0
_SPACING_S = 10.0
_ROLL_S = 900.0

_Reading = tuple[float | None, float | None, float | None, float | None, int]


@dataclass
class _Minute:
    """Values of one thing in the current minute."""

    loads: list[float] = field(default_factory=list)
    allowed: float | None = None
    capacity: float | None = None
    headroom: float | None = None
    unknown: int = 0
    start: float = 0.0
    until: float = 0.0

    def add(self, reading: _Reading) -> None:
        load, allowed, self.capacity, headroom, unknown = reading
        if load is not None:
            self.loads.append(load)
        self.allowed = allowed
        self.headroom = headroom
        self.unknown = max(self.unknown, unknown)

    def sample(self) -> SeriesSample:
        loads = self.loads
        return SeriesSample(
            self.start,
            self.until,
            round(sum(loads) / len(loads), 3) if loads else None,
            max(loads) if loads else None,
            self.allowed,
            self.capacity,
            self.headroom,
            self.unknown,
        )


class Recorder:
    """Takes what is shown about every ten seconds, and keeps it once a minute. `record` and `read`
    wait for the disk: they are called on threads."""

    name = "page"

    def __init__(self, samples: Samples, now: Callable[[], float]) -> None:
        self._samples = samples
        self._now = now
        self._lock = threading.Lock()
        self._minutes: dict[Series, _Minute] = {}
        self._minute_s = 0.0
        self._recorded_s = 0.0
        self._is_continued = False
        self._rolled_s = 0.0

    @property
    def is_due(self) -> bool:
        """Return True if the last reading is long enough ago."""
        now_s = self._now()
        return abs(now_s - self._recorded_s) >= _SPACING_S

    def record(
        self, stations: Sequence[Station], groups: Sequence[Group], accounts_unknown: int
    ) -> None:
        """Take what is shown now."""
        now_s = self._now()
        with self._lock:
            minute_s = now_s // _STEP_S * _STEP_S
            done = []
            if minute_s != self._minute_s:
                done = self._end(minute_s, now_s)
                self._minute_s = minute_s
            self._recorded_s = now_s
            for series, reading in _readings(stations, groups, accounts_unknown):
                minute = self._minutes.get(series)
                if minute is None:
                    minute = self._minutes[series] = _Minute(start=now_s)
                minute.add(reading)
                minute.until = max(now_s, minute.start + 1.0)
        if done:
            self._samples.add(done)
            if abs(now_s - self._rolled_s) >= _ROLL_S:
                self._rolled_s = now_s
                self._samples.roll()

    def _end(self, minute_s: float, now_s: float) -> list[tuple[Series, SeriesSample]]:
        """End the minute. What was seen last holds until the next look, when that is soon."""
        is_soon = 0 <= now_s - self._recorded_s <= _MAX_LOOK_S
        border_s = (self._minute_s // _BORDER_S + 1) * _BORDER_S
        done = []
        for series, minute in self._minutes.items():
            sample = minute.sample()
            if self._is_continued:
                # Before its first look the minute was as the one before.
                sample.start = self._minute_s
            if is_soon:
                sample.until = minute_s
            if sample.until > border_s:
                # No sample crosses the border of the next step.
                done.append((series, msgspec.structs.replace(sample, until=border_s)))
                sample.start = border_s
            done.append((series, sample))
        self._minutes = {}
        self._is_continued = is_soon
        return done

    def flush(self) -> None:
        """Keep the minute that is not over yet."""
        with self._lock:
            done = [(series, minute.sample()) for series, minute in self._minutes.items()]
            self._minutes = {}
        self._samples.add(done)

    def read(self, series: Series, start_s: float, end_s: float) -> tuple[int, list[SeriesSample]]:
        """Return what the store has, and the minute that is not over yet."""
        step, found = self._samples.read(series, start_s, end_s)
        with self._lock:
            minute = self._minutes.get(series)
            if minute is not None and start_s < minute.until and minute.start <= end_s:
                found.append(minute.sample())
        return step, found


def _readings(
    stations: Sequence[Station], groups: Sequence[Group], accounts_unknown: int
) -> Iterable[tuple[Series, _Reading]]:
    """Yield load, most allowed, capacity, headroom and unknown ports of all that has a chart."""
    by_account: dict[str, list[Station]] = {}
    for station in stations:
        by_account.setdefault(station.account, []).append(station)
        for port in station.ports:
            load_kw = aggregates.load_kw(port)
            yield (
                Series.port(station.account, station.cpid, port.connectorId),
                (
                    load_kw,
                    aggregates.allowed_of(port),
                    port.station.get("Power"),
                    port.values.get("siteHeadroom"),
                    int(load_kw is None),
                ),
            )
    for group in groups:
        members = set(group.stations)
        inside = [s for s in by_account.get(group.account, ()) if s.cpid in members]
        yield Series("group", group.account, group.group), _total(inside, [group], 0)
    if len(by_account) > 1:
        for account, inside in by_account.items():
            yield (
                Series("site", account),
                _total(inside, [group for group in groups if group.account == account], 0),
            )
    if stations or accounts_unknown:
        yield Series("site"), _total(stations, groups, accounts_unknown)


def _total(stations: Sequence[Station], groups: Sequence[Group], accounts_unknown: int) -> _Reading:
    found = aggregates.site(stations, groups, accounts_unknown)
    ratings: list[Any] = [
        port.station.get("Power") for station in stations for port in station.ports
    ]
    is_known = bool(ratings) and None not in ratings and not accounts_unknown
    return (
        found.load,
        found.allowed,
        round(sum(map(float, ratings)), 3) if is_known else None,
        found.headroom,
        found.portsUnknown + (1 if accounts_unknown else 0),
    )
