"""Writes and reverts as agents make them, through the platform driver's own RPC methods."""

from __future__ import annotations

import gevent
import pytest
from volttron.driver.base.interfaces import DriverInterfaceError

from chargepoint_driver.simulator import Simulator
from chargepoint_driver.simulator.world.ceilings import Limit

from .conftest import Driver, Time, writes
from .devices import POINTS, device

ONE = "a/one"
LOAD_POINTS = ("portLoad", "shedState", "allowedLoad", "percentShed")


@pytest.fixture
def one(driver: Driver, sim: Simulator) -> Driver:
    """A device whose port 1 charges with about 6.4 kW."""
    return driver.start({ONE: device(sim, "1:34001")})


def shed(driver: Driver, kw: float = 2.0) -> None:
    driver.set(ONE, "allowedLoad", kw)
    assert driver.set(ONE, "shedState", 1) == 1


def test_a_shed_from_beginning_to_end(one: Driver, sim: Simulator) -> None:
    before = one.get(ONE, *LOAD_POINTS)
    assert before["portLoad"] > 5.0
    assert one.set(ONE, "allowedLoad", 2.0) == 2.0
    assert writes(sim) == 0
    assert one.set(ONE, "shedState", 1) == 1
    during = {"portLoad": 2.0, "shedState": 1, "allowedLoad": 2.0, "percentShed": 0}
    assert one.get(ONE, *LOAD_POINTS) == during
    assert one.set(ONE, "percentShed", 50) == 50
    assert one.get(ONE, "portLoad") == {"portLoad": 1.0}
    assert one.set(ONE, "shedState", 0) == 0
    assert one.get(ONE, *LOAD_POINTS) == before


def test_shed_on_write(driver: Driver, sim: Simulator) -> None:
    driver.start({ONE: device(sim, "1:34001", shed_on_write=True, shed_duration=15)})
    assert driver.set(ONE, "allowedLoad", 2.0) == 2.0
    assert sim.world.commands[0].arguments["timeInterval"] == 15


@pytest.mark.parametrize("method", ["set", "set_multiple_points"])
def test_other_ways_to_write(one: Driver, sim: Simulator, method: str) -> None:
    if method == "set":
        results, errors = one.agent.set(2.0, [f"devices/{ONE}/allowedLoad"])
        assert (results, errors) == ({f"devices/{ONE}/allowedLoad": 2.0}, {})
    else:
        one.agent.set_multiple_points(ONE, [("allowedLoad", 2.0)])
    assert one.set(ONE, "shedState", 1) == 1


def test_keyword_arguments_of_the_rpc_do_no_harm(one: Driver) -> None:
    assert one.agent.set_point(ONE, "allowedLoad", 2.0, priority=8) == 2.0
    assert one.agent.get_point(ONE, "shedState", priority=8) == 0
    one.agent.revert_point(ONE, "shedState", priority=8)


class TestWhatTheCallerLearns:
    @pytest.mark.parametrize(
        ("point", "value"),
        [
            ("allowedLoad", -1),
            ("allowedLoad", float("nan")),
            ("allowedLoad", "much"),
            ("allowedLoad", None),
            ("allowedLoad", True),
            ("percentShed", 101),
            ("shedState", 1),  # no limit was ever written
            ("shedState", "on"),
            ("clearAlarms", 7),
            ("portLoad", 1.0),  # can only be read
            ("status", "AVAILABLE"),
        ],
    )
    def test_a_bad_value_is_a_value_error_that_names_the_point(
        self, one: Driver, sim: Simulator, point: str, value: object
    ) -> None:
        with pytest.raises(ValueError, match=point) as caught:
            one.set(ONE, point, value)
        assert type(caught.value) is ValueError  # what crosses RPC is the name of the type
        assert sim.calls.total == 0

    def test_a_plan_that_leaves_the_call_out(self, one: Driver, sim: Simulator) -> None:
        sim.accounts[sim.username].refused.add("shedLoad")
        one.set(ONE, "allowedLoad", 2.0)
        with pytest.raises(DriverInterfaceError) as caught:
            one.set(ONE, "shedState", 1)
        for word in ("shedLoad", "101", "ask ChargePoint", "not_permitted", sim.username):
            assert word in str(caught.value)
        assert sim.calls.count("shedLoad") == 1

    def test_wrong_credentials(self, one: Driver, sim: Simulator) -> None:
        sim.accounts.add(sim.username, "changed")
        with pytest.raises(DriverInterfaceError) as caught:
            one.set(ONE, "shedState", 0)
        for word in ("clearShedState", sim.username, "127.0.0.1", "region", "wrong_credentials"):
            assert word in str(caught.value)

    def test_an_answer_that_did_not_come(self, one: Driver, sim: Simulator) -> None:
        one.set(ONE, "allowedLoad", 2.0)
        sim.faults.set("shedLoad", "drop_reply")
        with pytest.raises(DriverInterfaceError, match=r"may be in force.*\[fate_unknown\]"):
            one.set(ONE, "shedState", 1)
        assert sim.calls.count("shedLoad") == 1

    def test_none_when_a_good_write_cannot_be_read_back(self, one: Driver, sim: Simulator) -> None:
        one.set(ONE, "allowedLoad", 2.0)
        sim.faults.set("getLoad", "http", status=503)
        assert one.set(ONE, "shedState", 1) is None

    def test_a_failure_of_one_of_several_values(self, one: Driver, sim: Simulator) -> None:
        topics = {f"devices/{ONE}/allowedLoad": 2.0, f"devices/{ONE}/percentShed": 400}
        results, errors = one.agent.set(topics, list(topics), map_points=True)
        assert set(results) == {f"devices/{ONE}/allowedLoad"}
        assert set(errors) == {f"devices/{ONE}/percentShed"}


