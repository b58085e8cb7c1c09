"""Writes: staging a limit, shedding, clearing, reverting. One command per write, sent once.

A limit that is written is staged; `shedState` 1 sends it, and while a shed is in force a new
limit goes out at once. What is staged is kept apart from what the service reports.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from chargepoint_driver.backend import Backend, Limit, Target
from chargepoint_driver.cache import SharedCache
from chargepoint_driver.cache.flight import within
from chargepoint_driver.errors import BadValue, ChargePointError, FateUnknown
from chargepoint_driver.registry import Point
from chargepoint_driver.snapshot import Value

__all__ = ["Control", "ShedOptions"]

_log = logging.getLogger(__name__)

_LOAD = "getLoad"
_ALARMS = "getAlarms"
# Highest limit that is taken for meant, in kW: above any charger there is.
_MOST_KW = 10_000.0
# How old a report may be that decides whether a shed is in force.
_STATE_CURRENCY_S = 30.0


@dataclass(frozen=True)
class ShedOptions:
    """How a device sheds: `minutes` until a shed ends by itself (0 = never), and whether a
    limit is sent as soon as it is written."""

    minutes: int = 60
    on_write: bool = False


class Control:
    """The writes of one account."""

    def __init__(
        self,
        backend: Backend,
        cache: SharedCache,
        limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit_s` is how long one write may be waited for."""
        self._clock = clock
        self._backend = backend
        self._cache = cache
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._orders: dict[str, threading.Lock] = {}
        self._staged: dict[Target, Limit] = {}
        self._shed: dict[Target, float] = {}  # ours, with the time at which they end

    def staged(self, target: Target) -> Limit | None:
        """The limit that shedState 1 would send; None when none was written."""
        return self._staged.get(target)

    def is_ours(self, target: Target) -> bool:
        """Whether this driver made a shed of just this target that may still be in force."""
        return self._clock() < self._shed.get(target, -math.inf)

    def _is_shed(self, target: Target) -> bool:
        """Whether a shed of ours reaches the target: a station's shed is its ports' too, and
        the shed of a port is one on its station."""
        return any(
            self.is_ours(other)
            for other in list(self._shed)
            if other.station_id == target.station_id
            and (target.port is None or other.port in (target.port, None))
        )

    def write(self, point: Point, value: object, options: ShedOptions) -> bool:
        """Carry out a write. True when something was sent, False when it was only staged.

        Raises BadValue before anything is sent or staged; the errors of the backend when the
        command fails, and then what was staged before stands.
        """
        action = {
            "allowedLoad": self._allowed_load,
            "percentShed": self._percent_shed,
            "shedState": self._shed_state,
            "clearAlarms": self._clear_alarms,
        }.get(point.attribute.name)
        if action is None or not point.writable:
            raise BadValue(f"{point.name} ({point.attribute.name}) can only be read")
        return action(point, value, options)

    def revert(self, point: Point) -> bool:
        """Clear the shed that this driver made on the point's target, if any; True when a
        command was sent. Staged limits are forgotten. Never sends a limit."""
        if point.attribute.call != _LOAD:
            return False
        target = point.target
        with self._order(target.station_id):
            self._staged.pop(target, None)
            if not self.is_ours(target):
                return False
            self._send_clear(target)
            return True

    # ---- the writable attributes ---------------------------------------------------------

    def _allowed_load(self, point: Point, value: object, options: ShedOptions) -> bool:
        kw = _number(point, value)
        if not 0 <= kw <= _MOST_KW:
            raise BadValue(f"{point.name}: {kw:g} kW is not within 0 … {_MOST_KW:g} kW")
        return self._limit(point.target, Limit(allowed_load_kw=kw), options)

    def _percent_shed(self, point: Point, value: object, options: ShedOptions) -> bool:
        percent = _number(point, value)
        if not 0 <= percent <= 100:
            raise BadValue(f"{point.name}: {percent:g} is not a percentage within 0 … 100")
        if not percent.is_integer():
            raise BadValue(f"{point.name}: {percent:g} is not a whole percentage")
        return self._limit(point.target, Limit(percent_shed=int(percent)), options)

    def _shed_state(self, point: Point, value: object, options: ShedOptions) -> bool:
        on = _truth(point, value)
        target = point.target
        with self._order(target.station_id):
            if not on:
                self._send_clear(target)
                return True
            limit = self._staged.get(target)
            if limit is None:
                raise BadValue(
                    f"{point.name}: no limit was ever written for {target}; write allowedLoad "
                    "(kW) or percentShed first"
                )
            self._send_shed(target, limit, options)
            return True

    def _clear_alarms(self, point: Point, value: object, options: ShedOptions) -> bool:
        del options
        if not _truth(point, value):
            return False
        station_id = point.station_id
        with self._order(station_id):
            self._send(lambda: self._backend.clear_alarms(station_id), _ALARMS, station_id)
        return True

    # ---- sending -------------------------------------------------------------------------

    def _limit(self, target: Target, limit: Limit, options: ShedOptions) -> bool:
        """Stage a limit, and send it where a shed is in force or every limit is sent."""
        with self._order(target.station_id):
            if options.on_write or self._in_force(target):
                self._send_shed(target, limit, options)
                sent = True
            else:
                sent = False
            # One limit replaces the other kind: allowedLoad empties percentShed and back.
            self._staged[target] = limit
            return sent

    def _in_force(self, target: Target) -> bool:
        """Whether a shed is in force: ours, or one that the service reports."""
        if self._is_shed(target):
            return True
        key = (_LOAD, target.station_id)
        outcome = self._cache.get({key: _STATE_CURRENCY_S})[key]
        if outcome.record is None:
            # Whether the limit must be sent cannot be told, so the write fails whole.
            raise outcome.error or ChargePointError(f"{target}: the shed state is not known")
        record = outcome.record
        ports = record.ports.values() if target.port is None else [record.of_port(target.port)]
        return any(port.get("shedState") == 1 for port in ports)

    def _send_shed(self, target: Target, limit: Limit, options: ShedOptions) -> None:
        before = self._shed.get(target)
        # Ours from the moment it may be in force: the caller may be broken off meanwhile, and
        # the answer may get lost.
        self._shed[target] = self._clock() + options.minutes * 60 if options.minutes else math.inf
        try:
            self._send(
                lambda: self._backend.shed(target, limit, options.minutes),
                _LOAD,
                target.station_id,
            )
        except ChargePointError as error:
            if not isinstance(error, FateUnknown):
                if before is None:
                    del self._shed[target]
                else:
                    self._shed[target] = before
            raise
        _log.info("%s: %s for %s min", target, limit, options.minutes or "unlimited")

    def _send_clear(self, target: Target) -> None:
        self._send(lambda: self._backend.clear(target), _LOAD, target.station_id)
        # Clearing a station clears its ports; clearing a port leaves the others shed.
        self._shed = {
            other: until
            for other, until in self._shed.items()
            if other.station_id != target.station_id
            or (target.port is not None and other.port not in (target.port, None))
        }
        _log.info("%s: cleared", target)

    def _send(self, command: Callable[[], None], call: str, station_id: str) -> None:
        """One command, once. What the service reported before it is out of date, also when
        the command failed: it may have been carried out."""
        try:
            within(command, self._limit_s, f"writing to {station_id}", FateUnknown)
        finally:
            self._cache.touch(call, station_id)

    def _order(self, station_id: str) -> AbstractContextManager[object]:
        """Writes to one station follow each other. This lock alone is held while a command
        is out, since a second one must not pass it; it has the command's time limit."""
        with self._lock:
            lock = self._orders.setdefault(station_id, threading.Lock())
        return _Turn(lock, self._limit_s * 2, station_id)


class _Turn:
    """A lock that is waited for with a limit."""

    def __init__(self, lock: threading.Lock, limit_s: float, station_id: str) -> None:
        self._lock = lock
        self._limit_s = limit_s
        self._station_id = station_id

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._limit_s):
            raise ChargePointError(
                f"{self._station_id}: the writes before this one have not ended within "
                f"{self._limit_s:g} s; nothing was sent"
            )

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _number(point: Point, value: Value | object) -> float:
    """A finite number. Texts are taken where they are one, truth values are not."""
    if isinstance(value, str) and value.strip() and "_" not in value:
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadValue(f"{point.name}: the value is no number; write a number ({point.unit})")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadValue(f"{point.name}: the value is not finite; write a number ({point.unit})")
    return number


def _truth(point: Point, value: object) -> bool:
    text = value.strip().lower() if isinstance(value, str) else value
    if text in (True, "1", "true"):
        return True
    if text in (False, "0", "false"):
        return False
    raise BadValue(f"{point.name}: the value is no truth value; write 1 or 0")
