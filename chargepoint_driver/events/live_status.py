"""The latest status of charge points as documents, and the feed of those that change.

The fields are those of the project's document on live status, and more. A document:

    {"charge_point_id": "CP1", "account": "ocpp",
     "last_message_timestamp": "2026-07-01T12:00:00Z",  # None: nothing ever came
     "composite_status": "up", "composite_reasons": [],  # what makes it "down", in words
     "available_for_charging": 1,                     # 1 yes, -1 no, None not known
     "requires_maintenance": -1,                      # 1 yes, -1 no, None not known
     "maintenance_probability": 0.01, "maintenance_inputs": {...},  # None: not known
     "anomaly_score": 0.0, "anomaly_inputs": {...},   # None: too little is stored
     "connected": true, "status": "AVAILABLE", "load_kw": 7.2,
     "as_of": "2026-07-01T12:00:05.000Z",             # older than ten minutes: nobody writes it
     "connectors": [{"connector_id": 1, "status": ..., ...}]}
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from chargepoint_driver.events.sinks.base import Status

__all__ = ["ANOMALY_LIMIT", "StatusFeed", "finish", "maintenance"]

ANOMALY_LIMIT = 0.05
"""An anomaly score of this, or more, makes a charge point `down`, as the document has it."""

_SWEEP_S = 60.0
_CONTACT_EVERY_S = 30.0
# A document is sent again after this, so that its `as_of` shows that it is still written.
_AGAIN_S = 300.0
# Threads that serve chargers wait while documents are made: after this many they have their turn.
_STEP = 20
_REST_S = 0.002
# A document of this age is handed over as it is: what changed since then is found again.
_FRESH_S = 1.0
# What each input alone contributes to the need for maintenance, as a probability.
_WEIGHTS = {
    "faulted": 0.9,
    "error_in_last_hour": 0.6,
    "vendor_error_in_last_hour": 0.5,
    "anomaly": 0.8,
}
_PRIOR = 0.01


def maintenance(
    *, faulted: bool, errors: bool, vendor_errors: bool, anomaly: float | None
) -> tuple[float, dict[str, float]]:
    """Return the probability that a charge point requires maintenance, and its inputs.

    Each input counts as independent evidence: 1 - (1 - prior) * product(1 - weight * input). The
    weights are set, not learned: faulted 0.9, an error in the last hour 0.6, a vendor error 0.5,
    anomaly 0.8 times its score; without any it is 0.01.
    """
    inputs = {
        "faulted": float(faulted),
        "error_in_last_hour": float(errors),
        "vendor_error_in_last_hour": float(vendor_errors),
    }
    if anomaly is not None:
        inputs["anomaly"] = anomaly
    rest = 1 - _PRIOR
    for name, value in inputs.items():
        rest *= 1 - _WEIGHTS[name] * value
    return round(1 - rest, 4), inputs


def finish(
    status: Status,
    *,
    reasons: Iterable[str],
    faulted: bool,
    errors: bool,
    vendor_errors: bool,
    anomaly: Mapping[str, Any] | None,
) -> Status:
    """Add to a document what is computed: composite status, maintenance and anomaly.

    `anomaly` is {"score", "inputs"}; None where too little is stored.
    """
    score = None if anomaly is None else float(anomaly["score"])
    why = list(reasons)
    if score is not None and score >= ANOMALY_LIMIT:
        why.append(f"anomaly score {score:.2f}")
    probability, inputs = maintenance(
        faulted=faulted, errors=errors, vendor_errors=vendor_errors, anomaly=score
    )
    status["composite_status"] = "down" if why else "up"
    status["composite_reasons"] = why
    status["maintenance_probability"] = probability
    status["maintenance_inputs"] = inputs
    status["anomaly_score"] = score
    status["anomaly_inputs"] = None if anomaly is None else dict(anomaly["inputs"])
    return status


class StatusFeed:
    """Finds the documents that have changed. For the relay's loop."""

    def __init__(
        self,
        known: Callable[[], list[str]],
        make: Callable[[str], Status | None],
        touched: Callable[[], list[str]],
        *,
        is_elsewhere: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`known` lists the charge points, `make` makes a document (None: not known any more),
        `touched` hands over, once, those with news. `is_elsewhere` tells those that another
        process has now from those that are not known any more. All four may be called from any
        thread."""
        self._known = known
        self._make = make
        self._touched = touched
        self._is_elsewhere = is_elsewhere
        self._clock = clock
        self._sent: dict[str, tuple[Status, float]] = {}
        self._pending: list[str] = []
        self._late: dict[str, None] = {}  # of these only the time of the last message changed
        self._swept_s = clock()

    def known(self) -> list[str]:
        """Return every charge point."""
        return self._known()

    async def statuses(self, stations: Sequence[str]) -> AsyncIterator[tuple[str, Status | None]]:
        """Yield charge points with their documents; None for one that is not known any more. Those
        that another process has are left out."""
        for count, station in enumerate(stations):
            sent = self._sent.get(station)
            if sent is not None and self._clock() - sent[1] < _FRESH_S:
                yield station, sent[0]
                continue
            await _rest(count)
            status = self._make(station)
            if status is not None or not self._is_elsewhere(station):
                yield station, status

    async def changed(self) -> list[str]:
        """Return the charge points whose documents differ from those at the last call."""
        # A charger is looked at one call after its message: by then the message has been handled.
        due, self._pending = self._pending, self._touched()
        now_s = self._clock()
        if now_s - self._swept_s >= _SWEEP_S:
            # What changes without a message: errors grow old, and who is silent is not there.
            self._swept_s = now_s
            due = list(dict.fromkeys([*due, *self._late, *self._known(), *self._sent]))
            self._late.clear()
        found = []
        for count, station in enumerate(due):
            await _rest(count)
            if self._is_news(station, now_s):
                found.append(station)
        return found

    def _is_news(self, station: str, now_s: float) -> bool:
        status = self._make(station)
        if status is None:
            # A sink may have it although it was never reported here: all are put when it opens.
            self._sent.pop(station, None)
            return not self._is_elsewhere(station)
        before = self._sent.get(station)
        if before is not None:
            sent, sent_s = before
            if now_s - sent_s >= _AGAIN_S:
                self._sent[station] = status, now_s
                return True
            if sent == status:
                return False
            same = {**sent, "last_message_timestamp": status.get("last_message_timestamp")}
            if same == status and now_s - sent_s < _CONTACT_EVERY_S:
                self._late[station] = None
                return False
        self._sent[station] = status, now_s
        return True


async def _rest(count: int) -> None:
    if count % _STEP == _STEP - 1:
        await asyncio.sleep(_REST_S)