class TestTimeLimits:
    def test_the_caller_s_own_limit_never_escapes(self, one: Driver, sim: Simulator) -> None:
        one.set(ONE, "allowedLoad", 2.0)
        sim.faults.set("shedLoad", "delay", seconds=30)
        with gevent.Timeout(0.2), pytest.raises(TimeoutError, match="may be in force"):
            one.set(ONE, "shedState", 1)

    def test_nor_from_a_revert(self, one: Driver, sim: Simulator) -> None:
        shed(one)
        sim.faults.set("clearShedState", "delay", seconds=30)
        with gevent.Timeout(0.2), pytest.raises(TimeoutError):
            one.agent.revert_point(ONE, "shedState")

    def test_nor_from_a_revert_of_the_device(self, driver: Driver, sim: Simulator) -> None:
        one = driver.start({ONE: device(sim, "1:34001", timeout=0.5)})
        shed(one)
        sim.faults.set("clearShedState", "delay", seconds=30)
        with gevent.Timeout(0.2):
            errors = one.agent.revert(f"devices/{ONE}")
        assert errors

    def test_a_shed_that_was_broken_off_is_cleared_by_a_revert(
        self, one: Driver, sim: Simulator
    ) -> None:
        """The command went on without its caller, and it is this driver's."""
        one.set(ONE, "allowedLoad", 2.0)
        sim.faults.set("shedLoad", "delay", seconds=0.4, times=1)
        with gevent.Timeout(0.1), pytest.raises(TimeoutError):
            one.set(ONE, "shedState", 1)
        one.wait_for(lambda: one.get(ONE, "shedState") == {"shedState": 1})
        one.agent.revert_point(ONE, "shedState")
        assert one.get(ONE, "shedState") == {"shedState": 0}


class TestRevert:
    @pytest.mark.parametrize("point", ["allowedLoad", "percentShed", "shedState"])
    def test_clears_what_this_driver_shed_and_never_sends_a_limit(
        self, one: Driver, sim: Simulator, point: str
    ) -> None:
        before = one.get(ONE, *LOAD_POINTS)
        shed(one)
        one.agent.revert_point(ONE, point)
        assert [command.operation for command in sim.world.commands] == [
            "shedLoad",
            "clearShedState",
        ]
        assert one.get(ONE, *LOAD_POINTS) == before

    @pytest.mark.parametrize("point", POINTS)
    def test_sends_nothing_where_this_driver_shed_nothing(
        self, one: Driver, sim: Simulator, point: str
    ) -> None:
        station = sim.world.stations[0]
        sim.world.shed([station], Limit(allowed_kw=4.0))  # somebody else's
        one.agent.revert_point(ONE, point)
        assert writes(sim) == 0

    def test_a_device_is_cleared_once(self, one: Driver, sim: Simulator) -> None:
        shed(one)
        one.agent.revert_device(ONE)
        assert sim.calls.count("clearShedState") == 1
        assert sim.calls.count("shedLoad") == 1

    def test_all_clears_every_device_and_tells_of_the_first_failure(
        self, driver: Driver, sim: Simulator
    ) -> None:
        stations = ("1:34001", "1:34002", "1:34004")
        driver.start(
            {f"a/{station}": device(sim, station, shed_on_write=True) for station in stations}
        )
        for station in stations[1:]:
            driver.set(f"a/{station}", "allowedLoad", 2.0)
        sim.faults.set("clearShedState", "http", status=503, times=1)
        with pytest.raises(DriverInterfaceError, match="503"):
            driver.interface.revert_all()
        driver.interface.revert_all()
        driver.interface.revert_all()
        assert sim.calls.count("clearShedState") == 3
        assert not any(port.hold for station in sim.world.stations for port in station.ports)

    def test_a_failure_is_told(self, one: Driver, sim: Simulator) -> None:
        shed(one)
        sim.faults.set("clearShedState", "http", status=503)
        with pytest.raises(DriverInterfaceError, match="clearShedState"):
            one.agent.revert_point(ONE, "shedState")


def test_starting_values_are_never_sent(driver: Driver, sim: Simulator, clock: Time) -> None:
    """Not at the start, not with polls, not with a new configuration, not at a revert."""
    content = device(sim, "1:34001")
    assert {row["Starting Value"] for row in content["registry_config"]} >= {"0", "3", "50"}
    driver.start({ONE: content, "a/classic": device(sim, "1:34002", shed_on_write=True)})
    for _ in range(3):
        driver.poll()
        clock.pass_(60.0)
    driver.update(ONE, content)
    driver.poll()
    driver.interface.revert_all()
    assert writes(sim) == 0
    assert sim.world.commands == []
