"""Timetable of one port: its visits, day after day, without end.

A workplace, seven days a week: people stay all day or half a day, on some days
nobody comes. A day's visits depend on the seed, the port and the date only, so
the course of a world does not depend on when anyone looked at it. So that a world
is worth looking at whatever the hour, each port also plays a part at the opening.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from .vehicles import Visit, make_visit

DAY_S = 86_400
HOUR_S = 3_600
MINUTE_S = 60

# The site keeps Pacific standard time all year.
SITE_UTC_OFFSET_S = -8 * HOUR_S

HISTORY_S = DAY_S
"""How long before its opening the world began."""


class Part(enum.Enum):
    """State of a port at the opening of the world."""

    CHARGING = "charging"
    FINISHED = "finished"
    IDLE = "idle"
    BY_CHANCE = "by chance"


# A third of the ports charge for hours; the first port of a world is one of them.
PARTS = (
    Part.CHARGING,
    Part.BY_CHANCE,
    Part.FINISHED,
    Part.CHARGING,
    Part.IDLE,
    Part.BY_CHANCE,
)


@dataclass(frozen=True)
class Timetable:
    """The visits of one port, from a day before the opening on."""

    seed: int
    port_index: int
    rated_kw: float
    opening_s: int

    @property
    def part(self) -> Part:
        """Return what this port does at the opening."""
        return PARTS[self.port_index % len(PARTS)]

    def visits(self) -> Iterator[Visit]:
        """Every visit in order of arrival; they never overlap; endless."""
        blocked_from_s, blocked_to_s, staged = self._opening()
        for visit in self._pattern():
            if visit.arrive_s < self.opening_s - HISTORY_S:
                continue
            if visit.leave_s <= blocked_from_s:
                yield visit
            elif visit.arrive_s >= blocked_to_s:
                if staged is not None:
                    yield staged
                    staged = None
                yield visit

    def _pattern(self) -> Iterator[Visit]:
        first_day = (self.opening_s - HISTORY_S + SITE_UTC_OFFSET_S) // DAY_S
        for day in count(first_day):
            yield from self._visits_of(day)

    def _visits_of(self, day: int) -> Iterator[Visit]:
        random = self._random(f"day {day}")
        midnight_s = day * DAY_S - SITE_UTC_OFFSET_S
        for begin_s, end_s in _stays(random):
            arrive_s, leave_s = midnight_s + begin_s, midnight_s + end_s
            yield make_visit(random, self.port_index, self.rated_kw, arrive_s, leave_s)

    def _opening(self) -> tuple[int, int, Visit | None]:
        """Return (from, to, visit): the span kept free of other visits, and who comes then."""
        random = self._random("opening")
        now_s = self.opening_s
        if self.part is Part.CHARGING:
            arrive_s = now_s - random.randrange(10 * MINUTE_S, 90 * MINUTE_S)
            leave_s = now_s + random.randrange(5 * HOUR_S, 8 * HOUR_S)
            hours = (now_s - arrive_s) / HOUR_S + random.uniform(4.0, 5.5)
            full_kwh = hours * self.rated_kw
            staged = self._staged(random, arrive_s, leave_s, full_kwh)
            return arrive_s - _free_before_s(random), leave_s + HOUR_S, staged
        if self.part is Part.FINISHED:
            arrive_s = now_s - random.randrange(5 * HOUR_S, 6 * HOUR_S)
            leave_s = now_s + random.randrange(HOUR_S, 3 * HOUR_S)
            full_kwh = random.uniform(1.5, 3.0) * self.rated_kw
            staged = self._staged(random, arrive_s, leave_s, full_kwh)
            return arrive_s - _free_before_s(random), leave_s + HOUR_S, staged
        if self.part is Part.IDLE:
            return now_s - HOUR_S, now_s + HOUR_S, None
        return 0, 0, None

    def _staged(self, random: Random, arrive_s: int, leave_s: int, full_kwh: float) -> Visit:
        return make_visit(random, self.port_index, self.rated_kw, arrive_s, leave_s, full_kwh)

    def _random(self, purpose: str) -> Random:
        # Seeding with text is stable over processes and Python versions.
        return Random(f"{self.seed}/{self.port_index}/{purpose}")


def _free_before_s(random: Random) -> int:
    # Without quiet ports the staged visits would make the day before look too busy.
    return HISTORY_S if random.random() < 0.5 else HOUR_S


def _stays(random: Random) -> list[tuple[int, int]]:
    """Return (arrival, departure) of a day's visits, seconds from midnight at the site."""
    chance = random.random()
    if chance < 0.18:
        return []
    if chance < 0.70:
        begin_s = random.randrange(7 * HOUR_S, 10 * HOUR_S)
        return [(begin_s, begin_s + random.randrange(6 * HOUR_S, 9 * HOUR_S))]
    morning_s = random.randrange(7 * HOUR_S, 9 * HOUR_S)
    afternoon_s = random.randrange(13 * HOUR_S, 15 * HOUR_S)
    return [
        (morning_s, morning_s + random.randrange(2 * HOUR_S, 4 * HOUR_S)),
        (afternoon_s, afternoon_s + random.randrange(2 * HOUR_S, 5 * HOUR_S)),
    ]
