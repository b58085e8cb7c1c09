"""Every row at its own pace, by the real platform driver and its real scheduler, on a clock that
is moved by hand."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import platform_driver.poll_scheduler as host
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.adapters.driver import poll_scheduler
from chargepoint_driver.adapters.driver_interface import ChargePointInterface

from ..conftest import Driver
from ..devices import device, row

DAY = 86_400
INTERVALS = (30, 60, 300, DAY)
SIM: Any = SimpleNamespace(username="someone", password="secret", soap_url="http://127.0.0.1:9/")


class Rig:
    """The host's `core.schedule` on a clock of its own, and what is polled and when."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.now = datetime(2026, 3, 3, 10, 0, 7, 250_000, timezone.utc)
        self.polls: list[tuple[datetime, frozenset[str]]] = []
        self.out: set[str] = set()  # points that fail
        self._events: list[tuple[datetime, int, Any, tuple[Any, ...]]] = []
        self._order = itertools.count()

    def schedule(self, when: Any, function: Any, *args: Any) -> None:
        if isinstance(when, datetime):
            heapq.heappush(self._events, (when, next(self._order), function, args))

    def poll(self, topics: Iterable[str]) -> tuple[dict[str, Any], dict[str, str]]:
        topics = list(topics)
        self.polls.append((self.now, frozenset(topics)))
        errors = {topic: "down" for topic in topics if topic.rsplit("/", 1)[-1] in self.out}
        return {topic: 1 for topic in topics if topic not in errors}, errors

    def pass_(self, seconds: float) -> None:
        end = self.now + timedelta(seconds=seconds)
        while self._events and self._events[0][0] <= end:
            when, _, function, args = heapq.heappop(self._events)
            self.now = max(self.now, when)
            function(*args)
        self.now = end

    def sleep(self, seconds: float) -> None:
        """The host's machine is suspended: nothing runs, and the clock goes on."""
        self.now += timedelta(seconds=seconds)

    @property
    def series(self) -> int:
        ours = poll_scheduler.ScrapeScheduler._poll
        return sum(getattr(event[2], "__func__", None) is ours for event in self._events)

    def seconds(self, point: str, since: datetime) -> list[float]:
        """When a point was polled, counted from a time."""
        return [
            (when - since).total_seconds()
            for when, topics in self.polls
            if any(topic.endswith(f"/{point}") for topic in topics)
        ]


