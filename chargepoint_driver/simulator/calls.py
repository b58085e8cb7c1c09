"""The count of what clients asked for."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

KEEP_RECORDS = 10_000


@dataclass(frozen=True)
class CallRecord:
    """One call as received. `time_s` is simulated; `username` empty when not given."""

    operation: str
    version: str
    time_s: float
    username: str


class Calls:
    """Counts by operation and the latest records; safe to use from any thread.

    Every request that names an operation counts, also one that is refused or spoilt.
    """

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._records: deque[CallRecord] = deque(maxlen=KEEP_RECORDS)
        self._in_flight = 0

    def add(self, record: CallRecord) -> None:
        """Count a call."""
        with self._lock:
            self._counts[record.operation] += 1
            self._records.append(record)

    def count(self, operation: str) -> int:
        """Return how often that operation was called since the last reset."""
        with self._lock:
            return self._counts[operation]

    def counts(self) -> dict[str, int]:
        """Calls by operation since the last reset; operations never called are absent."""
        with self._lock:
            return {name: number for name, number in self._counts.items() if number}

    @property
    def total(self) -> int:
        """All calls since the last reset."""
        with self._lock:
            return sum(self._counts.values())

    @property
    def records(self) -> list[CallRecord]:
        """The latest calls (10,000 at most), oldest first."""
        with self._lock:
            return list(self._records)

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not answered yet."""
        with self._lock:
            return self._in_flight

    def reset(self) -> None:
        """Back to zero; requests in flight stay counted as such."""
        with self._lock:
            self._counts.clear()
            self._records.clear()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request as in flight for the duration."""
        with self._lock:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1
