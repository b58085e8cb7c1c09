"""Pages of sessions of one account, newest first, for any backend.

A backend that keeps its sessions answers each page from its database. A web service is asked for
all sessions of the time once, and its answer serves the pages of the next minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias

from chargepoint_driver.backend import Backend, SessionBackend
from chargepoint_driver.process import threads
from chargepoint_driver.records import (
    EnergyReading,
    Event,
    SessionQuery,
    SessionRecord,
    Unreadable,
)

__all__ = ["SessionPages", "record_of"]

_SERVES_S = 60.0
_MAX_LISTINGS = 8
_Key: TypeAlias = "tuple[str | None, float, float | None]"
_Ask: TypeAlias = "Callable[[str | None, datetime, datetime | None], list[Event]]"


class SessionPages:
    """Pages of the sessions of a backend. From any thread."""

    def __init__(
        self, backend: Backend, ask: _Ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`ask` lists the sessions of a station (None: all) that touch a time."""
        self._backend = backend
        self._ask = ask
        self._clock = clock
        self._lock = threads.Lock()
        self._listings: dict[_Key, tuple[float, list[SessionRecord]]] = {}

    def page(self, query: SessionQuery) -> list[SessionRecord]:
        """Return the first `query.limit` sessions that the query leaves, newest first."""
        if isinstance(self._backend, SessionBackend):
            return self._backend.session_page(query)
        found = [each for each in self._listing(query) if _is_wanted(each, query)]
        if query.is_by_end:
            found.sort(key=lambda each: (-(each.end_s or 0.0), _reverse(each.session_id)))
        return [_placed(each, query) for each in found][: query.limit]

    def energy_readings(self, session_ids: Sequence[str]) -> dict[str, list[EnergyReading]]:
        """Return meter values within sessions by `sessionID`; those without any are missing."""
        if isinstance(self._backend, SessionBackend):
            return self._backend.energy_readings(session_ids)
        return {}

    def _listing(self, query: SessionQuery) -> list[SessionRecord]:
        key = query.station_id, query.since_s, query.until_s
        with self._lock:
            known = self._listings.get(key)
            if known is not None and 0 <= self._clock() - known[0] < _SERVES_S:
                return known[1]
        events = self._ask(
            query.station_id,
            _moment(query.since_s),
            None if query.until_s is None else _moment(query.until_s),
        )
        found = sorted(
            (record_of(each) for each in events),
            key=lambda each: (-each.place_s, _reverse(each.session_id)),
        )
        with self._lock:
            now_s = self._clock()
            self._listings = {
                each: listing
                for each, listing in self._listings.items()
                if 0 <= now_s - listing[0] < _SERVES_S
            }
            while len(self._listings) >= _MAX_LISTINGS:
                self._listings.pop(next(iter(self._listings)))
            self._listings[key] = now_s, found
        return found


def record_of(event: Event) -> SessionRecord:
    """Return a session that a web service listed. What cannot be read is None."""
    values = {
        name: value for name, value in event.values.items() if not isinstance(value, Unreadable)
    }
    start_s, end_s = _seconds(values.get("startTime")), _seconds(values.get("endTime"))
    energy_kwh = values.get("Energy")
    is_number = isinstance(energy_kwh, (int, float)) and not isinstance(energy_kwh, bool)
    id_tag = values.get("rfidSerialNumber") or values.get("credentialID")
    return SessionRecord(
        session_id=str(values.get("sessionID") or ""),
        station_id=event.station_id,
        port=event.port,
        id_tag=str(id_tag).strip() or None if id_tag else None,
        start_s=start_s,
        end_s=end_s,
        # An end that cannot be read is one all the same.
        has_ended=event.values.get("endTime") is not None,
        energy_wh=round(float(energy_kwh) * 1_000, 6) if is_number else None,  # type: ignore[arg-type]
        is_minimum=False,
        place_s=start_s if start_s is not None else (end_s or 0.0),
        charging_s=_duration(values.get("totalChargingDuration")),
    )


def _is_wanted(each: SessionRecord, query: SessionQuery) -> bool:
    if query.port not in (None, each.port):
        return False
    if query.id_tag is not None and _key(each.id_tag) != _key(query.id_tag):
        return False
    if query.is_by_end:
        is_after = each.end_s is not None and each.end_s >= query.since_s
        if not is_after or (query.until_s is not None and (each.end_s or 0.0) >= query.until_s):
            return False
    if query.before is None:
        return True
    place_s, last_id = query.before
    own_s = (each.end_s or 0.0) if query.is_by_end else each.place_s
    if own_s != place_s or last_id is None:
        return own_s <= place_s
    return bool(last_id) and _reverse(each.session_id) > _reverse(last_id)


def _placed(each: SessionRecord, query: SessionQuery) -> SessionRecord:
    if not query.is_by_end or each.end_s is None:
        return each
    fields: dict[str, Any] = {name: getattr(each, name) for name in SessionRecord.__slots__}
    return SessionRecord(**{**fields, "place_s": each.end_s})


def _reverse(session_id: str) -> tuple[float, list[int]]:
    """Return what sorts ids downwards: numbers by their value, other texts behind them."""
    if session_id.isdecimal() and len(session_id) < 40:
        return -float(session_id), [-ord(each) for each in session_id]
    return 1.0, [-ord(each) for each in session_id]


def _key(id_tag: str | None) -> str | None:
    return None if id_tag is None else id_tag.strip().casefold()


def _seconds(text: object) -> float | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()


def _duration(text: object) -> float | None:
    """Return the seconds of hh:mm:ss."""
    parts = text.split(":") if isinstance(text, str) else []
    if len(parts) != 3 or not all(part.isdecimal() and len(part) < 6 for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return float(hours * 3_600 + minutes * 60 + seconds) if max(minutes, seconds) < 60 else None


def _moment(time_s: float) -> datetime:
    return datetime.fromtimestamp(time_s, timezone.utc)
