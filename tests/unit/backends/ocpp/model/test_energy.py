"""The energy of a session from its registers, resets included."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backends.ocpp.model.energy import Delivered, Registers, after


def through(start_wh: float | None, samples: list[float]) -> Registers:
    """The registers after a begin and samples."""
    found, last_wh = Registers(start_wh), start_wh
    for wh in samples:
        found = after(found, last_wh, wh)
        last_wh = wh
    return found


@pytest.mark.parametrize(
    ("start", "samples", "stop", "wh", "resets", "is_minimum"),
    [
        (1000, [1500, 1900], 2000, 1000, 0, False),
        (1000, [], 2000, 1000, 0, False),
        (0, [], 0, 0, 0, False),
        # No register of the end: what was seen is the least that flowed.
        (1000, [1500], None, 500, 0, True),
        (1000, [], None, None, 0, False),
        (None, [1500], 2000, None, 0, False),
        # A fall by rounding does not count.
        (269_456, [], 269_455, 0, 0, False),
        (1000, [6000], 5600, 4600, 0, False),
        (1000, [6000, 5900], None, 4900, 0, True),
        # Reset between two samples: the rises on each side.
        (1000, [5000, 200, 1100], 1200, 5000, 1, True),
        (1000, [5000, 200], None, 4000, 1, True),
        (1000, [5000, 0, 3000, 0], 700, 7700, 2, True),
        (1000, [5000, 0], 9000, 13_000, 1, True),
        # Reset between the last sample and the end.
        (1000, [5000], 100, 4000, 1, True),
        (1000, [5000, 200, 1100], 100, 4900, 2, True),
        # Reset with nothing to tell the energy by.
        (5000, [], 100, None, 1, False),
        # Samples of the session only, next to a begin and an end of the total.
        (245_000, [0, 2000, 4900], 250_000, 5000, 0, False),
        (5000, [0, 1000, 2000], 7000, 2000, 0, False),
        # The register was reset right after the begin.
        (5000, [0, 1000, 2000], 2100, 2100, 1, True),
        (1000, [0, 900], 1100, 1100, 1, True),
    ],
)
def test_the_energy(start, samples, stop, wh, resets, is_minimum) -> None:
    assert through(start, samples).delivered(stop) == Delivered(wh, resets, is_minimum)


registers = st.floats(0, 1e6)


@given(registers, st.lists(registers), st.none() | registers)
def test_it_is_never_negative(start: float, samples: list[float], stop: float | None) -> None:
    found = through(start, samples).delivered(stop)
    assert found.wh is None or found.wh >= 0


@given(registers, st.lists(registers, min_size=1), registers)
def test_what_may_be_too_small_says_so(start: float, samples: list[float], stop: float) -> None:
    """Less than the rises that were seen is given only where the end fits the begin."""
    found = through(start, samples).delivered(stop)
    path = [start, *samples, stop]
    rises = sum(max(0.0, later - before) for before, later in pairwise(path))
    if found.wh is not None and found.wh < rises - 1000 * len(path):
        assert found.is_minimum or found.wh == pytest.approx(max(0.0, stop - start))
