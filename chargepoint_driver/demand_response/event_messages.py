"""OpenADR-style events and the limit that they come to; docs/demand-response.md has the messages.

Knows no VOLTTRON, and time is passed in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

__all__ = ["Events"]

LONGEST = timedelta(days=31)
MOST_EVENTS = 1_000
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


@dataclass(frozen=True)
class ShedEvent:
    """One event; `kw` None when it asks for nothing. The higher `rank` replaces the lower:
    (modification, whether it is cancelled)."""

    rank: tuple[int, bool]
    start: datetime
    end: datetime
    kw: float | None


class Events:
    """The events that are not over."""

    def __init__(self, settings: dict[str, Any], messages: Iterable[Any], now: datetime) -> None:
        """`messages`: those of an earlier run, as `self.messages` had them."""
        self._tables = {"level": settings["levels"], "price": settings["prices"]}
        self._events: dict[str, ShedEvent] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        for message in messages:
            self.take(message, now)

    def take(self, message: Any, now: datetime) -> str:
        """What becomes of a message: accepted, late, over, cancelled, known (nothing new), or
        malformed and why."""
        try:
            name, event = self._parse(message, now)
        except KeyError as error:
            return f"malformed: {error} is missing"
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            return f"malformed: {error}"
        known = self._events.get(name)
        if known is not None and event.rank <= known.rank:
            return "known"
        if known is None and len(self._events) >= MOST_EVENTS:
            return f"malformed: {MOST_EVENTS} events are waiting already"
        self._events[name], self.messages[name] = event, message
        if event.rank[1]:
            return "cancelled"
        return "over" if event.end <= now else "late" if event.start < now else "accepted"

    def allowed_kw(self, now: datetime) -> float | None:
        """The lowest limit of the events that last now; None for none. Forgets what is over."""
        for name in [name for name, event in self._events.items() if event.end <= now]:
            del self._events[name], self.messages[name]
        lasting = [event.kw for event in self._events.values() if event.start <= now]
        return min((kw for kw in lasting if kw is not None), default=None)

    def _parse(self, message: Any, now: datetime) -> tuple[str, ShedEvent]:
        name, modification = message["event_id"], message.get("modification", 0)
        if not isinstance(name, str) or not name or type(modification) is not int:
            raise ValueError("event_id must be a text, modification a whole number")
        status = message.get("status", "active")
        if status not in ("active", "cancelled"):
            raise ValueError(f"status is {status!r}; write active or cancelled")
        if status == "cancelled":
            # Remembered for a while: an older message of the event may come after it.
            return name, ShedEvent((modification, True), now, now + LONGEST, None)
        start = datetime.fromisoformat(message["start"].replace("Z", "+00:00"))
        parts = DURATION.fullmatch(message["duration"])
        if start.tzinfo is None or parts is None:
            raise ValueError("start needs a time zone, and duration is written like PT1H30M")
        days, hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        length = timedelta(days, seconds, 0, 0, minutes, hours)
        if not timedelta(0) < length <= LONGEST or ("level" in message) == ("price" in message):
            raise ValueError(f"it must last up to {LONGEST.days} days and have a level or a price")
        kind = "level" if "level" in message else "price"
        value = message[kind]
        if isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"{kind} must be a number")
        steps = sorted((float(step), float(kw)) for step, kw in self._tables[kind].items())
        kw = next((kw for step, kw in reversed(steps) if value >= step), None)
        return name, ShedEvent((modification, False), start, start + length, kw)
