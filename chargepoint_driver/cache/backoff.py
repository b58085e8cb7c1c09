"""Holding back calls that fail, instead of sending them again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chargepoint_driver.errors import ChargePointError, Refused, TryLater, WrongCredentials

__all__ = ["Backoff"]

_log = logging.getLogger(__name__)

FIRST_S = 5.0
# Below the usual poll of 60 s, so that a service that is back is noticed at the next poll.
MOST_S = 45.0
REFUSED_S = 900.0
_EVERYTHING = "*"


@dataclass
class _Hold:
    error: ChargePointError
    failures: int
    until: float


class Backoff:
    """Which calls are held, until when, and with which error they answer meanwhile.

    Not locked: the owner calls it under its own lock. `random` gives 0..1.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._holds: dict[str, _Hold] = {}

    def error(self, call: str, now: float) -> ChargePointError | None:
        """The error to answer with instead of calling; None when the call may be made."""
        for name in (_EVERYTHING, call):
            hold = self._holds.get(name)
            if hold is not None and now < hold.until:
                return hold.error
        return None

    def down(self) -> dict[str, ChargePointError]:
        """Call name (`*`: the account) to the error of every call that is not working."""
        return {name: hold.error for name, hold in self._holds.items()}

    def failed(self, call: str, error: ChargePointError, now: float) -> None:
        """Note a failure; those that concern one station only hold nothing back."""
        if not isinstance(error, (TryLater, Refused)):
            return
        name = _EVERYTHING if isinstance(error, WrongCredentials) else call
        known = self._holds.get(name)
        failures = known.failures + 1 if known else 1
        if isinstance(error, Refused):
            pause_s = REFUSED_S
        else:
            pause_s = min(MOST_S, FIRST_S * 2.0 ** min(failures - 1, 10))
            pause_s *= 0.75 + 0.25 * self._random()
            pause_s = max(pause_s, error.retry_after_s or 0.0)
        self._holds[name] = _Hold(error, failures, now + pause_s)
        if known is None:
            _log.error("%s is down: %s", "the account" if name == _EVERYTHING else call, error)

    def worked(self, call: str) -> None:
        """Note that the call was answered."""
        for name in (_EVERYTHING, call):
            if self._holds.pop(name, None) is not None:
                _log.warning("%s is back", "the account" if name == _EVERYTHING else call)

    def forget(self) -> None:
        """Start afresh: the configuration changed."""
        self._holds.clear()
