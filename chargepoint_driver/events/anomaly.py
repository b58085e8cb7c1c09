"""The anomaly score: how far a charger has left its own past, by three measures that are explained.

- **Failures.** Faults that begin within the last seven days. As many as in the weeks before are
  expected, and one more. Six above that count fully.
- **Failed starts.** Sessions that ended within ten minutes with less than 0.1 kWh, as a share of
  the sessions of the last seven days. 15 % count nothing, 50 % count fully. At least five
  sessions are needed.
- **Deviation.** Of each session the highest ratio of delivered to offered power. The median over
  the last seven days is compared with the median before. A tenth below it counts nothing, half
  counts fully. At least three sessions on each side are needed. Vehicles take less than is offered
  near the end of charging, so one session shows little.

Each measure counts for half: score = 1 - product(1 - measure / 2). An unchanged charger has 0. The
weights and limits are set, not learned from a fleet. The score does not state anything about
safety.
"""

from __future__ import annotations

import json
import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chargepoint_driver.events.envelope import Event, seconds
from chargepoint_driver.process.loop_thread import native_lock

__all__ = ["ACTIONS", "AnomalyModel"]

DAY_S = 86_400.0
RECENT_S = 7 * DAY_S
WINDOW_S = 30 * DAY_S
MIN_STARTS = 5
MIN_RATIOS = 3
FAILED_S, FAILED_KWH = 600.0, 0.1
_WEIGHT = 0.5
_MAX_KEPT = 2_000
_MIN_OFFERED_KW = 0.5
_NO_ERROR = {"", "noerror", "none"}

ACTIONS = (
    "StatusNotification",
    "MeterValues",
    "StartTransaction",
    "StopTransaction",
    "TransactionEvent",
    "SessionBegin",
    "SessionEnd",
    "Alarm",
)
"""Actions whose events count."""


@dataclass
class _Session:
    """A session that runs."""

    begin_s: float
    begin_wh: float | None = None
    last_wh: float | None = None
    best_ratio: float | None = None


@dataclass
class _Record:
    """Counters of one charger. Times are those of receipt."""

    failures: deque[float] = field(default_factory=lambda: deque(maxlen=_MAX_KEPT))
    # (end, whether the start had failed)
    starts: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=_MAX_KEPT))
    # (end, highest ratio of delivered to offered power)
    ratios: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_MAX_KEPT))
    faulty: set[int | None] = field(default_factory=set)
    running: dict[int | None, _Session] = field(default_factory=dict)


class AnomalyModel:
    """Takes events in order, and scores chargers. From any thread."""

    def __init__(self) -> None:
        self._records: dict[str, _Record] = {}
        self._lock = native_lock()

    def take(self, event: Event) -> None:
        """Take in an event of a charger; those that say nothing are left out."""
        if event.action not in ACTIONS:
            return
        if event.action == "MeterValues" and '"offered_' not in event.data_text:
            return
        try:
            data = json.loads(event.data_text)
        except ValueError:
            return
        if not isinstance(data, dict):
            return
        with self._lock:
            self._take(self._records.setdefault(event.station, _Record()), event, data)

    def forget(self, station: str) -> None:
        """Forget a charger."""
        with self._lock:
            self._records.pop(station, None)

    def assess(self, station: str, now_s: float) -> dict[str, Any] | None:
        """Return {"score", "inputs"} of a charger; None where too little is known of it."""
        with self._lock:
            record = self._records.get(station)
            if record is None:
                return None
            return _assess(record, now_s)

    # ---- inside --------------------------------------------------------------------------

    def _take(self, record: _Record, event: Event, data: Mapping[str, Any]) -> None:
        at_s, connector, action = event.received_s, event.connector, event.action
        if action == "StatusNotification":
            _status(record, at_s, connector, data)
        elif action == "Alarm":
            record.failures.append(at_s)
        elif action == "StartTransaction":
            record.running[connector] = _Session(event.time_s, _number(data.get("meterStart")))
        elif action == "StopTransaction":
            _end(record, at_s, connector, event.time_s, _number(data.get("meterStop")))
        elif action == "MeterValues":
            session = record.running.get(connector)
            if session is not None:
                _measure(session, data.get("samples"))
        elif action == "TransactionEvent":
            _transaction_event(record, event, data)
        elif action == "SessionBegin":
            record.running[connector] = _Session(event.time_s)
        elif action == "SessionEnd":
            begin_s = _seconds(data.get("start"))
            if begin_s is not None:
                record.running[connector] = _Session(begin_s, 0.0)
            kwh = _number(data.get("energy_kwh"))
            _end(record, at_s, connector, event.time_s, None if kwh is None else 1_000 * kwh)


