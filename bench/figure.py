"""One measured figure, and how ratios are taken on a shared machine."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

ROUNDS = 15
REPEATS = 3


@dataclass(frozen=True)
class Figure:
    """A measurement, its figure and its bound: `at most` or `at least`, or none.

    Where it could not be measured here, `value` is None and `skipped` is the reason. `gain`: what
    it means to a user, by default the line of the part's docstring."""

    what: str
    value: float | None
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    skipped: str = ""
    gain: str = ""

    @property
    def good(self) -> bool:
        """Return True if the figure keeps its bound; one that was skipped does."""
        if self.value is None:
            return bool(self.skipped)
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def shown(self) -> str:
        return self.skipped if self.value is None else f"{self.value:.4g} {self.unit}"

    @property
    def bound(self) -> str:
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return "" if self.at_least is None else f"at least {self.at_least:g}"


def medians(
    works: Mapping[str, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds that each work takes: they take turns, so that a busy moment of the machine
    meets them all; of each turn the best of a few repeats counts, of the turns the median.

    `clock`: `time.process_time` for what waits for nothing and runs in this process alone.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            best = float("inf")
            gc.collect()
            for _ in range(REPEATS):
                begun = clock()
                result = work()
                best = min(best, clock() - begun)
                del result
            times[name].append(best)
    return {name: statistics.median(taken) for name, taken in times.items()}
