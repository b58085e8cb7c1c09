"""The slope test tells a leak from noise."""

from __future__ import annotations

import random

import pytest

from .verdict import TOLERANCES, growth, is_flat


def samples(name: str, per_hour: float, noise: float = 0.0, hours: float = 0.5) -> list[dict]:
    shake, steps = random.Random(7), int(hours * 360)
    return [
        {
            "time_s": step * 10.0,
            # Warm-up: a steep rise that does not count.
            name: 100.0 + min(step, steps * 0.3) + per_hour * step / 360 + shake.gauss(0, noise),
        }
        for step in range(steps)
    ]


@pytest.mark.parametrize("name", TOLERANCES)
def test_flat(name: str) -> None:
    assert is_flat(name, *growth(samples(name, 0.0, noise=0.5), name))


@pytest.mark.parametrize("name", TOLERANCES)
def test_a_leak(name: str) -> None:
    mean, grown = growth(samples(name, 40.0, noise=0.5), name)
    assert grown == pytest.approx(12.0, abs=1.5)
    assert not is_flat(name, mean, grown)


def test_too_short() -> None:
    with pytest.raises(ValueError, match="run it for longer"):
        growth(samples("threads", 0.0, hours=0.01), "threads")
