"""Every wanted topic is answered, an error costs only its own points, and every wait
has a limit."""

from __future__ import annotations

import json

import gevent
import pytest
from platform_driver.poll_scheduler import PollScheduler
from volttron.driver.base.interfaces import DriverInterfaceError

from chargepoint_driver.simulator import Simulator

from .conftest import Driver, Time
from .devices import POINTS, device, row, rows

LOAD_POINTS = {"portLoad", "shedState", "allowedLoad", "percentShed"}


@pytest.fixture
def two(driver: Driver, sim: Simulator, clock: Time) -> Driver:
    """Two devices of one account, on clocks that stand still."""
    return driver.start({"a/one": device(sim, "1:34001"), "a/two": device(sim, "1:34002")})


def names(topics: object, of_device: str = "a/one") -> set[str]:
    prefix = f"devices/{of_device}/"
    return {topic[len(prefix) :] for topic in topics if topic.startswith(prefix)}  # type: ignore[attr-defined]


def test_every_topic_has_a_value(two: Driver) -> None:
    values, errors = two.poll()
    assert names(values) == names(values, "a/two") == set(POINTS)
    assert errors == {}


def test_topics_that_nobody_configured_are_answered_too(two: Driver) -> None:
    unknown = ["devices/a/one/nothing", "devices/nowhere/portLoad", "portLoad", ""]
    known = "devices/a/one/portLoad"
    values, errors = two.poll([*unknown, known])
    assert set(errors) == set(unknown)
    assert all(text for text in errors.values())
    assert set(values) == {known}


def test_an_unknown_point_alone(two: Driver) -> None:
    with pytest.raises(ValueError, match="nothing"):
        two.agent.get_point("a/one", "nothing")
    with pytest.raises(DriverInterfaceError, match="nothing"):
        two.interface.get_point("devices/a/one/nothing")


def test_no_topics_no_calls(two: Driver, sim: Simulator) -> None:
    assert two.poll([]) == ({}, {})
    assert sim.calls.total == 0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("http", {"status": 503}),
        ("http", {"status": 403}),
        ("refused", {"code": "101"}),
        ("soap_fault", {"http_status": 200}),
        ("truncated_xml", {}),
        ("malformed_xml", {}),
        ("drop", {}),
        ("drop_middle", {}),
        ("empty_body", {}),
    ],
)
def test_one_failed_call_costs_only_its_own_points(
    two: Driver, sim: Simulator, kind: str, options: dict[str, object]
) -> None:
    sim.faults.set("getLoad", kind, **options)
    values, errors = two.poll()
    for of_device in ("a/one", "a/two"):
        assert names(errors, of_device) == LOAD_POINTS
        assert names(values, of_device) == set(POINTS) - LOAD_POINTS
    assert all("getLoad" in text for text in errors.values())


def test_a_station_that_is_not_there_costs_only_itself(
    driver: Driver, sim: Simulator, clock: Time
) -> None:
    driver.start({"a/one": device(sim, "1:34001"), "a/gone": device(sim, "1:99999")})
    for _ in range(3):
        values, errors = driver.poll()
        assert names(values) == set(POINTS)
        assert LOAD_POINTS | {"status"} <= names(errors, "a/gone")
        assert names(errors) == set()
        clock.pass_(60.0)


def test_a_port_that_is_not_there_costs_only_itself(driver: Driver, sim: Simulator) -> None:
    registry = [row(Volttron_Point_Name=f"load{port}", Port=port) for port in ("1", "9")]
    driver.start({"a/one": device(sim, "1:34001", registry)})
    values, errors = driver.poll()
    assert (names(values), names(errors)) == ({"load1"}, {"load9"})
    assert "no port 9" in errors["devices/a/one/load9"]


def test_nothing_there_is_none_and_no_error(driver: Driver, sim: Simulator) -> None:
    sim.world.clear_alarms(lambda alarm: True)
    driver.start({"a/one": device(sim, "1:34001")})
    values, errors = driver.poll()
    assert values["devices/a/one/alarmType"] is None
    assert not errors


class TestOutage:
    def test_points_are_in_errors_which_name_the_age(
        self, two: Driver, sim: Simulator, clock: Time
    ) -> None:
        two.poll()
        clock.pass_(100.0)
        sim.faults.set("*", "http", status=503)
        values, errors = two.poll()
        assert values == {}
        assert names(errors) == set(POINTS)
        for topic, text in errors.items():
            assert "HTTP 503" in text, topic
            assert "last good value is 100 s old" in text, topic
            assert "try_later" in text, topic

    def test_one_device_of_several(self, two: Driver, sim: Simulator) -> None:
        sim.faults.set("*", "drop")
        values, errors = two.poll(two.topics("a/two"))
        assert (values, names(errors), names(errors, "a/two")) == ({}, set(), set(POINTS))

    def test_the_service_is_not_flooded_and_its_return_is_noticed(
        self, two: Driver, sim: Simulator, clock: Time
    ) -> None:
        sim.faults.set("*", "http", status=503)
        two.poll()
        first = sim.calls.total
        for _ in range(20):
            two.poll()
        assert sim.calls.total == first
        sim.faults.clear()
        clock.pass_(60.0)
        values, errors = two.poll()
        assert names(values) == set(POINTS)
        assert errors == {}

    def test_the_service_is_gone_altogether(self, two: Driver, sim: Simulator, clock: Time) -> None:
        two.poll()
        clock.pass_(1.0)
        sim.stop()
        values, errors = two.poll()
        assert (values, names(errors)) == ({}, set(POINTS))
        with pytest.raises(DriverInterfaceError, match="no connection"):
            two.agent.get_point("a/one", "portLoad")

    def test_the_host_publishes_what_there_is(self, two: Driver, sim: Simulator) -> None:
        """A poll set as the host's scheduler has it, polled by the host."""
        sim.faults.set("getLoad", "http", status=503)
        (remote,) = two.remotes
        for by_remote in PollScheduler.poll_sets.values():
            for by_interval in by_remote.values():
                for poll_set in by_interval.values():
                    assert remote.poll_data(poll_set)
        published: dict[str, set[str]] = {}
        for topic, _, message in two.agent.vip.published:
            published.setdefault(topic, set()).update(message[0])
        assert published["devices/a/one/multi"] == set(POINTS) - LOAD_POINTS


