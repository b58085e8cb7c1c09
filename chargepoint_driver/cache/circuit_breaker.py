"""Circuit breaker: holds calls that failed, instead of sending them again and again, and sends one
at a time until the account works."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    PermissionDeniedError,
    RefusedError,
    TransientError,
)
from chargepoint_driver.process import threads
from chargepoint_driver.text import get_logger

__all__ = ["Backoff", "CircuitBreaker"]

_log = get_logger(__name__)

FIRST_S = 5.0
# Below the default poll of 60 s, so that a service that is back is noticed at the next poll.
MAX_S = 45.0
REFUSED_S = 900.0
_EVERYTHING = "*"
_GOOD_S = 10.0

_Answer = TypeVar("_Answer")


class CircuitBreaker:
    """Circuit breaker of one account. The lock guards tables only; requests go out without it."""

    def __init__(
        self,
        limit_s: float,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        secret: Callable[[], bytes | None],
    ) -> None:
        """`limit_s` is how long a request waits for the one before it; `secret` gives the digest
        of the password that the next one would use."""
        self._limit_s = limit_s
        self._secret = secret
        self._clock = clock
        self._lock = threading.Lock()
        self._backoff = Backoff(jitter)
        # When the account last proved good. Where that is not just now, requests go out one at
        # a time: wrong credentials then cost one request, and the others share its error.
        self._good_at = -math.inf
        self._probe: threading.Event | None = None

    def secret(self) -> bytes | None:
        """Return the digest for `error`. It may be read from a file, so read it without a lock;
        None if it does not matter, and then it is not read."""
        with self._lock:
            matters = self._backoff.is_without_access
        return self._secret() if matters else None

    def error(self, call: str, secret: bytes | None) -> ChargePointError | None:
        """The error that a call is held back with; None when it may be made."""
        with self._lock:
            return self._backoff.error(call, self._clock(), secret=secret)

    def down(self) -> dict[str, ChargePointError]:
        """Call name to error, for the calls that do not work at present."""
        with self._lock:
            return self._backoff.down()

    def forget(self) -> None:
        """Try everything again: the configuration changed."""
        with self._lock:
            self._backoff.forget()
            self._good_at = -math.inf

    def once(
        self, call: str, ask: Callable[[], _Answer], stations: Collection[str] = ()
    ) -> _Answer:
        """Ask once, in this thread, unless the call is held back. Raises what `ask` raises, or
        the error that the call is held with."""
        refusal: ChargePointError | None = None
        secret: bytes | None = None
        probe = self._only_request()
        try:
            # Read before the request reads it: where it is changed in between, the new one is
            # taken for the old, and tried once more.
            secret = self._secret()
            with self._lock:
                refusal = self._backoff.error(call, self._clock(), stations, secret)
            if refusal is not None:
                raise refusal
            answer = ask()
        except ChargePointError as error:
            if error is not refusal:
                with self._lock:
                    self._backoff.failed(call, error, self._clock(), stations, secret)
                    if isinstance(error, AuthenticationError):
                        self._good_at = -math.inf
            raise
        finally:
            if probe is not None:
                with self._lock:
                    self._probe = None
                probe.set()
        with self._lock:
            self._good_at = self._clock()
            self._backoff.succeeded(call, stations)
        return answer

    def _only_request(self) -> threading.Event | None:
        """Wait, while the account has not proved good, until no other request is out. The
        caller that gets an event sets it and removes it."""
        while True:
            with self._lock:
                if self._clock() - self._good_at <= _GOOD_S:
                    return None
                if self._probe is None:
                    self._probe = threads.Event()
                    return self._probe
                probe = self._probe
            if not probe.wait(self._limit_s):
                raise TransientError(f"another request has not ended within {self._limit_s:g} s")


@dataclass
class _Hold:
    error: ChargePointError
    failures: int
    until: float
    secret: bytes | None


class Backoff:
    """Held calls, each with its end and the error that it returns meanwhile.

    Not locked: the owner calls it under its own lock. `random` gives 0..1, `secret` is the
    digest of the password that is in use (`Backend.secret_digest`): wrong credentials hold calls
    with that password only.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._holds: dict[str, _Hold] = {}

    def error(
        self,
        call: str,
        now: float,
        stations: Collection[str] = (),
        secret: bytes | None = None,
    ) -> ChargePointError | None:
        """The error to answer with instead of calling; None when the call may be made. A call
        for one station may be held for that station alone."""
        for name in (_EVERYTHING, call, *_alone(call, stations)):
            hold = self._holds.get(name)
            if hold is None or now >= hold.until:
                continue
            if name != _EVERYTHING or hold.secret == secret:
                return hold.error
        return None

    @property
    def is_without_access(self) -> bool:
        """Return True if the account's credentials were refused last."""
        return _EVERYTHING in self._holds

    def down(self) -> dict[str, ChargePointError]:
        """Call name (`*`: the account) to the error of every call that is not working."""
        return {name: hold.error for name, hold in self._holds.items()}

    def failed(
        self,
        call: str,
        error: ChargePointError,
        now: float,
        stations: Collection[str] = (),
        secret: bytes | None = None,
    ) -> None:
        """Note a failure. What is refused to one station does not hold the others."""
        if not isinstance(error, (TransientError, RefusedError)):
            return
        name = _EVERYTHING if isinstance(error, AuthenticationError) else call
        if isinstance(error, PermissionDeniedError):
            name = next(iter(_alone(call, stations)), call)
        known = self._holds.get(name)
        failures = known.failures + 1 if known else 1
        if isinstance(error, RefusedError):
            pause_s = REFUSED_S
        else:
            pause_s = min(MAX_S, FIRST_S * 2.0 ** min(failures - 1, 10))
            pause_s *= 0.75 + 0.25 * self._random()
            pause_s = max(pause_s, error.retry_after_s or 0.0)
        self._holds[name] = _Hold(error, failures, now + pause_s, secret)
        if known is None or (name == _EVERYTHING and known.secret != secret):
            _log.error("%s is down: %s", "the account" if name == _EVERYTHING else call, error)

    def succeeded(self, call: str, stations: Collection[str] = ()) -> None:
        """Note that the call was answered."""
        for name in (_EVERYTHING, call, *_alone(call, stations)):
            if self._holds.pop(name, None) is not None:
                _log.warning("%s is back", "the account" if name == _EVERYTHING else call)

    def forget(self) -> None:
        """Start afresh: the configuration changed."""
        self._holds.clear()


def _alone(call: str, stations: Collection[str]) -> tuple[str, ...]:
    """The name of a call for a single station."""
    return tuple(f"{call} of {station}" for station in stations) if len(stations) == 1 else ()