@pytest.fixture
def rig(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Rig:
    rig = Rig(driver)
    monkeypatch.setattr(driver.agent.core, "schedule", rig.schedule)
    monkeypatch.setattr(poll_scheduler, "_utc_now", lambda: rig.now)
    monkeypatch.setattr(host, "get_aware_utc_now", lambda: rig.now)
    monkeypatch.setattr(
        ChargePointInterface, "get_multiple_points", lambda self, topics, **_: rig.poll(topics)
    )
    return rig


def rows(*intervals: int) -> list[dict[str, str]]:
    """A row for each interval, by the name `every<seconds>`."""
    return [row(Volttron_Point_Name=f"every{s}", Scrape_Interval=str(s)) for s in intervals]


def one(*intervals: int, **host_keys: Any) -> dict[str, Any]:
    return device(SIM, "1:34001", rows(*(intervals or INTERVALS)), host_keys)


STARTS = (
    datetime(2026, 3, 3, tzinfo=timezone.utc),
    datetime(2026, 3, 3, 0, 0, 1, tzinfo=timezone.utc),
    datetime(2026, 3, 3, 10, 0, 7, 250_000, timezone.utc),
    datetime(2026, 3, 3, 23, 59, 59, 999_999, timezone.utc),
)


@pytest.mark.parametrize("start", STARTS, ids=str)
class TestFourIntervalsOnOneDevice:
    def test_each_has_a_value_within_the_shortest(self, rig: Rig, start: datetime) -> None:
        rig.now = start
        rig.driver.start({"a/one": one()})
        rig.pass_(30)
        for interval_s in INTERVALS:
            assert len(rig.seconds(f"every{interval_s}", start)) == 1

    def test_each_keeps_its_own_pace(self, rig: Rig, start: datetime) -> None:
        rig.now = start
        rig.driver.start({"a/one": one()})
        rig.pass_(DAY + 60)
        for interval_s in INTERVALS:
            times = rig.seconds(f"every{interval_s}", start)
            assert len(times) == pytest.approx((DAY + 60) // interval_s + 0.5, abs=0.6)
            gaps = {round(later - before, 6) for before, later in itertools.pairwise(times)}
            assert gaps == {float(interval_s)}

    def test_all_publishing_begins_within_two_of_the_shortest(
        self, rig: Rig, start: datetime
    ) -> None:
        rig.now = start
        rig.driver.start({"a/one": one()})
        (scheduler,) = rig.driver.agent.poll_schedulers.values()
        assert timedelta() < scheduler.start_all_datetime - start <= timedelta(seconds=60)
        rig.pass_((scheduler.start_all_datetime - start).total_seconds())
        tree = rig.driver.agent.equipment_tree
        assert all(tree.is_ready(node.identifier) for node in tree.devices(tree.root))


def test_a_publish_holds_what_was_due_and_nothing_else(rig: Rig) -> None:
    rig.driver.start({"a/one": one()})
    rig.pass_(30)
    rig.driver.agent.vip.published.clear()
    rig.pass_(300)
    messages = [message[0] for _, _, message in rig.driver.agent.vip.published]
    assert len(messages) == 10 + 5 + 1
    assert not any(f"every{DAY}" in values for values in messages)


def test_intervals_that_are_no_multiples_of_each_other(rig: Rig) -> None:
    start = rig.now
    rig.driver.start({"a/one": one(60, 90, 7)})
    rig.pass_(630)
    assert [len(rig.seconds(f"every{s}", start)) for s in (7, 60, 90)] == [90, 11, 7]


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(1, DAY))
def test_the_next_turn_is_within_one_interval(now: datetime, interval_s: int) -> None:
    now = now.replace(tzinfo=timezone.utc)
    turn = poll_scheduler._next_turn(now, interval_s)
    assert timedelta() < turn - now <= timedelta(seconds=interval_s)


class TestAtRunTime:
    def test_a_new_device_does_not_multiply_the_polls_of_others(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one(30, 300)})
        rig.pass_(60)
        for number in range(5):
            assert rig.driver.add(f"a/new{number}", one(30, 60 + number, 300))
        rig.pass_(60)
        rig.polls.clear()
        start = rig.now
        rig.pass_(300)
        assert len(rig.seconds("every30", start)) == 10
        assert len(rig.seconds("every300", start)) == 1

    def test_nor_does_a_new_account(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one()})
        rig.pass_(60)
        other = one()
        other["driver_config"]["username"] = "somebody else"
        assert rig.driver.add("b/two", other)
        rig.polls.clear()
        rig.pass_(300)
        for topic in ("devices/a/one/every30", "devices/b/two/every30"):
            assert sum(topic in topics for _, topics in rig.polls) == 10
        static = f"devices/a/one/every{DAY}"  # keeps the turn that was due
        assert not any(static in topics for _, topics in rig.polls)

    def test_all_rows_of_a_new_device_have_a_value_soon(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one()})
        rig.pass_(3_600)
        assert rig.driver.add("a/two", one())
        rig.polls.clear()
        rig.pass_(30)
        polled = set().union(*(topics for _, topics in rig.polls))
        assert {t for t in polled if "/two/" in t} == set(rig.driver.topics("a/two"))
        # And the others' static rows stay as they are.
        assert f"devices/a/one/every{DAY}" not in polled
        rig.polls.clear()
        rig.pass_(3_600)
        assert rig.seconds(f"every{DAY}", rig.now) == []

    def test_a_removed_device_is_polled_no_more(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one(30, 60), "a/two": one(30, 300)})
        rig.pass_(60)
        rig.driver.agent._remove_equipment("devices/a/two", "DELETE", None)
        rig.polls.clear()
        rig.pass_(3_600)
        assert set().union(*(topics for _, topics in rig.polls)) == set(
            rig.driver.topics("a/one")
        ) - set(rig.driver.topics("a/two"))
        assert rig.series == 2  # the two series of the device that is left

    def test_the_last_one_s_series_end(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one(30, 60, 300)})
        rig.pass_(60)
        rig.driver.agent._remove_equipment("devices/a/one", "DELETE", None)
        rig.pass_(600)
        assert rig.series == 0

    @pytest.mark.parametrize("pause_s", [1, 3_600])
    def test_a_device_that_comes_back_is_polled_again(self, rig: Rig, pause_s: int) -> None:
        rig.driver.start({"a/one": one(30), "a/two": one(60, 300)})
        rig.pass_(60)
        rig.driver.agent._remove_equipment("devices/a/two", "DELETE", None)
        rig.pass_(pause_s)
        assert rig.driver.add("a/two", one(60, 300))
        rig.polls.clear()
        start = rig.now
        rig.pass_(1_200)
        assert len(rig.seconds("every60", start)) in (20, 21)
        assert len(rig.seconds("every300", start)) in (4, 5)

    def test_a_new_configuration_of_the_host_does_not_double_polls(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one(30, 300)})
        # The config store tells of each device once more at the start.
        rig.driver.add("a/one", one(30, 300))
        rig.pass_(60)
        for _ in range(3):
            rig.driver.agent.configure_main("config", "UPDATE", {})
        rig.pass_(60)
        rig.polls.clear()
        start = rig.now
        rig.pass_(300)
        assert len(rig.seconds("every30", start)) == 10
        assert len(rig.seconds("every300", start)) == 1


