"""The site cap's decisions, on a clock that stands still."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.demand_response.site_cap import Cap

SETTINGS = {
    "limit_kw": 100.0,
    "chargers_kw": 50.0,
    "floor_kw": 6.0,
    "safe_kw": 10.0,
    "meter_timeout_seconds": 180,
    "hysteresis_kw": 2.0,
    "raise_seconds": 300,
}


def cap(held_kw: float | None = None) -> Cap:
    return Cap(SETTINGS, 0.0, held_kw)


def decide(cap: Cap, building_kw: object, now_s: float) -> float | None:
    cap.meter(building_kw, now_s)
    return cap.decide(now_s)


def test_chargers_that_fit_are_left_alone() -> None:
    assert decide(cap(), 50.0, 1) is None


def test_chargers_that_could_exceed_the_limit_are_throttled_at_once() -> None:
    one = cap()
    assert decide(one, 50.1, 1) == 47.9
    assert decide(one, 70.0, 2) == 28.0
    assert "takes 70 kW" in one.reason


def test_small_changes_of_the_building_change_nothing() -> None:
    one = cap()
    assert decide(one, 60.0, 1) == 38.0
    for now_s, building_kw in enumerate((61.9, 58.1, 62.0, 58.0), start=400):
        assert decide(one, building_kw, now_s) == 38.0


def test_more_room_is_given_back_late_and_all_of_it_by_release() -> None:
    one = cap()
    assert decide(one, 80.0, 1) == 18.0
    assert decide(one, 60.0, 300) == 18.0
    assert decide(one, 60.0, 301) == 38.0
    assert decide(one, 48.1, 601) == 49.9
    assert decide(one, 48.0, 901) is None
    assert decide(one, 50.0, 902) is None  # the whole band lies between


def test_throttled_to_the_floor_and_never_below() -> None:
    one = cap()
    assert decide(one, 93.0, 1) == 6.0
    assert decide(one, 200.0, 2) == 6.0
    assert "less than floor_kw" in one.reason


def test_a_silent_meter_means_the_safe_limit() -> None:
    one = cap()
    decide(one, 10.0, 100)
    assert one.decide(280) is None
    assert one.decide(281) == 10.0
    assert "silent for 181 s" in one.reason


def test_a_meter_that_never_speaks_is_silent() -> None:
    one = cap()
    assert (one.decide(180), one.decide(181)) == (None, 10.0)


def test_silence_raises_no_limit() -> None:
    one = cap()
    decide(one, 95.0, 1)
    assert one.decide(1_000) == 6.0


@pytest.mark.parametrize("value", [None, "12", True, math.nan, math.inf, [], {}])
def test_what_is_no_reading_is_silence(value: object) -> None:
    one = cap()
    decide(one, 10.0, 1)
    assert not one.meter(value, 170)
    assert one.decide(182) == 10.0


def test_after_silence_it_is_raised_only_after_the_wait() -> None:
    one = cap()
    one.decide(181)
    assert decide(one, 10.0, 182) == 10.0
    assert decide(one, 10.0, 481) is None


def test_what_is_in_force_at_the_start_is_kept_and_given_back_in_time() -> None:
    one = cap(20.0)
    assert decide(one, 10.0, 299) == 20.0
    assert decide(one, 10.0, 300) is None
    assert decide(cap(20.0), 95.0, 1) == 6.0


def test_stopped_it_falls_back_and_never_up() -> None:
    assert (cap().fall_back(), cap(20.0).fall_back(), cap(0.0).fall_back()) == (10.0, 10.0, 0.0)


@given(st.lists(st.tuples(st.floats(-50, 250), st.integers(0, 400)), min_size=1, max_size=40))
def test_building_and_chargers_never_exceed_the_limit_but_for_the_floor(
    readings: list[tuple[float, int]],
) -> None:
    one, now_s = cap(), 0
    for building_kw, wait_s in readings:
        now_s += wait_s
        allowed_kw = decide(one, building_kw, now_s)
        chargers_kw = SETTINGS["chargers_kw"] if allowed_kw is None else allowed_kw
        assert chargers_kw <= max(SETTINGS["floor_kw"], SETTINGS["limit_kw"] - building_kw) + 1e-6
        assert chargers_kw >= SETTINGS["floor_kw"]