class TestTimeLimits:
    def test_a_slow_call_costs_only_its_own_points(self, driver: Driver, sim: Simulator) -> None:
        driver.start({"a/one": device(sim, "1:34001", timeout=0.3)})
        driver.poll()
        sim.faults.set("getLoad", "delay", seconds=30)
        values, errors = driver.poll()
        assert (names(errors), names(values)) == (LOAD_POINTS, set(POINTS) - LOAD_POINTS)

    def test_a_read_ends_within_a_small_multiple_of_the_limit(
        self, driver: Driver, sim: Simulator
    ) -> None:
        driver.start({"a/one": device(sim, "1:34001", timeout=0.2)})
        sim.faults.set("*", "delay", seconds=30)
        with gevent.Timeout(3.0, AssertionError("hangs")):
            values, errors = driver.poll()
        assert (values, names(errors)) == ({}, set(POINTS))

    def test_the_host_s_own_time_limit_never_escapes(
        self, two: Driver, sim: Simulator, clock: Time
    ) -> None:
        two.poll()
        clock.pass_(1.0)
        sim.faults.set("getLoad", "delay", seconds=30)
        with gevent.Timeout(0.2):
            values, errors = two.poll()
        assert names(errors) >= LOAD_POINTS
        assert set(values) | set(errors) == set(two.topics())

    def test_nor_from_the_reading_of_one_point(self, two: Driver, sim: Simulator) -> None:
        sim.faults.set("getLoad", "delay", seconds=30)
        with gevent.Timeout(0.2), pytest.raises(TimeoutError):
            two.agent.get_point("a/one", "portLoad")

    def test_whoever_gives_up_does_not_break_it_off_for_others(
        self, two: Driver, sim: Simulator, clock: Time
    ) -> None:
        two.poll()
        clock.pass_(1.0)
        sim.faults.set("getLoad", "delay", seconds=0.5, times=1)
        sim.calls.reset()
        topic = ["devices/a/one/portLoad"]
        patient = gevent.spawn(two.poll, topic)
        two.wait_for(lambda: sim.calls.count("getLoad") == 1)
        with gevent.Timeout(0.05):
            _, errors = two.poll(topic)
        assert set(errors) == set(topic)
        values, errors = patient.get(timeout=60)
        assert (set(values), errors) == (set(topic), {})
        assert sim.calls.count("getLoad") == 1

    def test_overlapping_polls_share_their_calls(
        self, two: Driver, sim: Simulator, clock: Time
    ) -> None:
        two.poll()
        clock.pass_(1.0)
        sim.calls.reset()
        sim.faults.set("*", "delay", seconds=0.3)
        polls = [gevent.spawn(two.poll) for _ in range(10)]
        gevent.joinall(polls, timeout=60, raise_error=True)
        assert all(poll.value[1] == {} for poll in polls)
        assert set(sim.calls.counts().values()) == {1}


def test_what_the_caller_learns_of_a_plan_that_leaves_a_call_out(
    two: Driver, sim: Simulator
) -> None:
    sim.accounts[sim.username].refused.add("getLoad")
    with pytest.raises(DriverInterfaceError) as caught:
        two.agent.get_point("a/one", "portLoad")
    for word in (
        "getLoad",
        "101",
        "plan",
        "ask ChargePoint",
        "leave its rows out",
        "not_permitted",
    ):
        assert word in str(caught.value)
    assert two.agent.get_point("a/one", "status")
    # It may have been that station's own rights, so that the others are asked once as well.
    two.poll()
    asked = sim.calls.count("getLoad")
    assert asked <= 2
    two.poll()
    assert sim.calls.count("getLoad") == asked


def test_values_are_what_json_carries(driver: Driver, sim: Simulator) -> None:
    registry = [
        *rows(),
        row(
            Volttron_Point_Name="rights",
            Attribute_Name="stationRightsProfile",
            Register_Name="StationRightsRegister",
            Port="",
            Type="dictionary",
        ),
    ]
    driver.start({"a/one": device(sim, "1:34001", registry)})
    values, errors = driver.poll()
    assert not errors
    assert json.loads(json.dumps(values)) == values
    assert isinstance(values["devices/a/one/rights"], dict)