def _status(record: _Record, at_s: float, connector: int | None, data: Mapping[str, Any]) -> None:
    words = (data.get("errorCode"), data.get("vendorErrorCode"))
    status = data.get("status", data.get("connectorStatus"))
    is_faulty = status == "Faulted" or any(
        isinstance(word, str) and word.strip().lower() not in _NO_ERROR for word in words
    )
    if is_faulty and connector not in record.faulty:
        record.failures.append(at_s)
        record.faulty.add(connector)
    elif not is_faulty:
        record.faulty.discard(connector)


def _transaction_event(record: _Record, event: Event, data: Mapping[str, Any]) -> None:
    kind, connector = data.get("eventType"), event.connector
    if kind == "Started" or connector not in record.running:
        record.running[connector] = _Session(event.time_s)
    session = record.running[connector]
    _measure(session, data.get("samples"))
    if kind == "Ended":
        _end(record, event.received_s, connector, event.time_s, session.last_wh)


def _measure(session: _Session, samples: object) -> None:
    for each in samples if isinstance(samples, list) else ():
        values = each.get("values") if isinstance(each, dict) else None
        if not isinstance(values, dict):
            continue
        register = _number(values.get("energy_wh"))
        if register is not None:
            session.begin_wh = register if session.begin_wh is None else session.begin_wh
            session.last_wh = register
        load, offered = _number(values.get("load_kw")), _offered_kw(values)
        if load is not None and offered is not None and offered >= _MIN_OFFERED_KW:
            session.best_ratio = max(session.best_ratio or 0.0, min(load / offered, 1.0))


def _offered_kw(values: Mapping[str, Any]) -> float | None:
    """Return the power that a charger offers; by current only where its own current is known."""
    offered = _number(values.get("offered_kw"))
    if offered is not None:
        return offered
    offered_a, current_a = _number(values.get("offered_a")), _number(values.get("current_a"))
    load = _number(values.get("load_kw"))
    if offered_a is None or not current_a or load is None:
        return None
    return load * offered_a / current_a


def _end(
    record: _Record, at_s: float, connector: int | None, time_s: float, end_wh: float | None
) -> None:
    session = record.running.pop(connector, None)
    if session is None:
        return
    if session.best_ratio is not None:
        record.ratios.append((at_s, session.best_ratio))
    if end_wh is None or session.begin_wh is None:
        return  # what it delivered is not known
    is_short = time_s - session.begin_s <= FAILED_S
    is_empty = end_wh - session.begin_wh < 1_000 * FAILED_KWH
    record.starts.append((at_s, is_short and is_empty))


def _assess(record: _Record, now_s: float) -> dict[str, Any] | None:
    recent_s, oldest_s = now_s - RECENT_S, now_s - WINDOW_S
    failures = sum(at_s >= recent_s for at_s in record.failures)
    earlier = sum(oldest_s <= at_s < recent_s for at_s in record.failures)
    starts = [failed for at_s, failed in record.starts if at_s >= recent_s]
    ratios = [ratio for at_s, ratio in record.ratios if at_s >= recent_s]
    before = [ratio for at_s, ratio in record.ratios if oldest_s <= at_s < recent_s]
    if len(starts) < MIN_STARTS and not failures:
        return None
    expected = earlier * RECENT_S / (WINDOW_S - RECENT_S)
    measures = {"failures": _between(failures - expected, 1.0, 7.0)}
    inputs: dict[str, Any] = {
        "failures_in_7_days": failures,
        "failures_expected": round(expected, 2),
        "days_between_failures": round(RECENT_S / DAY_S / failures, 2) if failures else None,
        "failed_starts_share": None,
        "delivered_to_offered": None,
        "delivered_to_offered_before": None,
    }
    if len(starts) >= MIN_STARTS:
        share = sum(starts) / len(starts)
        inputs["failed_starts_share"] = round(share, 3)
        measures["failed_starts"] = _between(share, 0.15, 0.5)
    if len(ratios) >= MIN_RATIOS and len(before) >= MIN_RATIOS:
        now, was = statistics.median(ratios), statistics.median(before)
        inputs["delivered_to_offered"] = round(now, 3)
        inputs["delivered_to_offered_before"] = round(was, 3)
        measures["deviation"] = _between(1 - now / was, 0.1, 0.5) if was > 0 else 0.0
    inputs["measures"] = {name: round(value, 3) for name, value in measures.items()}
    return {"score": round(_combine(measures.values()), 4), "inputs": inputs}


def _combine(measures: Iterable[float]) -> float:
    rest = 1.0
    for measure in measures:
        rest *= 1 - _WEIGHT * measure
    return 1 - rest


def _between(value: float, nothing: float, fully: float) -> float:
    """Return 0 up to one limit, 1 from the other on, and what lies between them."""
    return min(1.0, max(0.0, (value - nothing) / (fully - nothing)))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _seconds(text: object) -> float | None:
    try:
        return seconds(text) if isinstance(text, str) else None
    except ValueError:
        return None
