"""Ceilings and what a connector can make of them: ampere per phase, watt, phases.

A limit in W is the total power, one in A holds per phase; below 6 A (IEC 61851) nothing
can be delivered at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MIN_CURRENT_A = 6.0
# What a period without numberPhases means.
USUAL_PHASES = 3


@dataclass(frozen=True)
class Cap:
    """An upper bound: total power and current per phase hold together."""

    power_w: float = math.inf
    current_a: float = math.inf
    phases: int = USUAL_PHASES

    def __and__(self, other: Cap) -> Cap:
        """Both bounds at once."""
        return Cap(
            min(self.power_w, other.power_w),
            min(self.current_a, other.current_a),
            min(self.phases, other.phases),
        )


@dataclass(frozen=True)
class Supply:
    """Electrical supply of a connector: AC or DC, rated power, and the mains it hangs on.

    `voltage_v` is between phase and neutral (between the two lines where there is one
    phase); a DC connector draws from the mains too, and limits in A mean that side.
    """

    kind: str = "AC"
    rated_kw: float = 22.0
    phases: int = 3
    voltage_v: float = 230.0
    # The number of a phase of an AC connector that carries nothing (a quirk).
    dead_phase: int | None = None

    @property
    def rated_w(self) -> float:
        """Rated power, W."""
        return 1000 * self.rated_kw

    def used_phases(self, cap: Cap, vehicle_phases: int = USUAL_PHASES) -> int:
        """Return how many phases carry current."""
        if self.kind == "DC":
            return self.phases
        live = self.phases - (self.dead_phase is not None and self.dead_phase <= self.phases)
        return max(1, min(cap.phases, live, vehicle_phases))

    def deliverable_w(self, cap: Cap, vehicle_phases: int = USUAL_PHASES) -> float:
        """Return the most that may flow under the cap, W; 0 when that is below 6 A."""
        phases = self.used_phases(cap, vehicle_phases)
        power_w = self.bound_w(cap, phases)
        return power_w if power_w >= self.least_w(phases) else 0.0

    def bound_w(self, cap: Cap, phases: int | None = None) -> float:
        """Return the cap as power within the rating, W, deliverable or not."""
        used = self.used_phases(cap) if phases is None else phases
        by_current_w = cap.current_a * self.voltage_v * used
        return max(0.0, min(cap.power_w, by_current_w, self.rated_w * used / self.phases))

    def least_w(self, phases: int) -> float:
        """Return the least power that can flow over that many phases, W."""
        # A hundredth of a watt for limits that were rounded on their way.
        return MIN_CURRENT_A * self.voltage_v * phases - 0.01
