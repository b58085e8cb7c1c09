"""Alerts for stations: out of reach for long, faulted, or with a new alarm."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from chargepoint_driver.catalogue import Data
from chargepoint_driver.records import StationRecord, Unreadable
from chargepoint_driver.text import get_logger

__all__ = ["StationAlerts"]

_log = get_logger(__name__)

_WATCHED = frozenset({Data.STATUS, Data.ALARMS})
# What stands where there is no fault, and the alarm that ends another.
_NO_FAULT = {None, "", "NONE", "NoError"}
_ALL_WELL = {None, "", "Reachable"}

Key = tuple[str, int | None, str]
"""Station, port (None: the whole station), and what is wrong, as one word."""


class StationAlerts:
    """Alerts about stations from polls: each is raised once until it is resolved.

    A call that fails has no news of a station: it neither raises nor resolves anything.
    """

    WATCHED = _WATCHED
    """What of a station is looked at."""

    def __init__(
        self,
        now: Callable[[], float],
        minutes: float,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`now`: the time of day in seconds since 1970. `clock`: monotonic seconds; by default the
        system's, or `now` where that is another clock. `minutes`: how long a station may be out
        of reach; 0 raises no alert of any kind."""
        self._now = now
        self._clock = clock or (time.monotonic if now is time.time else now)
        self._lock = Lock()
        self._records: dict[tuple[Data, str], StationRecord] = {}
        self._seen: set[tuple[Data, str]] = set()
        self._out_since_s: dict[str, float] = {}
        self._raised: set[Key] = set()
        self.minutes = minutes
        self.host: Callable[[str, str], None] | None = None
        # Called with "Alarm" or "AlarmOver", station, port, what it is about and what happened.
        self.on_event: Callable[[str, str, int | None, str, str], None] | None = None

    def observe(self, data: Data, record: StationRecord, age_s: float) -> None:
        """Take in what is reported of a station, `age_s` seconds ago."""
        is_wanted = self.host is not None or self.on_event is not None
        if not is_wanted or data not in _WATCHED or not self.minutes:
            return
        station = record.station_id
        with self._lock:
            is_first = (data, station) not in self._seen
            self._seen.add((data, station))
            if self._records.get((data, station)) is record and station not in self._out_since_s:
                return
            self._records[data, station] = record
            if data is Data.ALARMS:
                found = self._alarms(record, is_first=is_first)
                kind = "alarm "
            else:
                found = {**self._out_of_reach(record, age_s), **_faults(record)}
                kind = "state "
            new = [(key, what) for key, what in found.items() if key not in self._raised]
            ours = {key for key in self._raised if key[0] == station and key[2].startswith(kind)}
            resolved = ours - found.keys()
            self._raised -= resolved
            self._raised |= found.keys()
        for key in resolved:
            _log.info("%s: resolved: %s", _place(key), key[2].removeprefix(kind))
            self._notify("AlarmOver", key, key[2].removeprefix(kind))
        for key, what in new:
            if what:
                self._raise(key, what)

    def _raise(self, key: Key, what: str) -> None:
        about = _place(key)
        _log.error("%s: %s", about, what)
        self._notify("Alarm", key, what)
        if self.host is None:
            return
        try:
            self.host(about, what)
        except Exception:  # noqa: BLE001 - the host's, logged
            _log.exception("the alert could not be raised; the next poll tries again")
            with self._lock:
                self._raised.discard(key)
                self._records.clear()  # so that the same record counts again

    def _notify(self, action: str, key: Key, text: str) -> None:
        if self.on_event is not None:
            try:
                self.on_event(action, key[0], key[1], _place(key), text)
            except Exception:  # noqa: BLE001 - the event stream's, logged
                _log.exception("the event of an alert could not be stored")

    def _out_of_reach(self, record: StationRecord, age_s: float) -> dict[Key, str]:
        station, now_s, clock_s = record.station_id, self._now(), self._clock()
        if not _is_out(record):
            self._out_since_s.pop(station, None)
            return {}
        # By the monotonic clock, so that no setting of the time of day hides or makes an alert.
        seen_s = self._out_since_s.setdefault(station, clock_s - age_s) - clock_s + now_s
        contact_s = _last_contact_s(record)
        # A clock of the station's that runs ahead must not hide it.
        since_s = seen_s if contact_s is None else min(seen_s, contact_s)
        minutes = (now_s - since_s) / 60
        if minutes <= self.minutes:
            return {}
        since = datetime.fromtimestamp(since_s, timezone.utc).isoformat(timespec="seconds")
        return {
            (station, None, "state out of reach"): f"out of reach for {minutes:.0f} minutes, "
            f"since {since}; see that it has power and a network"
        }

    def _alarms(self, record: StationRecord, *, is_first: bool) -> dict[Key, str]:
        """Return the alarms that nobody has cleared. Those that are there at the first look are
        known, not new: they raise nothing, which "" stands for."""
        found: dict[Key, str] = {}
        for port, values in _places(record):
            kind, time = _text(values.get("alarmType")), _text(values.get("alarmTime"))
            if kind not in _ALL_WELL:
                is_old = is_first and not self._is_recent(time)
                what = f"alarm {kind}{f', since {time}' if time else ''}"
                found[record.station_id, port, f"alarm {kind}"] = "" if is_old else what
        return found

    def _is_recent(self, time: str | None) -> bool:
        """Return True if an alarm is younger than what counts as long."""
        began_s = _seconds(time)
        return began_s is not None and self._now() - began_s <= 60 * self.minutes


def _places(record: StationRecord) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    """Each port, and the station where it alone has values."""
    yield from record.ports.items()
    if record.other_ports:
        yield None, record.other_ports
    elif not record.ports:
        yield None, record.values


def _is_out(record: StationRecord) -> bool:
    """Return True if the service or the central system does not reach it."""
    network = record.values.get("networkStatus")
    return (
        record.values.get("Status") == "UNREACHABLE"
        or any(values.get("Status") == "UNREACHABLE" for values in record.ports.values())
        or (isinstance(network, str) and network not in _ALL_WELL)
    )


def _last_contact_s(record: StationRecord) -> float | None:
    each = [record.values, *record.ports.values()]
    found = [
        _seconds(_text(values.get(name))) for values in each for name in ("TimeStamp", "lastSeen")
    ]
    known = [time_s for time_s in found if time_s is not None]
    return max(known, default=None)


def _faults(record: StationRecord) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for port, values in _places(record):
        fault = _text(values.get("faultReason"))
        if fault in _NO_FAULT and values.get("ocppStatus") == "Faulted":
            code = _text(values.get("errorCode"))
            fault = "no error code" if code in _NO_FAULT else code
        if fault not in _NO_FAULT:
            what = f"faulted ({fault}); see the charger"
            found[record.station_id, port, "state faulted"] = what
    return found


def _text(value: object) -> str | None:
    if isinstance(value, Unreadable):
        return None if value.is_damaged else value.text
    return value if isinstance(value, str) else None


def _seconds(text: str | None) -> float | None:
    """ISO 8601 as seconds since 1970; None for what is not a time."""
    try:
        return datetime.fromisoformat((text or "").replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _place(key: Key) -> str:
    station, port, _ = key
    return f"station {station}" if port is None else f"station {station} port {port}"
