"""The same promises with the service in the driver's process and behind the caching agent; and
what the driver does when the agent is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from volttron.client.vip.agent.errors import Again, Unreachable
from volttron.driver.base.interfaces import DriverInterfaceError
from volttron.types.auth import AuthException

from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import Simulator

from .bus import AGENT, Bus, behind
from .conftest import Driver, Time, writes
from .devices import POINTS, classic_rows, device, row

ONE = "a/one"
LOAD_POINTS = {"portLoad", "shedState", "allowedLoad", "percentShed"}


@pytest.fixture
def one(driver: Driver, make_device: Callable[..., dict[str, Any]]) -> Driver:
    return driver.start({ONE: make_device()})


@pytest.fixture
def remote_one(driver: Driver, accounts: Accounts) -> Driver:
    """A device behind the agent."""
    return driver.start({ONE: behind()})


def test_every_topic_has_a_value(one: Driver, sim: Simulator) -> None:
    values = one.get(ONE, *POINTS)
    assert set(values) == set(POINTS)
    assert values["portLoad"] > 5.0
    assert (values["shedState"], values["clearAlarms"]) == (0, 0)
    assert values["status"] == "INUSE"
    assert one.agent.get_point(ONE, "portLoad") == values["portLoad"]


def test_every_attribute_of_the_classic_registry_is_the_same(
    driver: Driver, sim: Simulator, accounts: Accounts
) -> None:
    registry = classic_rows()
    driver.start({ONE: behind(registry=registry), "b/one": device(sim, "1:34001", registry)})
    assert len(driver.remotes) == 2
    found = []
    for remote in driver.remotes:
        values, errors = remote.interface.get_multiple_points(list(remote.interface.point_map))
        assert not errors
        found.append({topic.rsplit("/", 1)[-1]: (v, type(v)) for topic, v in values.items()})
    assert found[0] == found[1]
    assert len(found[0]) > 50


def test_a_shed_from_beginning_to_end(one: Driver, sim: Simulator) -> None:
    assert one.set(ONE, "allowedLoad", 2.0) == 2.0
    assert writes(sim) == 0  # staged
    assert one.get(ONE, "allowedLoad") == {"allowedLoad": 0.0}
    assert one.set(ONE, "shedState", 1) == 1
    assert one.get(ONE, "portLoad", "allowedLoad") == {"portLoad": 2.0, "allowedLoad": 2.0}
    assert one.set(ONE, "percentShed", 50) == 50  # in force: goes out at once
    assert writes(sim) == 2
    one.agent.revert_point(ONE, "shedState")
    assert one.get(ONE, "shedState") == {"shedState": 0}
    one.agent.revert_point(ONE, "shedState")  # nothing is left of ours
    assert writes(sim) == 3


def test_revert_of_a_whole_device(one: Driver, sim: Simulator) -> None:
    one.set(ONE, "percentShed", 50)
    one.set(ONE, "shedState", 1)
    one.agent.revert_device(ONE)
    assert one.get(ONE, "shedState") == {"shedState": 0}


def test_how_a_device_sheds(
    driver: Driver, sim: Simulator, make_device: Callable[..., dict[str, Any]]
) -> None:
    driver.start({ONE: make_device(shed_on_write=True, shed_duration=15)})
    assert driver.set(ONE, "allowedLoad", 2.0) == 2.0
    assert sim.world.commands[0].arguments["timeInterval"] == 15


@pytest.mark.parametrize(
    ("point", "value"),
    [
        ("allowedLoad", -1),
        ("allowedLoad", "much"),
        ("allowedLoad", None),
        ("percentShed", 101),
        ("shedState", 1),  # nothing was ever staged
        ("clearAlarms", 7),
        ("portLoad", 1.0),
    ],
)
def test_a_bad_value_is_a_value_error(one: Driver, sim: Simulator, point: str, value: Any) -> None:
    with pytest.raises(ValueError, match=point):
        one.set(ONE, point, value)
    assert writes(sim) == 0


def test_a_row_that_says_so_is_only_read(
    driver: Driver, sim: Simulator, make_device: Callable[..., dict[str, Any]]
) -> None:
    registry = [
        row(Volttron_Point_Name=n, Attribute_Name=n, Writable="FALSE")
        for n in ("percentShed", "shedState")
    ]
    driver.start({ONE: make_device(registry=registry, shed_on_write=True)})
    for point in ("percentShed", "shedState"):
        with pytest.raises(ValueError, match="can only be read"):
            driver.interface.set_point(f"devices/{ONE}/{point}", 0)
    assert writes(sim) == 0


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("refused", {"code": "101"}, "not_permitted"),
        ("http", {"status": 401}, "wrong_credentials"),
        ("http", {"status": 503}, "try_later"),
        ("truncated_xml", {}, "bad_reply"),
    ],
)
def test_errors_have_their_codes(
    one: Driver, sim: Simulator, fault: str, options: dict[str, Any], code: str
) -> None:
    sim.faults.set("getLoad", fault, **options)
    _, errors = one.poll()
    wrong = {topic.rsplit("/", 1)[-1] for topic in errors}
    # With the account refused, what is read after it is refused too.
    assert wrong == LOAD_POINTS or (code == "wrong_credentials" and wrong >= LOAD_POINTS)
    assert all(text.endswith(f"[{code}]") for text in errors.values())
    with pytest.raises(DriverInterfaceError, match=rf"\[{code}\]$"):
        one.interface.get_point(f"devices/{ONE}/portLoad")


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("refused", {"code": "101"}, "not_permitted"),
        ("http", {"status": 503}, "try_later"),
        ("drop_reply", {}, "fate_unknown"),
    ],
)
def test_writes_that_fail(
    one: Driver, sim: Simulator, fault: str, options: dict[str, Any], code: str
) -> None:
    one.set(ONE, "allowedLoad", 2.0)
    sim.faults.set("shedLoad", fault, **options)
    if code == "try_later":
        code = r"(try_later|fate_unknown)"
    with pytest.raises(DriverInterfaceError, match=rf"\[{code}\]$"):
        one.set(ONE, "shedState", 1)


def test_past_its_currency_the_age_is_named(one: Driver, sim: Simulator, clock: Time) -> None:
    one.poll()
    clock.pass_(100)
    sim.faults.set("*", "http", status=503)
    values, errors = one.poll()
    assert not values
    assert "100 s old" in errors[f"devices/{ONE}/portLoad"]


@pytest.mark.parametrize(
    "error",
    [
        Unreachable(113, "No route to host", AGENT, "RPC"),
        Again(11, "Resource temporarily unavailable", AGENT, "RPC"),
        None,  # it takes the call and never answers
    ],
)
class TestTheAgentIsAway:
    def test_errors_within_the_limit_and_values_when_it_is_back(
        self, remote_one: Driver, bus: Bus, error: Exception | None
    ) -> None:
        bus.away, bus.silent = error, error is None
        for _ in range(3):
            values, errors = remote_one.poll()
            assert not values
            assert set(errors) == set(remote_one.topics())
            assert all(t.endswith("[try_later]") and AGENT in t for t in errors.values())
        # Three calls of 10 s each, and a margin.
        assert sum(bus.waited_s) == (0 if error else 3 * 35.0)
        bus.away, bus.silent = None, False
        assert remote_one.get(ONE, *POINTS)

    def test_a_write_says_whether_it_may_be_in_force(
        self, remote_one: Driver, bus: Bus, error: Exception | None
    ) -> None:
        bus.away, bus.silent = error, error is None
        code = "fate_unknown" if error is None else "try_later"
        with pytest.raises(DriverInterfaceError, match=rf"\[{code}\]$"):
            remote_one.set(ONE, "allowedLoad", 2.0)
        with pytest.raises(DriverInterfaceError, match=rf"\[{code}\]$"):
            remote_one.interface.revert_point(f"devices/{ONE}/shedState")
        assert len(bus.calls) == (2 if error is None else 0)  # none is repeated


class TestThePeerListTellsThatTheAgentIsAway:
    def test_a_read_fails_without_a_call(self, remote_one: Driver, bus: Bus) -> None:
        del bus.peers[AGENT]
        _, errors = remote_one.poll()
        assert set(errors) == set(remote_one.topics())
        assert all("is not on the message bus" in text for text in errors.values())
        assert (bus.calls, bus.waited_s) == ([], [])

    def test_a_write_says_that_nothing_was_sent(self, remote_one: Driver, bus: Bus) -> None:
        del bus.peers[AGENT]
        for write in (
            lambda: remote_one.set(ONE, "allowedLoad", 2.0),
            lambda: remote_one.interface.revert_point(f"devices/{ONE}/shedState"),
        ):
            with pytest.raises(DriverInterfaceError, match=r"nothing was sent.*\[try_later\]$"):
                write()
        assert (bus.calls, bus.waited_s) == ([], [])

    def test_one_that_was_killed_is_found_out_by_the_first_message(
        self, remote_one: Driver, bus: Bus
    ) -> None:
        del bus.peers[AGENT]
        bus.killed = {AGENT}
        _, errors = remote_one.poll()
        assert all("has left the message bus" in text for text in errors.values())
        bus.killed = {AGENT}
        with pytest.raises(DriverInterfaceError, match=r"nothing was sent.*\[try_later\]$"):
            remote_one.set(ONE, "allowedLoad", 2.0)
        assert bus.calls == []  # the write itself never left
        assert max(bus.waited_s) < 1
        assert sum(bus.waited_s) < 1

    def test_one_that_hangs_is_not_written_to(self, remote_one: Driver, bus: Bus) -> None:
        bus.hangs = True
        with pytest.raises(DriverInterfaceError, match=r"nothing was sent.*\[try_later\]$"):
            remote_one.set(ONE, "allowedLoad", 2.0)
        assert bus.calls == []
        assert sum(bus.waited_s) <= 5.0

    def test_a_bus_that_does_not_say_is_no_reason_to_fail(
        self, remote_one: Driver, bus: Bus
    ) -> None:
        class Late:
            def get(self, timeout: float) -> Any:
                raise gevent.Timeout(timeout)

        remote_one.agent.vip.peerlist = Late
        assert remote_one.get(ONE, *POINTS)
        assert remote_one.set(ONE, "allowedLoad", 2.0) == 2.0

    def test_a_connection_that_is_lost(self, remote_one: Driver, bus: Bus) -> None:
        bus.call = lambda *_, **__: None  # what the host answers then
        _, errors = remote_one.poll()
        assert all(text.endswith("[try_later]") for text in errors.values())
        with pytest.raises(DriverInterfaceError, match=r"nothing was sent.*\[try_later\]$"):
            remote_one.set(ONE, "allowedLoad", 2.0)


class Guarded:
    """An agent whose methods the platform protects; this driver has no capability."""

    def write(self, *args: Any, **options: Any) -> None:
        raise AuthException("User platform.driver does not have access to call write")

    revert = write


def test_a_refusal_is_not_permitted_and_names_the_command(remote_one: Driver, bus: Bus) -> None:
    bus.peers[AGENT] = Guarded()
    line = (
        "vctl authz add agent platform.driver --rpc-capabilities platform.chargepoint.{}"
    ).format
    for method, write in (
        ("write", lambda: remote_one.set(ONE, "allowedLoad", 2.0)),
        ("revert", lambda: remote_one.interface.revert_point(f"devices/{ONE}/shedState")),
    ):
        with pytest.raises(DriverInterfaceError, match=r"\[not_permitted\]$") as caught:
            write()
        assert line(method) in str(caught.value)


class Odd:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def read(self, *args: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    write = read


@pytest.mark.parametrize(
    "peer",
    [
        object(),  # has no such method
        Odd(None),
        Odd([]),
        Odd({"values": {}}),
        Odd({"values": {}, "errors": {}, "ages_s": {}}),
        Odd({"values": {}, "errors": {"x": 1}, "ages_s": {}}),
        Odd(KeyError("x")),
        Odd(OSError(5, "input/output", "file")),
        Odd(Exception(1, 2, 3)),
    ],
)
def test_an_agent_that_is_another_one(remote_one: Driver, bus: Bus, peer: object) -> None:
    bus.peers[AGENT] = peer
    values, errors = remote_one.poll()
    assert not values
    assert set(errors) == set(remote_one.topics())
    assert all("]" in text for text in errors.values())


def test_the_only_account_need_not_be_named(driver: Driver, accounts: Accounts) -> None:
    driver.start({ONE: behind(account=None)})
    assert driver.get(ONE, *POINTS)


def test_an_account_that_the_agent_does_not_hold(driver: Driver, accounts: Accounts) -> None:
    driver.start({ONE: behind(account="nobody's")})
    values, errors = driver.poll()
    assert not values
    assert all("garage" in t and t.endswith("[bad_configuration]") for t in errors.values())


def test_reverting_everything_costs_a_call_for_each_target(remote_one: Driver, bus: Bus) -> None:
    remote_one.set(ONE, "percentShed", 50)
    remote_one.set(ONE, "shedState", 1)
    bus.calls.clear()
    remote_one.interface.revert_all()
    assert bus.calls == ["revert"]
    assert remote_one.get(ONE, "shedState") == {"shedState": 0}


def test_devices_behind_the_agent_share_one_call(driver: Driver, accounts: Accounts, bus: Bus):
    driver.start({f"a/{n}": behind(f"1:3400{n}") for n in (1, 2, 3)})
    assert len(driver.remotes) == 1
    assert len(driver.poll()[0]) == 3 * len(POINTS)
    assert bus.calls == ["read"]


def test_a_password_beside_the_agent_is_not_sent(
    driver: Driver, accounts: Accounts, bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    driver.start({ONE: behind(username="u", password="not-to-be-seen")})
    assert driver.get(ONE, "portLoad")
    assert "is not used" in caplog.text
    assert "not-to-be-seen" not in caplog.text
