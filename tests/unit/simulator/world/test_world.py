"""The world: its opening, its course, and that the seed decides both."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from chargepoint_driver.simulator.world.ceilings import Limit
from chargepoint_driver.simulator.world.clock import ManualClock, ScaledClock
from chargepoint_driver.simulator.world.state_json import world_json
from chargepoint_driver.simulator.world.world import World

HOUR_S = 3600
EVERY_THREE_HOURS = [datetime(2026, 7, 4, hour, tzinfo=timezone.utc) for hour in range(0, 24, 3)]


@pytest.mark.parametrize("start", EVERY_THREE_HOURS, ids=lambda moment: f"{moment:%H}h")
def test_opening_is_worth_looking_at_at_any_hour(start: datetime) -> None:
    clock = ManualClock(start)
    world = World(clock, stations=100, ports_per_station=2, seed=11)
    now_s = world.advance()
    ports = [port for station in world.stations for port in station.ports]
    charging = [port for port in ports if port.load_kw > 0]
    assert len(charging) >= len(ports) / 3
    assert any(port.visit and not port.load_kw for port in ports), "plugged in and finished"
    assert any(port.visit is None for port in ports), "idle"
    assert all(port.load_kw < port.rated_kw for port in ports)
    sessions = world.sessions(from_s=now_s - 24 * HOUR_S, to_s=now_s)
    assert 0.9 * len(ports) <= len(sessions) <= 290
    assert all(entry.session.energy_kwh >= 0 for entry in sessions)

    clock.advance(3 * HOUR_S)
    world.advance()
    assert sum(port.load_kw > 0 for port in charging) >= len(ports) / 3


@pytest.mark.parametrize("start", EVERY_THREE_HOURS, ids=lambda moment: f"{moment:%H}h")
def test_smallest_world_charges(start: datetime) -> None:
    world = World(ManualClock(start), stations=1, ports_per_station=1, seed=3)
    world.advance()
    assert world.stations[0].ports[0].load_kw > 0


def test_same_seed_same_course_whoever_looks() -> None:
    clocks = ManualClock(), ManualClock()
    first, second = (World(clock, stations=6, seed=5) for clock in clocks)
    for _ in range(50):
        clocks[0].advance(HOUR_S)
        first.advance(first.stations[::2])
    clocks[1].advance(50 * HOUR_S)
    assert world_json(first) == world_json(second)
    assert world_json(first) != world_json(World(clocks[1], stations=6, seed=6))


def test_sessions_of_a_port_never_overlap_and_ids_are_unique() -> None:
    clock = ManualClock()
    world = World(clock, stations=10, seed=5)
    clock.advance(5 * 24 * HOUR_S)
    entries = world.sessions()
    ids = [entry.session.visit.session_id for entry in entries]
    assert len(set(ids)) == len(ids) > 100
    for station in world.stations:
        for port in station.ports:
            sessions = port.sessions()
            for earlier, later in pairwise(sessions):
                assert earlier.end_s is not None
                assert earlier.end_s <= later.start_s


def test_old_sessions_are_forgotten() -> None:
    clock = ManualClock()
    world = World(clock, stations=1, seed=5)
    clock.advance(60 * 24 * HOUR_S)
    now_s = world.advance()
    oldest_s = min(entry.session.end_s or now_s for entry in world.sessions())
    assert now_s - oldest_s < 33 * 24 * HOUR_S


def test_window_of_sessions_counts_overlap() -> None:
    clock = ManualClock()
    world = World(clock, stations=1, ports_per_station=1, seed=5)
    world.advance()
    port = world.stations[0].ports[0]
    session = port.session
    assert session is not None
    start_s = session.start_s
    assert port.sessions(to_s=start_s - 1) == [s for s in port.sessions() if s.start_s < start_s]
    assert session in port.sessions(from_s=start_s + 1)
    assert session in port.sessions(from_s=world.now_s() + 10**6), "still running"
    ended = world.unplug("1:34001", 1)
    assert ended.end_s == world.now_s()
    assert ended not in port.sessions(from_s=world.now_s() + 1)
    assert ended in port.sessions(from_s=world.now_s())


def test_plug_in_and_out() -> None:
    clock = ManualClock()
    world = World(clock, stations=3, seed=5)
    station_id, port = world.stations[2].station_id, world.stations[2].ports[0]
    world.advance()
    if port.visit is not None:
        world.unplug(station_id, 1)
    with pytest.raises(ValueError, match="no vehicle"):
        world.unplug(station_id, 1)
    visit = world.plug_in(station_id, 1, full_kwh=20)
    with pytest.raises(ValueError, match="taken"):
        world.plug_in(station_id, 1)
    clock.advance(HOUR_S)
    world.advance()
    assert port.session is not None
    assert port.session.energy_kwh == pytest.approx(visit.curve.max_kw)
    clock.advance(8 * HOUR_S)
    world.advance()
    assert any(s.visit == visit and s.energy_kwh == visit.curve.full_kwh for s in port.sessions())
    with pytest.raises(KeyError):
        world.plug_in(station_id, 9)


def test_groups() -> None:
    world = World(ManualClock(), stations=250, ports_per_station=1, organisations=2)
    assert [len(group.station_ids) for group in world.groups] == [84, 83, 83]
    assert {group.organisation.org_id for group in world.groups} == {"1:ORG00001", "1:ORG00002"}
    assert len(World(ManualClock(), stations=100).groups) == 1
    assert len(World(ManualClock(), stations=4, groups=3).groups) == 3
    extra = world.add_group("Roof", ["1:34001"])
    assert [group.group_id for group in world.groups_of("1:34001")] == [39491, extra.group_id]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"stations": 0}, "stations"),
        ({"ports_per_station": 0}, "ports_per_station"),
        ({"groups": 0}, "groups"),
        ({"groups": 9}, "groups"),
        ({"organisations": 3}, "organisations"),
        ({"stations": 6000}, "10000"),
        ({"shed_delay_s": -1}, "shed_delay_s"),
        ({"clear_delay_s": float("nan")}, "clear_delay_s"),
    ],
)
def test_nonsense_is_refused(options: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        World(ManualClock(), **options)  # type: ignore[arg-type]


def test_delays_and_intervals_on_the_worlds_clock() -> None:
    clock = ManualClock()
    world = World(clock, stations=1, ports_per_station=1, shed_delay_s=300, clear_delay_s=600)
    station, port = world.stations[0], world.stations[0].ports[0]
    world.advance()
    full_kw = port.load_kw

    def load_after(seconds: float) -> float:
        clock.advance(seconds)
        world.advance()
        return port.load_kw

    world.shed([station], Limit(allowed_kw=2.0), interval_min=10)
    assert load_after(299) == full_kw
    assert load_after(1) == 2.0
    assert load_after(599) == 2.0
    assert load_after(1) == full_kw, "ended unasked"

    world.shed([station], Limit(percent=60))
    assert load_after(300) == pytest.approx(0.4 * full_kw)
    world.clear_shed([station])
    assert load_after(599) == pytest.approx(0.4 * full_kw)
    assert load_after(1) == full_kw

    world.shed([station], Limit(allowed_kw=1.0))
    clock.advance(100)
    world.clear_delay_s = 0
    world.clear_shed([station])
    assert load_after(1000) == full_kw, "a clear overtakes a shed that has not taken effect"


def test_idle_port_shed_by_percent_is_held_at_zero() -> None:
    clock = ManualClock()
    world = World(clock, stations=3, seed=5)
    station, port = world.stations[2], world.stations[2].ports[0]
    world.advance()
    assert port.visit is None
    world.shed([station], Limit(percent=10))
    world.plug_in(station.station_id, 1)
    clock.advance(600)
    world.advance()
    assert port.load_kw == 0.0
    assert port.session is not None
    assert port.session.energy_kwh == 0.0
    world.clear_shed([station])
    world.advance()
    assert port.load_kw > 0


def test_events_take_their_share_when_they_start() -> None:
    clock = ManualClock()
    world = World(clock, stations=1, ports_per_station=1)
    station, port = world.stations[0], world.stations[0].ports[0]
    now_s = world.advance()
    full_kw = port.load_kw
    event_id = world.create_event([station], Limit(percent=50), now_s + 600, 10)
    world.shed([station], Limit(allowed_kw=4.0))
    clock.advance(600)
    world.advance()
    assert port.load_kw == pytest.approx(2.0), "half of what flowed then, not of what flows now"
    assert world.remove_event(event_id)
    assert port.load_kw == 4.0
    assert not world.remove_event(event_id)
    world.create_event([station], Limit(allowed_kw=1.0), world.now_s() - 60, 11)
    world.advance()
    assert port.load_kw == 1.0
    clock.advance(600)
    world.clear_shed([station])
    world.advance()
    assert port.load_kw == full_kw


def test_scaled_clock() -> None:
    real_s = [100.0]
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    clock = ScaledClock(60, start, monotonic=lambda: real_s[0])
    real_s[0] += 2
    assert clock.now_s() == (start + timedelta(minutes=2)).timestamp()
    clock.advance(30)
    assert clock.now_s() == (start + timedelta(minutes=2, seconds=30)).timestamp()
    with pytest.raises(ValueError, match="forwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="speed"):
        ScaledClock(0)
    with pytest.raises(ValueError, match="zone"):
        ManualClock(datetime(2026, 1, 1))
