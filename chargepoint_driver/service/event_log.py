"""Events from polls, commands and alerts of an account."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from chargepoint_driver.backend import Target
from chargepoint_driver.catalogue import Data
from chargepoint_driver.events.envelope import iso
from chargepoint_driver.events.live_status import finish
from chargepoint_driver.process.loop_thread import native_lock
from chargepoint_driver.records import StationRecord, Unreadable, Value, Values
from chargepoint_driver.service.shed_control.records.command_state import CommandState, Status

__all__ = ["EventLog", "shed_of"]

_WATCHED = frozenset({Data.STATUS, Data.LOAD, Data.ALARMS, Data.SESSIONS})
_HOUR_S = 3_600.0
# Network statuses of a station that the service reaches.
_REACHED = {None, "", "Reachable"}
_NO_ALARM = {None, "", "Reachable"}
_OPERATIVE = {"AVAILABLE", "INUSE"}


class Add(Protocol):
    """Takes an event."""

    def __call__(
        self,
        action: str,
        station: str,
        connector: int | None,
        data: dict[str, Any],
        *,
        time_s: float | None = None,
    ) -> None:
        """See `Outbox.add`."""


class EventLog:
    """Compares what comes with what came before, and adds an event for each change.

    With `of_polls` the records of polls count too. A backend whose chargers are connected to it
    has events of its own, and needs none of polls.
    """

    def __init__(
        self,
        add: Add,
        *,
        of_polls: bool,
        now: Callable[[], float] = time.time,
        account: str = "",
        anomaly: Callable[[str], dict[str, Any] | None] = lambda station: None,  # noqa: ARG005
    ) -> None:
        """`anomaly` gives the score of a station; None where it is not known."""
        self._add = add
        self._of_polls = of_polls
        self._now = now
        self._account = account
        self._anomaly = anomaly
        # The relay asks for documents on a real thread, also under gevent.
        self._lock = native_lock()
        self._records: dict[str, dict[Data, tuple[StationRecord, float]]] = {}
        self._reported: dict[tuple[str, str, int | None], dict[str, Any]] = {}
        self._sheds: dict[Target, dict[str, Any]] = {}
        self.touched: set[str] = set()

    # ---- polls ---------------------------------------------------------------------------

    def observe(self, data: Data, record: StationRecord, age_s: float) -> None:
        """Take in what is reported of a station, `age_s` seconds ago."""
        if not self._of_polls or data not in _WATCHED:
            return
        station = record.station_id
        with self._lock:
            known = self._records.setdefault(station, {})
            before = known.get(data)
            known[data] = record, self._now() - age_s
            self.touched.add(station)
            if before is not None and before[0] is record:
                return
            changes = [
                (action, port, content, time_s)
                for port, values in record.ports.items()
                for action, content, time_s in _changes(data, values)
                if self._is_change(action, station, port, content)
            ]
        for action, port, content, time_s in changes:
            self._add(action, station, port, content, time_s=time_s)

    def _is_change(self, action: str, station: str, port: int, data: dict[str, Any]) -> bool:
        key = action, station, port
        before = self._reported.get(key)
        self._reported[key] = dict(data)
        if action == "StatusChange":
            data["before"] = None if before is None else before["status"]
        return before is None or before != self._reported[key]

    # ---- commands and alerts -------------------------------------------------------------

    def sheds(self, news: Mapping[Target, CommandState | None]) -> None:
        """Take in the results of commands."""
        for target, state in news.items():
            data = shed_of(state)
            with self._lock:
                if self._sheds.get(target) == data:
                    continue
                self._sheds[target] = data
                if state is None:
                    del self._sheds[target]
            if target.group is not None:
                data = {**data, "group": target.group}
            self._add("Shed", target.station_id, target.port, data)

    def alarm(self, action: str, station: str, port: int | None, about: str, text: str) -> None:
        """Take in an alert that is raised (`Alarm`) or over (`AlarmOver`)."""
        self.touched.add(station)
        self._add(action, station, port, {"about": about, "text": text})

    # ---- the latest status ---------------------------------------------------------------

    def stations(self) -> list[str]:
        """Return the stations that polls have shown."""
        with self._lock:
            return sorted(self._records)

    def take_touched(self) -> list[str]:
        """Return, once, the stations with news."""
        found = []
        while True:
            try:
                found.append(self.touched.pop())
            except KeyError:
                return found

    def document(self, station: str) -> dict[str, Any] | None:
        """Return the latest status of a station (see `events.live_status`)."""
        with self._lock:
            known = dict(self._records.get(station, {}))
        if not known:
            return None
        return _document(station, self._account, known, self._now(), self._anomaly(station))


def shed_of(state: CommandState | None) -> dict[str, Any]:
    """Return the content of the event `Shed` for what is commanded of a target."""
    limit = None
    if state is None:
        status = Status.NONE
    elif state.doubt is not None:
        status, limit = Status.PENDING, state.doubt.limit
    elif state.failed:
        status = Status.FAILED
    elif state.limit is None:
        status = Status.RELEASED if state.seen else Status.PENDING
    elif state.expired:
        status, limit = Status.EXPIRED, state.limit
    elif state.contested:
        status, limit = Status.CONTESTED, state.limit
    else:
        limit = state.limit
        unseen = Status.ADOPTED if state.adopted else Status.PENDING
        status = Status.IN_FORCE if state.seen else unseen
    return {
        "status": status.value,
        "allowed_load_kw": None if limit is None else limit.allowed_load_kw,
        "percent_shed": None if limit is None else limit.percent_shed,
        "group": None if state is None else state.group,
        "note": "" if state is None else state.note,
    }


def _changes(data: Data, values: Values) -> Iterable[tuple[str, dict[str, Any], float | None]]:
    """Yield (action, content, when) of what is reported of a port."""
    if data is Data.STATUS:
        status = _plain(values, "Status")
        yield "StatusChange", {"status": status}, _seconds(_plain(values, "TimeStamp"))
    elif data is Data.LOAD:
        yield (
            "LoadChange",
            {
                "load_kw": _plain(values, "portLoad"),
                "allowed_load_kw": _plain(values, "allowedLoad"),
                "percent_shed": _plain(values, "percentShed"),
                "shed_state": _plain(values, "shedState"),
            },
            None,
        )
    elif data is Data.SESSIONS:
        session = _plain(values, "sessionID")
        if session not in (None, "", 0, "0"):
            start, end = _plain(values, "startTime"), _plain(values, "endTime")
            content = {"session_id": session, "start": start, "end": end}
            if end is None:
                yield "SessionBegin", content, _seconds(start)
            else:
                content["energy_kwh"] = _plain(values, "Energy")
                yield "SessionEnd", content, _seconds(end)


def _document(
    station: str,
    account: str,
    known: Mapping[Data, tuple[StationRecord, float]],
    now_s: float,
    anomaly: Mapping[str, Any] | None,
) -> dict[str, Any]:
    statuses = _ports(known, Data.STATUS)
    loads, alarms = _ports(known, Data.LOAD), _ports(known, Data.ALARMS)
    whole = known[Data.ALARMS][0].other_ports if Data.ALARMS in known else None
    words = [_plain(values, "Status") for values in statuses.values()]
    record = known[Data.STATUS][0] if Data.STATUS in known else None
    network = None if record is None else _plain(record.values, "networkStatus")
    is_out = "UNREACHABLE" in words or network not in _REACHED
    recent = [
        str(kind)
        for values in (*alarms.values(), whole or {})
        if (kind := _plain(values, "alarmType")) not in _NO_ALARM
        and (began_s := _seconds(_plain(values, "alarmTime"))) is not None
        and now_s - began_s < _HOUR_S
    ]
    faults = [
        str(fault)
        for values in statuses.values()
        if (fault := _plain(values, "faultReason")) not in (None, "", "NONE")
    ]
    contacts = [
        time_s
        for values in statuses.values()
        if (time_s := _seconds(_plain(values, "TimeStamp"))) is not None
    ]
    known_words = [word for word in words if word is not None]
    available = None
    if is_out:
        available = -1
    elif known_words:
        available = 1 if "AVAILABLE" in known_words or "INUSE" in known_words else -1
    reasons = ["out of reach"] if is_out else []
    reasons += [f"alarm {kind}" for kind in dict.fromkeys(recent)]
    reasons += [f"fault {fault}" for fault in dict.fromkeys(faults)]
    if known_words and not any(word in _OPERATIVE for word in known_words) and not is_out:
        reasons.append("an inoperative status")
    needs = bool(recent or faults)
    load_kw: float | None = 0.0
    for values in loads.values():
        load = _plain(values, "portLoad")
        load_kw = None if load is None or load_kw is None else load_kw + float(load)
    status: dict[str, Any] = {
        "charge_point_id": station,
        "account": account,
        "last_message_timestamp": iso(max(contacts)) if contacts else None,
        "available_for_charging": available,
        # Without alarms and statuses nothing is known of it.
        "requires_maintenance": (1 if needs else -1) if Data.ALARMS in known or needs else None,
        "connected": not is_out if known_words else None,
        "status": _word(known_words, is_out=is_out),
        "load_kw": load_kw if loads else None,
        "read_at": iso(min(time_s for _, time_s in known.values())),
        "connectors": [
            {
                "connector_id": port,
                "status": _plain(statuses.get(port, {}), "Status"),
                "load_kw": _plain(loads.get(port, {}), "portLoad"),
                "alarm": _plain(alarms.get(port, {}), "alarmType"),
            }
            for port in sorted({*statuses, *loads, *alarms})
        ],
    }
    if not known_words:
        reasons.append("its status is not known")
    return finish(
        status,
        reasons=reasons,
        faulted=bool(faults),
        errors=bool(recent),
        vendor_errors=False,
        anomaly=anomaly,
    )


def _ports(known: Mapping[Data, tuple[StationRecord, float]], data: Data) -> Mapping[int, Values]:
    return known[data][0].ports if data in known else {}


def _word(words: list[Any], *, is_out: bool) -> str:
    if is_out:
        return "UNREACHABLE"
    return next((word for word in ("AVAILABLE", "INUSE") if word in words), "UNKNOWN")


def _plain(values: Values, name: str) -> Any:
    """Return a value; None for what is not reported, or cannot be read."""
    value: Value | Unreadable = values.get(name)
    if isinstance(value, Unreadable) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def _seconds(text: object) -> float | None:
    """Return ISO 8601 as seconds since 1970; None for a text that is not a time."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
