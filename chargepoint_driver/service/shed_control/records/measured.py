"""Comparison of the measured load with a limit: a third source, next to commanded and reported.

A load above the limit and its tolerance counts once the limit had time to take effect, and
each measurement counts once, however often it is read. A load that is not reported counts as
neither obeying nor violating.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

from chargepoint_driver.backend import Target

__all__ = ["VIOLATION_REPORTS", "Load", "Loads", "Measured"]

VIOLATION_REPORTS = 2
"""Measurements above the limit in a row that make it violated. One alone may have been taken
while the load was falling."""


@dataclass(frozen=True)
class Measured:
    """A load in kW, None where it is not known. `marks` tell this measurement from others, one
    for each station in it: the time that its meters give, or the reply itself."""

    load_kw: float | None
    marks: tuple[object, ...]


@dataclass(frozen=True)
class Load:
    """Measured load of one target against its limit. `above`: measurements above it in a row;
    `obeyed`: the last one that counts was not above it."""

    limit_kw: float
    most_kw: float
    load_kw: float
    above: int = 0
    obeyed: bool = False
    marks: tuple[object, ...] = ()

    @property
    def violated(self) -> bool:
        """Return True if the limit is violated."""
        return self.above >= VIOLATION_REPORTS

    def __str__(self) -> str:
        return (
            f"{self.load_kw:g} kW flow at a limit of {self.limit_kw:g} kW "
            f"(tolerated: {self.most_kw:g} kW) in {self.above} measurements in a row"
        )


class Loads:
    """The loads of one account's commanded targets. May be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loads: dict[Target, Load] = {}

    def of(self, target: Target) -> Load | None:
        """Return how the load of a target obeys; None where nothing was measured under a limit."""
        return self._loads.get(target)

    def observe(
        self, target: Target, limit_kw: float, most_kw: float, found: Measured, *, counts: bool
    ) -> Load | None:
        """Take one measurement in; how the load obeys since. `counts`: the limit had time to
        take effect. Before that, a violation neither begins nor ends by a load above it."""
        load_kw = found.load_kw
        with self._lock:
            before = self._loads.get(target)
            if load_kw is None or (before is not None and _is_same(before.marks, found.marks)):
                return before
            if load_kw <= most_kw:
                now = Load(limit_kw, most_kw, load_kw, 0, counts, found.marks)
            elif counts:
                above = 1 if before is None else before.above + 1
                now = Load(limit_kw, most_kw, load_kw, above, False, found.marks)
            else:
                above = before.above if before is not None and before.violated else 0
                now = Load(limit_kw, most_kw, load_kw, above, False, found.marks)
            self._loads[target] = now
            return now

    def begin(self, target: Target, limit_kw: float, most_kw: float) -> None:
        """Start a new limit: it is not obeyed because the one before was. One that was violated
        by a load that is above this one too stays violated."""
        with self._lock:
            before = self._loads.pop(target, None)
            if before is not None and before.violated and before.load_kw > most_kw:
                self._loads[target] = replace(
                    before, limit_kw=limit_kw, most_kw=most_kw, obeyed=False
                )

    def forget(self, target: Target) -> None:
        """Forget a target where nothing of ours is in force."""
        with self._lock:
            self._loads.pop(target, None)

    def keep_only(self, targets: Iterable[Target]) -> None:
        """Forget the targets that are not limited any more."""
        known = set(targets)
        with self._lock:
            for target in self._loads.keys() - known:
                del self._loads[target]


def _is_same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Return True if any station's measurement is the one from before: then there is no new one
    of the whole."""
    return not set(before).isdisjoint(now)
