"""Whether what a process holds stays what it was: a line through the samples after warm-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WARM_UP = 0.4
"""The share of a run that does not count: caches fill, allocators settle."""

WINDOW = 6
"""Samples of which the least counts: a minute, which is one poll."""

TOLERANCES: Mapping[str, tuple[float, float]] = {
    # what: (units, share of the mean) that it may grow by from warm-up to the end
    "memory_mib": (4.0, 0.03),
    "descriptors": (2.0, 0.0),
    "threads": (2.0, 0.0),
    "greenlets": (5.0, 0.02),
    "tasks": (5.0, 0.02),
}


def growth(samples: Sequence[Mapping[str, float]], name: str) -> tuple[float, float]:
    """(mean, growth from the end of warm-up to the end, by the straight line that fits best).

    Of each few samples the least counts: a poll of a thousand devices is a thousand greenlets
    for a while, and what leaks is there between polls too.

    ValueError when there are too few samples for a line.
    """
    after = list(samples)[int(len(samples) * WARM_UP) :]
    whole = range(0, len(after) - WINDOW + 1, WINDOW)
    kept = [min(after[at : at + WINDOW], key=lambda each: each[name]) for at in whole]
    if len(kept) < 5:
        raise ValueError(f"{len(after)} samples after warm-up make no line; run it for longer")
    times = [each["time_s"] for each in kept]
    values = [each[name] for each in kept]
    mean_s, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - mean_s) ** 2 for at in times)
    slope = sum((t - mean_s) * (v - mean) for t, v in zip(times, values, strict=True)) / spread
    return mean, slope * (times[-1] - times[0])


def is_flat(name: str, mean: float, grown: float) -> bool:
    units, share = TOLERANCES[name]
    return grown <= max(units, share * mean)
