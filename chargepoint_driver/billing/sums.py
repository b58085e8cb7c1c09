"""Sums of sessions: of what is known, with the number of what is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from chargepoint_driver.billing.costs import Cost, energy_wh_of
from chargepoint_driver.records import SessionRecord

__all__ = ["Sums"]


@dataclass
class Sums:
    """Sums of sessions that have ended; those that run are counted only.

    `energy_wh`, `duration_s` and each of `costs` (by currency) are sums of what is known. The
    counts of sessions without the value stand next to them. `energy_minimum` counts sessions whose
    energy is a minimum: it is in the sum. `reasons`: why costs are not known, by code.
    """

    sessions: int = 0
    running: int = 0
    energy_wh: Decimal = Decimal(0)
    energy_unknown: int = 0
    energy_minimum: int = 0
    duration_s: float = 0.0
    duration_unknown: int = 0
    costs: dict[str, Decimal] = field(default_factory=dict)
    cost_unknown: int = 0
    cost_estimated: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, session: SessionRecord, cost: Cost) -> None:
        """Take one session."""
        self.sessions += 1
        if not session.has_ended:
            self.running += 1
            return
        energy_wh = energy_wh_of(session)
        if energy_wh is None:
            self.energy_unknown += 1
        else:
            self.energy_wh += energy_wh
            self.energy_minimum += session.is_minimum
        if session.start_s is None or session.end_s is None or session.end_s < session.start_s:
            self.duration_unknown += 1
        else:
            self.duration_s += round(session.end_s - session.start_s, 3)
        if cost.amount is None or cost.currency is None:
            self.cost_unknown += 1
            self.reasons[cost.reason or "unknown"] += 1
        else:
            self.costs[cost.currency] = self.costs.get(cost.currency, Decimal(0)) + cost.amount
            self.cost_estimated += cost.is_estimated
