"""What the example agents share, on a driver that keeps to the promises of a load register."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from volttron.utils import jsonrpc

from chargepoint_driver.adapters.agents import throttle
from chargepoint_driver.adapters.agents.throttle import Throttle, check


def refused(words: str) -> Exception:
    """The driver's ValueError as it crosses the bus."""
    error: Exception = jsonrpc.RemoteError(words, exc_type="builtins.ValueError", exc_args=[words])
    return error


class Driver:
    """Stages a limit, sends it with shedState 1 or while a shed is in force."""

    def __init__(self, *devices: str) -> None:
        self.staged: dict[str, float] = {}
        self.held: dict[str, float | None] = dict.fromkeys(devices)
        self.writes: list[tuple[Any, ...]] = []
        self.broken: set[str] = set()
        self.rpc = SimpleNamespace(call=self._call)
        answer = SimpleNamespace(get=lambda timeout: ["platform.driver"])
        self.peerlist = lambda: answer

    def _call(self, _peer: str, method: str, device: str, point: str, *value: Any) -> Any:
        def get(timeout: float) -> Any:
            if device in self.broken:
                raise gevent.Timeout(timeout)
            return self._do(method, device, point, *value)

        return SimpleNamespace(get=get)

    def _do(self, method: str, device: str, point: str, *value: Any) -> Any:
        if point == "limit":
            raise refused("No equipment found for topic: devices/a/limit")
        if method == "get_point":
            assert point == "commandedLoad"
            return self.held[device]
        self.writes.append((method, device, point, *value))
        if method == "revert_point":
            self.held[device] = None
        elif point == "allowedLoad":
            self.staged[device] = value[0]
            if self.held[device] is not None:
                self.held[device] = value[0]
        else:
            assert (point, value) == ("shedState", (1,))
            self.held[device] = self.staged[device]
        return None


@pytest.fixture
def driver() -> Driver:
    return Driver("a", "b", "c")


@pytest.fixture
def three(driver: Driver) -> Throttle:
    return Throttle(driver, ["a", "b", "c"])


def test_a_total_is_shared_alike_and_rounded_down(driver: Driver, three: Throttle) -> None:
    assert three.hold(10.0)
    assert driver.held == {"a": 3.3, "b": 3.3, "c": 3.3}


def test_what_is_in_force_already_is_not_written_again(driver: Driver, three: Throttle) -> None:
    three.hold(9.0)
    assert len(driver.writes) == 6
    three.hold(9.0)
    assert len(driver.writes) == 6
    three.hold(6.0)
    assert driver.writes[6:] == [("set_point", name, "allowedLoad", 2.0) for name in "abc"]


def test_what_ran_out_is_written_again(driver: Driver, three: Throttle) -> None:
    three.hold(9.0)
    driver.held["b"] = None
    three.hold(9.0)
    assert driver.held["b"] == 3.0


def test_a_device_that_does_not_answer_holds_up_no_other(driver: Driver, three: Throttle) -> None:
    driver.broken = {"a"}
    assert not three.hold(9.0)
    assert (driver.held["b"], driver.held["c"]) == (3.0, 3.0)
    driver.broken = {"c"}
    assert not three.release()
    driver.broken = set()
    assert driver.held == {"a": None, "b": None, "c": 3.0}
    assert three.release()
    assert driver.held["c"] is None


def test_what_was_not_held_here_is_left_alone(driver: Driver, three: Throttle) -> None:
    driver.held["b"] = 5.0
    assert three.release()
    assert driver.writes == []


def test_what_an_earlier_run_left_is_adopted(driver: Driver, three: Throttle) -> None:
    driver.held = {"a": 2.0, "b": 2.0, "c": None}
    assert three.adopt(Event()) is None
    driver.held["c"] = 1.5
    assert three.adopt(Event()) == 5.5
    assert three.release()
    assert set(driver.held.values()) == {None}


