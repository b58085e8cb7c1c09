"""Holding back calls that fail, instead of sending them again and again."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    PermissionDeniedError,
    RefusedError,
    TransientError,
)
from chargepoint_driver.text import get_logger

__all__ = ["Backoff"]

_log = get_logger(__name__)

FIRST_S = 5.0
# Below the usual poll of 60 s, so that a service that is back is noticed at the next poll.
MAX_S = 45.0
REFUSED_S = 900.0
_EVERYTHING = "*"


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

    def worked(self, call: str, stations: Collection[str] = ()) -> None:
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
