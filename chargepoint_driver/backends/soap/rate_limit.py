"""Rate limit for one account: calls in any minute, writes before reads."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from chargepoint_driver.errors import TransientError
from chargepoint_driver.process import threads

__all__ = ["CallJournal", "RateLimiter"]

WINDOW_S = 60.0
"""Over how long calls are counted."""


class CallJournal(Protocol):
    """The calls of an account that several processes make, one process at a time."""

    def recent(self) -> Iterable[float]:
        """Return how many seconds ago each call of the last minute was sent, oldest first. Called
        once. Raises TransientError."""

    def note(self, is_write: bool) -> None:
        """Note a call that is about to be sent. Raises TransientError where that cannot be done:
        it may not be sent then."""


class RateLimiter:
    """The limit of one account.

    A fifth of the calls is kept for writes, and a waiting write goes before every read, so
    that a shed does not wait behind a poll.
    """

    def __init__(
        self,
        calls_per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
        journal: CallJournal | None = None,
    ) -> None:
        """`clock` gives seconds that never jump. With a journal the calls of other processes count
        too. Raises TransientError where it cannot be read."""
        self._clock = clock
        self._journal = journal
        self._turn = threads.Condition()
        now = clock()
        recent = () if journal is None else journal.recent()
        self._sent: deque[float] = deque(now - age_s for age_s in recent)
        self._writes_waiting = 0
        self._most: int | None = None
        self._kept = 0
        self.limit_to(calls_per_minute)

    def limit_to(self, calls_per_minute: int | None) -> None:
        """Go on with another limit; what was sent in the last minute counts."""
        with self._turn:
            self._most = calls_per_minute
            if calls_per_minute is not None:
                self._kept = min(max(1, calls_per_minute // 5), calls_per_minute - 1)
            self._turn.notify_all()

    def take(self, is_write: bool, limit_s: float) -> None:
        """Wait for the turn of one call. Raises TransientError, naming when there is room, when it
        does not come within `limit_s`; nothing was sent then."""
        if self._most is None:
            return  # and nobody counts
        give_up = self._clock() + limit_s
        with self._turn:
            self._writes_waiting += is_write
            try:
                while (wait_s := self._wait_s(is_write)) > 0:
                    left_s = give_up - self._clock()
                    if left_s <= 0:
                        raise TransientError(
                            f"calls_per_minute ({self._most}) is used up; room in {wait_s:.0f} s",
                            retry_after_s=wait_s,
                        )
                    self._turn.wait(min(wait_s, left_s))
                turn_s = self._clock()
                self._sent.append(turn_s)
            finally:
                self._writes_waiting -= is_write
                self._turn.notify_all()
        if self._journal is not None:
            self._note(self._journal, is_write, turn_s)

    def _note(self, journal: CallJournal, is_write: bool, turn_s: float) -> None:
        """Note a call before it is sent. It counts from then on: noting takes its time."""
        is_noted = False
        try:
            journal.note(is_write)
            is_noted = True
        finally:
            with self._turn:
                with suppress(ValueError):  # it is older than a minute by now
                    self._sent.remove(turn_s)
                if is_noted:
                    self._sent.append(self._clock())
                self._turn.notify_all()

    def _wait_s(self, is_write: bool) -> float:
        """Seconds until a call may go, 0 for now. Under the condition's lock."""
        if self._most is None:
            return 0.0
        now = self._clock()
        while self._sent and self._sent[0] <= now - WINDOW_S:
            self._sent.popleft()
        room = self._most if is_write else self._most - self._kept
        over = len(self._sent) - room
        if over >= 0:
            return self._sent[over] + WINDOW_S - now
        # A write that waits is woken by time; reads stand back for it.
        return 0.05 if self._writes_waiting and not is_write else 0.0