class TestTroubles:
    def test_after_a_pause_of_the_host_one_poll_makes_up_for_all(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one(30, 300)})
        rig.pass_(60)
        rig.polls.clear()
        rig.sleep(3_600)
        rig.pass_(1)
        assert len(rig.seconds("every30", rig.now)) == 1
        assert len(rig.seconds("every300", rig.now)) == 1
        rig.pass_(300)
        assert len(rig.seconds("every30", rig.now)) == 11

    def test_a_service_that_is_down_at_the_start_does_not_cost_a_day(self, rig: Rig) -> None:
        rig.out = {f"every{DAY}"}
        rig.driver.start({"a/one": one(30, DAY)})
        rig.pass_(300)
        tried = len(rig.seconds(f"every{DAY}", rig.now))
        assert 1 < tried < 6  # less and less often
        rig.out = set()
        rig.pass_(300)
        assert len(rig.seconds(f"every{DAY}", rig.now)) == tried + 1
        rig.pass_(3_600)
        assert len(rig.seconds(f"every{DAY}", rig.now)) == tried + 1

    def test_an_overlong_poll_does_not_shift_the_next(self, rig: Rig) -> None:
        rig.driver.start({"a/one": one(30)})
        rig.pass_(30)
        (remote,) = rig.driver.remotes
        seen = []
        remote.poll_data = lambda poll_set: (seen.append(rig.now), rig.sleep(20))
        rig.pass_(120)
        assert {(b - a).total_seconds() for a, b in itertools.pairwise(seen)} == {30.0}

    @pytest.mark.parametrize("wrong", ["0", "-30", "0.5", "2.5", "often", "1e999", "nan"])
    def test_a_scrape_interval_that_is_none_skips_the_device_alone(
        self, rig: Rig, wrong: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad = device(SIM, "1:34001", [row(Scrape_Interval=wrong)])
        rig.driver.start({"a/bad": bad, "a/good": one(30)})
        assert rig.driver.devices == {"a/good"}
        assert "Scrape Interval" in caplog.text
        rig.pass_(60)
        assert len(rig.polls) == 2

    @pytest.mark.parametrize(
        "bad",
        [
            device(SIM, "1:34001", [row(Volttron_Point_Name="bad", interval="0")]),
            device(SIM, "1:34001", [row(Volttron_Point_Name="bad", interval="-30")]),
            device(SIM, "1:34001", [row(Volttron_Point_Name="bad")], {"interval": 0}),
            device(SIM, "1:34001", [row(Volttron_Point_Name="bad", interval="1e13")]),
            device(
                SIM, "1:34001", [row(Volttron_Point_Name="bad", Scrape_Interval="1" + "0" * 13)]
            ),
        ],
    )
    def test_one_that_the_host_cannot_schedule_is_mended_with_a_warning(
        self, rig: Rig, bad: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "chargepoint_driver")
        rig.driver.start({"a/bad": bad, "a/good": one(30)})
        assert "cannot be scheduled" in caplog.text
        rig.pass_(120)
        assert len(rig.seconds("every30", rig.now)) == 4
        assert len(rig.seconds("bad", rig.now)) == 2


def test_a_row_that_names_a_group_of_the_host_is_left_to_it(rig: Rig) -> None:
    registry = rows(30)
    registry.append(row(Volttron_Point_Name="theirs", Scrape_Interval="60", group="default"))
    rig.driver.start({"a/one": device(SIM, "1:34001", registry)})
    assert set(rig.driver.agent.poll_schedulers) == {poll_scheduler.GROUP, "default"}
    ours = rig.driver.agent.poll_schedulers[poll_scheduler.GROUP]
    theirs = rig.driver.agent.poll_schedulers["default"]
    assert isinstance(ours, poll_scheduler.ScrapeScheduler)
    assert isinstance(theirs, host.StaticCyclicPollScheduler)
    rig.pass_(120)
    assert all(len(topics) == 1 for _, topics in rig.polls)


@pytest.mark.parametrize("full", [True, False])
def test_the_schedule_can_be_asked_for(rig: Rig, full: bool) -> None:
    rig.driver.start({"a/one": one(30, DAY)})
    name = "devices/a/one/every{}" if full else "every{}"
    remote = str(rig.driver.remotes[0].unique_id)
    due = str(datetime(2026, 3, 3, 10, 0, 30, tzinfo=timezone.utc))
    assert rig.driver.agent.get_poll_schedule(full)[poll_scheduler.GROUP] == {
        "30 s": {due: {remote: [name.format(30)]}},
        "86400 s": {due: {remote: [name.format(DAY)]}},
    }
