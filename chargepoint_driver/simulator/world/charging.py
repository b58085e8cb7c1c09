"""Power and energy of a vehicle, computed without ticks.

The demand depends on the energy delivered so far: constant up to a knee, then
falling in a straight line to a floor, then nothing. Between two changes of the
ceiling everything has a closed form, so any span of time costs one evaluation
and the energy does not depend on how the span was cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class ChargeCurve:
    """Demand of one vehicle during one visit.

    Fields: `max_kw` up to `knee_kwh` delivered, then a straight fall to
    `floor_kw` at `full_kwh`, where charging stops. 0 < floor_kw < max_kw and
    0 <= knee_kwh < full_kwh.
    """

    max_kw: float
    floor_kw: float
    knee_kwh: float
    full_kwh: float

    def demand_kw(self, energy_kwh: float) -> float:
        """Return what the vehicle would draw, unlimited, after `energy_kwh`."""
        if energy_kwh >= self.full_kwh:
            return 0.0
        if energy_kwh <= self.knee_kwh:
            return self.max_kw
        return self.max_kw - self._slope * (energy_kwh - self.knee_kwh)

    def load_kw(self, energy_kwh: float, ceiling_kw: float) -> float:
        """Return what the vehicle draws under a ceiling; never negative, never above it."""
        return max(0.0, min(self.demand_kw(energy_kwh), ceiling_kw))

    def deliver(self, energy_kwh: float, ceiling_kw: float, span_s: float) -> tuple[float, float]:
        """Charge for `span_s` seconds under a constant ceiling.

        Returns (energy delivered in total, kWh; seconds with power flowing).
        """
        if span_s <= 0 or ceiling_kw <= 0 or energy_kwh >= self.full_kwh:
            return energy_kwh, 0.0
        flat_kw = min(self.max_kw, ceiling_kw)
        flat_until_kwh = self._energy_where_demand_is(flat_kw)
        left_s = span_s
        if energy_kwh < flat_until_kwh:
            flat_s = (flat_until_kwh - energy_kwh) / flat_kw * SECONDS_PER_HOUR
            if left_s < flat_s:
                return energy_kwh + flat_kw * left_s / SECONDS_PER_HOUR, span_s
            energy_kwh = flat_until_kwh
            left_s -= flat_s
        if energy_kwh >= self.full_kwh:
            return self.full_kwh, span_s - left_s
        # dP/dE = -slope and dE/dt = P, so the power decays exponentially in time.
        power_kw = self.demand_kw(energy_kwh)
        decay_per_s = self._slope / SECONDS_PER_HOUR
        taper_s = math.log(power_kw / self.floor_kw) / decay_per_s
        if left_s >= taper_s:
            return self.full_kwh, span_s - left_s + taper_s
        gained_kwh = power_kw * -math.expm1(-decay_per_s * left_s) / self._slope
        return min(energy_kwh + gained_kwh, self.full_kwh), span_s

    @property
    def _slope(self) -> float:
        """Fall of the demand in the taper, kW per kWh."""
        return (self.max_kw - self.floor_kw) / (self.full_kwh - self.knee_kwh)

    def _energy_where_demand_is(self, power_kw: float) -> float:
        if power_kw <= self.floor_kw:
            return self.full_kwh
        return self.knee_kwh + (self.max_kw - power_kw) / self._slope
