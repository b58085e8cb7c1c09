"""The physics: energy is the integral of the load, however time is cut."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chargepoint_driver.simulator.world.ceilings import Limit
from chargepoint_driver.simulator.world.charging import ChargeCurve
from chargepoint_driver.simulator.world.clock import ManualClock
from chargepoint_driver.simulator.world.world import World

# A slow machine is not a failure, and nothing is to be left behind.
settings.register_profile("simulator", deadline=None, database=None)
unhurried = settings(settings.get_profile("simulator"))

CURVE = ChargeCurve(max_kw=7.0, floor_kw=0.8, knee_kwh=20.0, full_kwh=25.0)


@st.composite
def curves(draw: st.DrawFn) -> ChargeCurve:
    max_kw = draw(st.floats(1.0, 20.0))
    knee_kwh = draw(st.floats(0.0, 50.0))
    return ChargeCurve(
        max_kw=max_kw,
        floor_kw=max_kw * draw(st.floats(0.02, 0.9)),
        knee_kwh=knee_kwh,
        full_kwh=knee_kwh + draw(st.floats(0.1, 20.0)),
    )


@unhurried
@given(curves(), st.floats(0.0, 25.0), st.lists(st.floats(0.0, 40_000.0), min_size=1, max_size=8))
def test_energy_does_not_depend_on_how_time_is_cut(
    curve: ChargeCurve, ceiling_kw: float, spans_s: list[float]
) -> None:
    whole_kwh, whole_s = curve.deliver(0.0, ceiling_kw, sum(spans_s))
    cut_kwh, cut_s = 0.0, 0.0
    for span_s in spans_s:
        cut_kwh, charging_s = curve.deliver(cut_kwh, ceiling_kw, span_s)
        cut_s += charging_s
    assert cut_kwh == pytest.approx(whole_kwh, abs=1e-6)
    assert cut_s == pytest.approx(whole_s, abs=0.1)
    assert cut_kwh <= curve.full_kwh


@unhurried
@given(curves(), st.floats(0.3, 25.0))
def test_energy_is_the_integral_of_the_load(curve: ChargeCurve, ceiling_kw: float) -> None:
    step_s = 60.0
    energy_kwh = summed_kwh = 0.0
    for _ in range(600):
        before_kw = curve.load_kw(energy_kwh, ceiling_kw)
        energy_kwh, _ = curve.deliver(energy_kwh, ceiling_kw, step_s)
        after_kw = curve.load_kw(energy_kwh, ceiling_kw)
        summed_kwh += (before_kw + after_kw) / 2 * step_s / 3600
    # The trapezoid is off by at most one step where charging stops, and a little in the bend.
    assert summed_kwh == pytest.approx(energy_kwh, rel=0.01, abs=curve.max_kw * step_s / 3600)


@unhurried
@given(st.floats(0.0, 25.0), st.floats(0.0, 30.0), st.floats(1.0, 90_000.0))
def test_never_above_the_ceiling(energy_kwh: float, ceiling_kw: float, span_s: float) -> None:
    assert CURVE.load_kw(energy_kwh, ceiling_kw) <= ceiling_kw
    after_kwh, charging_s = CURVE.deliver(energy_kwh, ceiling_kw, span_s)
    assert after_kwh - energy_kwh <= ceiling_kw * charging_s / 3600 + 1e-9
    assert 0 <= charging_s <= span_s


def test_tapers_to_the_floor_and_stops() -> None:
    energy_kwh, _ = CURVE.deliver(0.0, math.inf, 20 / 7 * 3600)
    assert energy_kwh == pytest.approx(20.0)
    loads = []
    while energy_kwh < CURVE.full_kwh:
        loads.append(CURVE.load_kw(energy_kwh, math.inf))
        energy_kwh, _ = CURVE.deliver(energy_kwh, math.inf, 60.0)
    assert all(later < earlier for earlier, later in pairwise(loads))
    assert loads[-1] >= CURVE.floor_kw
    assert CURVE.demand_kw(energy_kwh) == 0.0


def test_nothing_flows_below_a_ceiling_of_zero() -> None:
    assert CURVE.deliver(3.0, 0.0, 9e9) == (3.0, 0.0)


orders = st.one_of(
    st.tuples(st.just("allowed"), st.integers(0, 3), st.floats(0.0, 15.0), st.integers(0, 90)),
    st.tuples(st.just("percent"), st.integers(0, 3), st.integers(0, 100), st.integers(0, 90)),
    st.tuples(st.just("clear"), st.integers(0, 3), st.just(0), st.just(0)),
)


@unhurried
@given(
    seed=st.integers(0, 1000),
    delay_s=st.sampled_from([0.0, 300.0]),
    course=st.lists(st.tuples(st.floats(1.0, 5_000.0), orders), max_size=12),
)
def test_sessions_add_up_whatever_is_commanded(
    seed: int, delay_s: float, course: list[tuple[float, tuple[str, int, float, int]]]
) -> None:
    """A world looked at every few seconds and one looked at at the end agree."""
    clocks = ManualClock(), ManualClock()
    watched, unwatched = (
        World(clock, seed=seed, shed_delay_s=delay_s, clear_delay_s=delay_s / 2) for clock in clocks
    )
    for gap_s, (kind, index, value, minutes) in course:
        for clock, world, steps in ((clocks[0], watched, 7), (clocks[1], unwatched, 1)):
            for _ in range(steps):
                clock.advance(gap_s / steps)
                if steps > 1:
                    world.advance()
            station = world.stations[index]
            if kind == "clear":
                world.clear_shed([station])
            elif kind == "allowed":
                world.shed([station], Limit(allowed_kw=value), minutes)
            else:
                world.shed([station], Limit(percent=int(value)), minutes)
    for clock in clocks:
        clock.advance(40_000)
    both = [
        [(s.session.visit.session_id, s.session.energy_kwh) for s in world.sessions()]
        for world in (watched, unwatched)
    ]
    assert [session_id for session_id, _ in both[0]] == [session_id for session_id, _ in both[1]]
    for (_, first_kwh), (_, second_kwh) in zip(*both, strict=True):
        assert first_kwh == pytest.approx(second_kwh, abs=1e-4)


@unhurried
@given(seed=st.integers(0, 1000), allowed_kw=st.floats(0.0, 12.0), step_s=st.floats(5.0, 600.0))
def test_sampled_load_gives_the_energy(seed: int, allowed_kw: float, step_s: float) -> None:
    """The session reports what a meter next to the station would integrate."""
    clock = ManualClock()
    world = World(clock, stations=1, ports_per_station=1, seed=seed)
    station = world.stations[0]
    port = station.ports[0]
    world.advance()
    assert port.session is not None
    begin_kwh = port.session.energy_kwh
    summed_kwh = 0.0
    for number in range(60):
        if number == 20:
            world.shed([station], Limit(allowed_kw=allowed_kw))
        before_kw = port.load_kw
        clock.advance(step_s)
        world.advance()
        if port.session is None:
            return
        summed_kwh += (before_kw + port.load_kw) / 2 * step_s / 3600
    tolerance_kwh = port.rated_kw * step_s / 3600
    assert port.session.energy_kwh - begin_kwh == pytest.approx(summed_kwh, abs=tolerance_kwh)
