"""The platform's authorization: the table names every method, and a refusal tells what to do."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from volttron.client.vip.agent.decorators import annotations
from volttron.client.vip.agent.subsystems.rpc import RPC
from volttron.utils.jsonrpc import RemoteError

from chargepoint_driver.adapters import authorization
from chargepoint_driver.adapters.host.refusals import explain_refusals, writing_open_to_all
from chargepoint_driver.errors import PermissionDeniedError, TransientError

from .conftest import Driver, host


def agent_exports() -> set[str]:
    """The RPC methods of the caching agent, out of its source: importing it patches threads."""
    adapters = Path(authorization.__file__).parent
    return {
        node.name
        for folder in (adapters, adapters / "ocpp")
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each).startswith("RPC.export") for each in node.decorator_list)
    }


def driver_exports() -> set[str]:
    """The RPC methods of the platform driver."""
    agent = host.PlatformDriverAgent
    members = (getattr(agent, name) for name in dir(agent))
    return {name for each in members for name in annotations(each, set, "__rpc__.exports")}


def test_every_method_of_the_agent_either_writes_or_reads() -> None:
    """A method that is new must be put into one of the two: what is in none stays open."""
    writes, reads = set(authorization.AGENT_WRITES), set(authorization.AGENT_READS)
    assert not writes & reads
    assert agent_exports() - writes == reads


def test_every_method_of_the_platform_driver_either_writes_or_reads() -> None:
    writes, reads = set(authorization.DRIVER_WRITES), set(authorization.DRIVER_READS)
    assert not writes & reads
    assert driver_exports() == writes | reads


class Refusing:
    """`vip.rpc` of an agent with a protected method; the platform refuses with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
        message = types.SimpleNamespace(
            user="mallory", peer="mallory", args=[{"method": "write", "params": [1]}]
        )
        self.context = types.SimpleNamespace(vip_message=message)

    def _add_auth_check(self, method: Any) -> Any:
        def checked_method(*args: Any) -> Any:
            if self.error is not None:
                raise self.error
            return method(*args)

        return checked_method


def auth_error(kind: str) -> RemoteError:
    return RemoteError("no", exc_type=kind, exc_args=["User mallory does not have access"])


def protected(error: BaseException | None) -> Callable[..., Any]:
    rpc = Refusing(error)
    explain_refusals(types.SimpleNamespace(rpc=rpc), "platform.chargepoint")
    found: Callable[..., Any] = rpc._add_auth_check(lambda value: ("written", value))
    return found


def test_a_refusal_by_the_agent_is_not_permitted() -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        protected(auth_error("AuthException"))(2.0)
    message, code, _ = caught.value.args  # what crosses RPC
    assert code == "not_permitted"
    assert "mallory" in message
    assert "nothing was sent" in message
    assert "vctl authz add agent mallory --rpc-capabilities platform.chargepoint.write" in message


def test_other_errors_and_answers_stay_what_they_are() -> None:
    assert protected(None)(2.0) == ("written", 2.0)
    with pytest.raises(RemoteError):
        protected(auth_error("KeyError"))(2.0)


def test_a_platform_that_does_not_answer_refuses_too() -> None:
    with pytest.raises(TransientError):
        protected(gevent.Timeout(10))(2.0)


def test_the_host_does_not_protect_a_method_twice() -> None:
    """It goes by the name of the function that checks."""
    assert protected(None).__name__ == "checked_method"
    assert "_add_auth_check" in vars(RPC)


class Auth:
    """Answers of platform.auth."""

    def __init__(self, protected: list[str] | None, topic: bool) -> None:
        self._answers = {"get_protected_rpcs": protected, "is_protected_topic": topic}

    def call(self, peer: str, method: str, *args: Any, **kwargs: Any) -> Any:
        assert peer == "platform.auth"
        return types.SimpleNamespace(get=lambda timeout: self._answers[method])


@pytest.mark.parametrize(
    ("methods", "topic", "expected"),
    [
        (["write", "revert"], True, []),
        (["write"], True, ["a.revert"]),
        (None, False, ["a.write", "a.revert", authorization.SET_TOPIC]),
    ],
)
def test_what_is_open(methods: list[str] | None, topic: bool, expected: list[str]) -> None:
    vip = types.SimpleNamespace(rpc=Auth(methods, topic))
    assert writing_open_to_all(vip, "a", ["write", "revert"]) == expected


def test_a_platform_that_does_not_say_is_unknown_and_not_closed(driver: Driver) -> None:
    class Silent:
        def call(self, *args: Any, **kwargs: Any) -> Any:
            raise gevent.Timeout(1)

    assert writing_open_to_all(types.SimpleNamespace(rpc=Silent()), "a", ["write"]) is None
    assert writing_open_to_all(types.SimpleNamespace(), "a", ["write"]) is None
