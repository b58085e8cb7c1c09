"""Load over time on disk: steps, gaps, and what a crash or a copy of an old version leaves."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

import pytest

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.web.api.schemas import Group, Port, SeriesSample, Station
from chargepoint_driver.web.live.recorder import Recorder
from chargepoint_driver.web.store import Database
from chargepoint_driver.web.store.database import MIGRATIONS
from chargepoint_driver.web.store.samples import STEPS, Samples, Series

from .conftest import Clock

SITE = Series("site")
PORT = Series.port("a", "S", 1)
START = 1_600_000_200.0  # a border of no step
HOUR = 3_600.0


@pytest.fixture
def clock():
    return Clock(START)


@pytest.fixture
def samples(database, clock):
    return Samples(database, clock)


def minute(start, load, until=None, **more):
    values = {"peak": load, "allowed": 10.0, "capacity": 12.0, "headroom": None, "unknown": 0}
    return SeriesSample(start, until or start + 60, load, **{**values, **more})


def fill(samples, clock, hours, load=lambda index: float(index % 7)):
    """Minutes from START on, with the coarser steps made on the way as the recorder does."""
    for index in range(int(hours * 60)):
        start = START + index * 60
        clock.now_s = start + 60
        samples.add([(SITE, minute(start, load(index)))])
        if index % 15 == 0:
            samples.roll()
    samples.roll()


def test_what_is_added_is_read(samples, clock):
    samples.add([(SITE, minute(START, 5.0)), (PORT, minute(START, None, unknown=1))])
    clock.now_s += 60
    assert samples.read(SITE, START, START + 60) == (60, [minute(START, 5.0)])
    assert samples.read(PORT, START, START + 60)[1][0].load is None
    assert samples.read(Series("group", "a", "7"), START, START + 60)[1] == []


def test_a_gap_stays_a_gap(samples):
    samples.add([(SITE, minute(START, 5.0))])
    samples.add([(SITE, minute(START + 600, 5.0))])
    found = samples.read(SITE, START, START + HOUR)[1]
    assert [(s.start - START, s.until - START) for s in found] == [(0, 60), (600, 660)]


def test_the_same_again_makes_a_sample_longer_up_to_a_quarter_of_an_hour(samples, database):
    for index in range(60):
        samples.add([(SITE, minute(START + index * 60, 5.0))])
    found = samples.read(SITE, START, START + HOUR)[1]
    assert [s.until - s.start for s in found] == [900] * 4


def test_a_long_range_is_of_a_coarser_step_with_the_same_energy(samples, clock):
    fill(samples, clock, 60)
    minutes = [float(index % 7) for index in range(60 * 60)]
    step, found = samples.read(SITE, START, clock.now_s)
    assert step == 900
    energy = sum(s.load * (s.until - s.start) for s in found)
    assert energy == pytest.approx(sum(minutes) * 60, rel=0.001)
    assert max(s.peak for s in found) == 6.0
    for before, after in pairwise(found):
        assert before.until == after.start
    assert samples.read(SITE, clock.now_s - HOUR, clock.now_s)[0] == 60


def test_a_year_has_few_points_and_old_minutes_are_gone(samples, clock, database):
    fill(samples, clock, 75, load=lambda index: 4.0)
    step, found = samples.read(SITE, clock.now_s - 360 * 86_400, clock.now_s)
    assert step == max(STEPS)
    assert {s.load for s in found} == {4.0}
    with database.reading() as db:
        (oldest,) = db.execute("SELECT min(start) FROM samples WHERE step = 60").fetchone()
    assert oldest >= clock.now_s - STEPS[60] - 900


def test_a_shed_of_minutes_shows_in_coarse_samples(samples, clock):
    samples.add([(SITE, minute(START, 5.0)), (SITE, minute(START + 60, 2.0, allowed=3.0))])
    clock.now_s = START + 3 * 86_400
    samples.roll()
    found = samples.read(SITE, START - HOUR, START + HOUR)[1]
    assert min(s.allowed for s in found) == 3.0
    assert max(s.peak for s in found) == 5.0


def test_unknown_load_is_never_zero_in_a_coarse_sample(samples, clock):
    samples.add([(SITE, minute(START, None, peak=None, unknown=2))])
    samples.add([(SITE, minute(START + 60, 4.0))])
    samples.add([(PORT, minute(START, None, peak=None, unknown=1))])
    clock.now_s = START + 3 * 86_400
    samples.roll()
    (site,) = samples.read(SITE, START - HOUR, START + HOUR)[1]
    assert (site.load, site.unknown) == (4.0, 2)
    (port,) = samples.read(PORT, START - HOUR, START + HOUR)[1]
    assert (port.load, port.peak) == (None, None)


def test_it_is_there_after_a_restart(tmp_path, clock):
    path = tmp_path / "page.sqlite"
    first = Database(path)
    Samples(first, clock).add([(SITE, minute(START, 5.0))])
    first.close()
    second = Database(path)
    again = Samples(second, clock)
    again.add([(SITE, minute(START + 60, 6.0))])
    assert [s.load for s in again.read(SITE, START, START + HOUR)[1]] == [5.0, 6.0]
    second.close()


def test_a_file_of_a_later_version_and_one_that_is_none_are_refused(tmp_path):
    path = tmp_path / "page.sqlite"
    Database(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(ConfigurationError, match="later version"):
        Database(path)
    path.write_text("this is not a database, and long enough to be looked at " * 40)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Database(path)


def station(load, shed=0, status="INUSE"):
    values = {"portLoad": load, "shedState": shed, "Status": status, "allowedLoad": 3.0}
    return Station(
        "a", "S", "S", ["7"], {}, {}, {}, {}, {},
        [Port("a", "S", 1, "S", {"Power": 7.2}, values, {}, {}, {})],
    )  # fmt: skip


def record(recorder, clock, load, seconds=0.0, **more):
    clock.now_s += seconds
    group = Group("a", "7", "Garage", ["S"], {}, {}, {}, {})
    recorder.record([station(load, **more)], [group], 0)


def test_the_recorder_keeps_means_and_peaks_of_site_group_and_port(samples, clock):
    recorder = Recorder(samples, clock)
    clock.now_s = START // 60 * 60 + 1
    for load in (2.0, 4.0, 6.0):
        record(recorder, clock, load, 15)
    record(recorder, clock, 6.0, 20)
    for series in (SITE, PORT, Series("group", "a", "7")):
        found = samples.read(series, START - 60, clock.now_s)[1]
        assert [(s.load, s.peak, s.capacity) for s in found] == [(4.0, 6.0, 7.2)]
        # From the first look to the end of the minute.
        assert found[0].until - found[0].start == 44
    # The minute that is not over yet is there too.
    assert recorder.read(PORT, START - 60, clock.now_s)[1][-1].load == 6.0


def test_the_recorder_says_nothing_of_a_time_that_it_did_not_see(samples, clock):
    recorder = Recorder(samples, clock)
    clock.now_s = START // 60 * 60 + 5
    record(recorder, clock, 2.0)
    record(recorder, clock, 2.0, 3_600)
    record(recorder, clock, 2.0, 60)
    found = samples.read(PORT, START - 60, clock.now_s)[1]
    assert max(s.until - s.start for s in found) <= 120
    assert sum(s.until - s.start for s in found) < 300


def test_a_port_out_of_reach_has_no_load(samples, clock):
    recorder = Recorder(samples, clock)
    record(recorder, clock, 5.0, status="UNREACHABLE")
    recorder.flush()
    (found,) = samples.read(PORT, START - 60, START + 60)[1]
    assert (found.load, found.peak, found.unknown) == (None, None, 1)


@pytest.mark.parametrize("every_s", [10, 25, 41, 61, 100])
def test_looks_that_follow_each_other_leave_no_gap(samples, clock, every_s):
    """A large site is read less often than once a minute."""
    recorder = Recorder(samples, clock)
    clock.now_s = begin_s = START + 7
    for index in range(3_600 // every_s):
        record(recorder, clock, float(index % 5), every_s)
    found = recorder.read(PORT, begin_s, clock.now_s)[1]
    assert found[0].start == begin_s + every_s
    for before, after in pairwise(found):
        # The minute that is not over yet begins with its first look.
        assert after.start - before.until <= (60 if after is found[-1] else 0)
    assert all(s.start // 900 == (s.until - 0.1) // 900 for s in found)


def test_a_service_that_is_away_leaves_a_gap(samples, clock):
    recorder = Recorder(samples, clock)
    clock.now_s = START + 7
    record(recorder, clock, 2.0)
    record(recorder, clock, 2.0, 30)
    record(recorder, clock, 2.0, 600)
    record(recorder, clock, 2.0, 60)
    found = samples.read(PORT, START, clock.now_s)[1]
    assert len(found) == 2
    assert found[1].start - found[0].until > 500
