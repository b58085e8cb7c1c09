"""Reader that keeps the anomaly model up to date from stored events, on a slow thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.events.anomaly import WINDOW_S, AnomalyModel
from chargepoint_driver.events.stored_events import StoredEvents
from chargepoint_driver.process.loop_thread import native_lock, native_queue, start_native_thread
from chargepoint_driver.text import get_logger

__all__ = ["AnomalyReader"]

_log = get_logger(__name__)
_BATCH = 500
_EVERY_S = 10.0
# Of the time, at most this part is spent on reading.
_SHARE = 0.2
_STOP_S = 10.0


class AnomalyReader:
    """Reads when the first score is asked for, then again and again. Until the record was read once
    no score is known."""

    def __init__(
        self, path: Path, now: Callable[[], float] = time.time, every_s: float = _EVERY_S
    ) -> None:
        self._path = path
        self._now = now
        self._every_s = every_s
        self._model = AnomalyModel()
        self._lock = native_lock()
        self._is_started = False
        self._is_ready = False
        self._stop = native_queue()
        self._ended = native_queue()

    def assess(self, station: str) -> dict[str, Any] | None:
        """Return {"score", "inputs"} of a charger; None where it is not known (yet)."""
        self._start()
        return self._model.assess(station, self._now()) if self._is_ready else None

    def close(self) -> None:
        """End the thread. Safe to call more than once."""
        with self._lock:
            was_started, self._is_started = self._is_started, True
        if was_started:
            self._stop.put(None)
            try:
                self._ended.get(timeout=_STOP_S)
            except Exception:  # noqa: BLE001 - queue.Empty of the original module under gevent
                _log.debug("the reader of %s has not ended in time", self._path)
            self._ended.put(None)

    def _start(self) -> None:
        with self._lock:
            was_started, self._is_started = self._is_started, True
        if not was_started:
            start_native_thread(self._run)

    def _run(self) -> None:
        position: int | None = None
        try:
            while True:
                try:
                    position = self._read(position)
                    self._is_ready = True
                except ChargePointError as error:
                    _log.debug("no anomaly scores: %s", error)
                if position is None or self._is_stopped(self._every_s):
                    return
        except Exception:  # noqa: BLE001 - logged; scores stay unknown
            _log.exception("anomaly scores cannot be computed")
            self._is_ready = False
        finally:
            self._ended.put(None)

    def _read(self, position: int | None) -> int | None:
        """Read what is new. Return the id of the last event; None where it was stopped."""
        with closing(StoredEvents(self._path, "")) as events:
            after = events.before(self._now() - WINDOW_S) if position is None else position
            while True:
                begin_s = time.monotonic()
                batch = events.read(after, _BATCH)
                if not batch:
                    return after
                for event in batch:
                    self._model.take(event)
                after = batch[-1].seq
                took_s = time.monotonic() - begin_s
                if self._is_stopped(took_s * (1 / _SHARE - 1)):
                    return None

    def _is_stopped(self, wait_s: float) -> bool:
        try:
            self._stop.get(timeout=max(wait_s, 0.0001))
        except Exception:  # noqa: BLE001 - as above: it is to go on
            return False
        return True
