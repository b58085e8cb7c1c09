"""OpenADR-style events and the limit that results; messages: docs/how-to/demand-response.md.

Knows no VOLTTRON, and time is passed in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chargepoint_driver.demand_response import ven_messages
from chargepoint_driver.demand_response.ven_messages import Period

__all__ = ["Events"]

MAX_LENGTH = timedelta(days=31)
MAX_EVENTS = 1_000
KINDS = ("level", "price", "kw", "percent")
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


@dataclass(frozen=True)
class ShedEvent:
    """One event: its periods with the limit in kW of each, None where it asks for nothing. The
    higher `rank` replaces the lower: (modification, whether it is cancelled)."""

    rank: tuple[int, bool]
    periods: tuple[tuple[datetime, datetime, float | None], ...]

    @property
    def start(self) -> datetime:
        return min(start for start, _, _ in self.periods)

    @property
    def end(self) -> datetime:
        return max(end for _, end, _ in self.periods)

    def kw(self, now: datetime) -> float | None:
        """Return the lowest limit of the periods that last; None for none."""
        lasting = [kw for start, end, kw in self.periods if start <= now < end and kw is not None]
        return min(lasting, default=None)


class Events:
    """The events that are not over."""

    def __init__(self, settings: dict[str, Any], messages: Iterable[Any], now: datetime) -> None:
        """`messages`: those of an earlier run, as `self.messages` had them."""
        self._tables = {"level": settings["levels"], "price": settings["prices"]}
        self._rated_kw: float | None = settings.get("rated_kw")
        self._events: dict[str, ShedEvent] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        for message in messages:
            self.take(message, now)

    def take(self, message: Any, now: datetime) -> str:
        """Take a message; return its result: accepted, late, over, cancelled, known (nothing new),
        test (nothing is done), or malformed and why."""
        try:
            if ven_messages.is_of_ven(message) and ven_messages.is_test(message):
                return "test"
            name, event = self._parse(message, now)
        except KeyError as error:
            return f"malformed: {error} is missing"
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            return f"malformed: {error}"
        known = self._events.get(name)
        if known is not None and event.rank <= known.rank:
            return "known"
        if known is None and len(self._events) >= MAX_EVENTS:
            return f"malformed: {MAX_EVENTS} events are waiting already"
        self._events[name], self.messages[name] = event, message
        return "cancelled" if event.rank[1] else _age(event, now)

    def allowed_kw(self, now: datetime) -> float | None:
        """Return the lowest limit of the events that last now; None for none. Forgets what is
        over."""
        for name in [name for name, event in self._events.items() if event.end <= now]:
            del self._events[name], self.messages[name]
        lasting = [event.kw(now) for event in self._events.values()]
        return min((kw for kw in lasting if kw is not None), default=None)

    def _parse(self, message: Any, now: datetime) -> tuple[str, ShedEvent]:
        name = ven_messages.name_of(message)
        if ven_messages.is_of_ven(message):
            rank = ven_messages.rank_of(message)
        else:
            name = message["event_id"]
            rank = message.get("modification", 0), message.get("status") == "cancelled"
            if message.get("status", "active") not in ("active", "cancelled"):
                raise ValueError(f"status is {message['status']!r}; write active or cancelled")
        if not isinstance(name, str) or not name or type(rank[0]) is not int:
            raise ValueError("event_id must be a text, modification a whole number")
        if rank[1]:
            # Remembered for a while: an older message of the event may come after it.
            return name, ShedEvent(rank, ((now, now + MAX_LENGTH, None),))
        if ven_messages.is_of_ven(message):
            periods = ven_messages.periods_of(message, MAX_LENGTH)
        else:
            periods = [_period(message)]
        for period in periods:
            if not timedelta(0) < period.end - period.start <= MAX_LENGTH:
                raise ValueError(f"it must last up to {MAX_LENGTH.days} days")
        return name, ShedEvent(
            rank, tuple((each.start, each.end, self._limit(each)) for each in periods)
        )

    def _limit(self, period: Period) -> float | None:
        """Return the limit in kW of a period; None where it asks for nothing."""
        value = period.value
        if period.kind == "kw":
            return max(value, 0.0)
        if period.kind == "percent":
            if self._rated_kw is None:
                raise ValueError(f"{value:g} per cent needs rated_kw in the config of the agent")
            return self._rated_kw * max(value, 0.0) / 100
        table = self._tables[period.kind].items()
        steps = sorted((float(step), float(kw)) for step, kw in table)
        return next((kw for step, kw in reversed(steps) if value >= step), None)


def _age(event: ShedEvent, now: datetime) -> str:
    return "over" if event.end <= now else "late" if event.start < now else "accepted"


def _period(message: dict[str, Any]) -> Period:
    """Return what a message of the own form asks for."""
    start = datetime.fromisoformat(message["start"].replace("Z", "+00:00"))
    parts = DURATION.fullmatch(message["duration"])
    if start.tzinfo is None or parts is None:
        raise ValueError("start needs a time zone, and duration is written like PT1H30M")
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    length = timedelta(days, seconds, 0, 0, minutes, hours)
    kinds = [kind for kind in KINDS if kind in message]
    if not timedelta(0) < length <= MAX_LENGTH or len(kinds) != 1:
        raise ValueError(
            f"it must last up to {MAX_LENGTH.days} days and have a level or a price, or kw, or "
            "percent"
        )
    value = message[kinds[0]]
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{kinds[0]} must be a number")
    if value < 0 and kinds[0] in ("kw", "percent"):
        raise ValueError(f"{kinds[0]} must not be below 0")
    return Period(start, start + length, kinds[0], float(value))
