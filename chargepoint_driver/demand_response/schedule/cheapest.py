"""Charging in the cheapest hours: needs with deadlines, laid into slots of known prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from chargepoint_driver.demand_response.schedule.prices import Prices

__all__ = ["Need", "Slot", "lay"]

_MIN_KWH = 1e-9
_MAX_SLOT = timedelta(hours=1)


@dataclass(frozen=True)
class Need:
    """Energy that must flow between `since` and `deadline`, with at most `kw`."""

    energy_kwh: float
    since: datetime
    deadline: datetime
    kw: float
    name: str = ""


@dataclass
class Slot:
    """A time with one price (None: not known), and the power that is laid into it."""

    start: datetime
    end: datetime
    price: float | None
    used_kw: float = 0.0

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600


def lay(needs: Iterable[Need], prices: Prices, kw: float) -> tuple[list[Slot], list[Need]]:
    """Return the slots with the power in each, and the needs that do not fit.

    The need with the first deadline comes first. Each takes its cheapest slots, of equal ones
    the earlier. A slot of unknown price counts as dearer than every known one: without prices,
    charging begins at once. No slot has more than `kw`.
    """
    wanted = sorted(needs, key=lambda need: (need.deadline, need.since, need.name))
    slots = _slots(wanted, prices)
    unmet = []
    for need in wanted:
        left_kwh = need.energy_kwh
        usable = [s for s in slots if s.start >= need.since and s.end <= need.deadline]
        for slot in sorted(usable, key=_rank):
            if left_kwh <= _MIN_KWH:
                break
            power_kw = min(need.kw, kw - slot.used_kw)
            if power_kw <= 0:
                continue
            slot.used_kw += power_kw
            left_kwh -= power_kw * slot.hours
        if left_kwh > _MIN_KWH:
            unmet.append(need)
    return slots, unmet


def _rank(slot: Slot) -> tuple[bool, float, datetime]:
    return slot.price is None, slot.price or 0.0, slot.start


def _slots(needs: list[Need], prices: Prices) -> list[Slot]:
    """Cut the time from the first need to the last deadline at every change, and each hour."""
    edges: set[datetime] = set()
    for need in needs:
        edges |= {need.since, need.deadline}
    if not edges:
        return []
    first, last = min(edges), max(edges)
    for price in prices:
        edges |= {each for each in (price.start, price.end) if first < each < last}
    found = []
    for start, end in pairwise(sorted(edges)):
        at = start
        while at < end:
            until = min(end, at + _MAX_SLOT)
            found.append(Slot(at, until, prices.at(at)))
            at = until
    return found