def test_the_driver_is_waited_for(
    driver: Driver, three: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "RETRY_S", 0.01)
    driver.broken, driver.held["a"] = {"a"}, 2.0
    waiting = gevent.spawn(three.adopt, Event())
    gevent.sleep(0.05)
    assert not waiting.ready()
    driver.broken = set()
    waiting.join(60)
    assert waiting.successful()
    assert three.release()
    assert driver.held["a"] is None


def test_an_agent_that_stops_waits_no_longer(driver: Driver, three: Throttle) -> None:
    driver.broken, stopping = {"a"}, Event()
    waiting = gevent.spawn(three.adopt, stopping)
    gevent.sleep(0)
    stopping.set()
    waiting.join(60)
    assert waiting.value is None
    assert waiting.successful()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"limit_kw": 0}, "limit_kw: 0 is not a number above 0"),
        ({"limit_kw": "100"}, "not a number above 0"),
        ({"limit_kw": True}, "not a number above 0"),
        ({"limit_kw": float("inf")}, "not a number above 0"),
        ({"limits_kw": 5}, "limits_kw: unknown; remove it"),
        ({"devices": []}, "must be a list of device topics"),
        ({"devices": "campus"}, "must be a list of device topics"),
    ],
)
def test_settings_of_no_use_are_said(change: dict[str, Any], words: str) -> None:
    defaults = {"limit_kw": 100.0, "devices": ["campus"], "results_topic": "cap"}
    assert check(defaults, defaults) == []
    (fault,) = check({**defaults, **change}, defaults)
    assert words in fault


class LimitDriver(Driver):
    """Has the point `limit`, on these devices."""

    def __init__(self, *devices: str) -> None:
        super().__init__("a", "b", "c")
        self.having = devices

    def _do(self, method: str, device: str, point: str, *value: Any) -> Any:
        if point != "limit":
            return super()._do(method, device, point, *value)
        if device not in self.having:
            raise refused("No equipment found for topic: devices/c/limit")
        self.writes.append((method, device, point, *value))
        self.held[device] = value[0] if value else None
        return None


def test_a_device_with_the_point_limit_is_written_to_by_it() -> None:
    driver = LimitDriver("a", "b")
    throttle = Throttle(driver, ["a", "b", "c"])
    assert throttle.hold(9.0)
    assert driver.held == {"a": 3.0, "b": 3.0, "c": 3.0}
    assert driver.writes == [
        ("set_point", "a", "limit", 3.0),
        ("set_point", "b", "limit", 3.0),
        ("set_point", "c", "allowedLoad", 3.0),
        ("set_point", "c", "shedState", 1),
    ]
    driver.writes.clear()
    assert throttle.release()
    assert driver.writes == [
        ("revert_point", "a", "limit"),
        ("revert_point", "b", "limit"),
        ("revert_point", "c", "shedState"),
    ]


def test_an_agent_that_was_restarted_gives_back_by_the_point_that_there_is() -> None:
    driver = LimitDriver("a")
    driver.held = {"a": 2.0, "b": 2.0, "c": 2.0}
    throttle = Throttle(driver, ["a", "b", "c"])
    throttle.adopt(Event())
    assert throttle.release()
    assert driver.held == {"a": None, "b": None, "c": None}
    assert [write[2] for write in driver.writes] == ["limit", "shedState", "shedState"]


def test_another_error_of_limit_is_no_missing_point() -> None:
    driver = LimitDriver("a", "b", "c")

    def refuse(method: str, device: str, point: str, *value: Any) -> Any:
        if point == "limit":
            raise refused("the service answers 503 [try_later]")
        return Driver._do(driver, method, device, point, *value)

    driver._do = refuse  # type: ignore[method-assign]
    throttle = Throttle(driver, ["a"])
    assert not throttle.hold(3.0)
    del driver._do  # type: ignore[method-assign]
    assert throttle.hold(3.0)
    assert driver.writes == [("set_point", "a", "limit", 3.0)]
