"""Circuit breaker: holds calls that failed, and sends one at a time until the account works."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from typing import TypeVar

from chargepoint_driver.cache.backoff import Backoff
from chargepoint_driver.errors import AuthenticationError, ChargePointError, TransientError
from chargepoint_driver.process import threads

__all__ = ["CircuitBreaker"]

_GOOD_S = 10.0

_Answer = TypeVar("_Answer")


class CircuitBreaker:
    """One account's. The lock guards tables only; requests go out without it."""

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
        """Return what `error` is to be told. It may be read from a file, which nobody's lock should
        wait for; where it does not matter it is not read, and None."""
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
        held: ChargePointError | None = None
        secret: bytes | None = None
        probe = self._turn()
        try:
            # Read before the request reads it: where it is changed in between, the new one is
            # taken for the old, and tried once more.
            secret = self._secret()
            with self._lock:
                held = self._backoff.error(call, self._clock(), stations, secret)
            if held is not None:
                raise held
            answer = ask()
        except ChargePointError as error:
            if error is not held:
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
            self._backoff.worked(call, stations)
        return answer

    def _turn(self) -> threading.Event | None:
        """Wait, while the account has not proved good, until no other request is out. The
        event is to be set and taken away by whoever got it."""
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
