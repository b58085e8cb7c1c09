"""The quarter hours of a charging session: energy, peak power and rolling average power."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .charging import SECONDS_PER_HOUR, ChargeCurve

INTERVAL_S = 900


@dataclass(frozen=True)
class Span:
    """A time under one ceiling, from `start_s` on. `energy_kwh` is what was delivered before."""

    start_s: float
    energy_kwh: float
    ceiling_kw: float


@dataclass(frozen=True)
class Interval:
    """A quarter hour of a session that ends at `end_s`, cut at the session's begin and end.

    `total_kwh` is delivered since the session began, `energy_kwh` within the interval.
    `average_kw` is the mean of the 15 minutes before `end_s`.
    """

    end_s: float
    total_kwh: float
    energy_kwh: float
    peak_kw: float
    average_kw: float


def intervals(
    curve: ChargeCurve, spans: Sequence[Span], start_s: float, end_s: float
) -> list[Interval]:
    """Cut a session at the quarter hours of the clock. `spans` are in order of time."""
    ends = _quarter_hours(start_s, end_s)
    found = []
    begin_s = start_s
    for until_s in ends:
        before, after = _energy_kwh(curve, spans, begin_s), _energy_kwh(curve, spans, until_s)
        earlier = _energy_kwh(curve, spans, max(start_s, until_s - INTERVAL_S))
        average_kw = (after - earlier) * SECONDS_PER_HOUR / INTERVAL_S
        peak_kw = _peak_kw(curve, spans, begin_s, until_s)
        found.append(Interval(until_s, after, after - before, peak_kw, average_kw))
        begin_s = until_s
    return found


def _quarter_hours(start_s: float, end_s: float) -> list[float]:
    """Return the ends of the intervals; the last one is the end of the session."""
    first = math.floor(start_s / INTERVAL_S) + 1
    last = math.ceil(end_s / INTERVAL_S)
    inside = [float(number * INTERVAL_S) for number in range(first, last)]
    return [*inside, end_s] if end_s > start_s else []


def _energy_kwh(curve: ChargeCurve, spans: Sequence[Span], at_s: float) -> float:
    span = next((span for span in reversed(spans) if span.start_s <= at_s), None)
    if span is None:
        return 0.0
    return curve.deliver(span.energy_kwh, span.ceiling_kw, at_s - span.start_s)[0]


def _peak_kw(curve: ChargeCurve, spans: Sequence[Span], begin_s: float, until_s: float) -> float:
    """Return the largest load within. Under one ceiling a load only falls, so that the begins
    count."""
    peak_kw = 0.0
    for number, span in enumerate(spans):
        next_s = spans[number + 1].start_s if number + 1 < len(spans) else math.inf
        if span.start_s < until_s and next_s > begin_s:
            from_s = max(span.start_s, begin_s)
            energy_kwh = curve.deliver(span.energy_kwh, span.ceiling_kw, from_s - span.start_s)[0]
            peak_kw = max(peak_kw, curve.load_kw(energy_kwh, span.ceiling_kw))
    return peak_kw
