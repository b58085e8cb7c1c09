"""Any request of OCPP and operations by name: the driver's `call`, and RPC of the caching agent,
with the central system in the driver and behind the agent."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chargepoint_driver.adapters.driver.driver_requests import REQUESTS
from chargepoint_driver.adapters.driver_interface import ChargePointInterface
from chargepoint_driver.adapters.ocpp.ocpp_requests import OcppRequests
from chargepoint_driver.backend import OPERATIONS
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    WriteRejectedError,
)
from chargepoint_driver.service import Accounts

from ..bus import AGENT, Bus
from ..conftest import Driver
from ..test_driver_interface_ocpp import ONE, Site

TOPIC = f"devices/{ONE}/Status"
SETTING = {"1.6": "HeartbeatInterval", "2.0.1": "OCPPCommCtrlr.HeartbeatInterval"}
LOG = "https://files.example/upload"


class Agent(OcppRequests):
    """The caching agent's RPC without a platform."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accounts, name)


@pytest.fixture
def agent(driver: Driver) -> Iterator[Agent]:
    bus = Bus(driver.agent.vip.rpc)
    driver.agent.vip.rpc = bus
    accounts = Accounts()
    made = Agent(accounts)
    bus.peers[AGENT] = made
    yield made
    accounts.close()


@pytest.fixture(params=["embedded 1.6", "embedded 2.0.1", "agent 1.6", "agent 2.0.1"])
def site(request: pytest.FixtureRequest, driver: Driver, tmp_path: Path) -> Iterator[Site]:
    place, _, ocpp = request.param.partition(" ")
    accounts = request.getfixturevalue("agent") if place == "agent" else None
    made = Site(driver, tmp_path, ocpp, accounts)
    yield made
    made.close()


@pytest.fixture
def behind(agent: Agent, driver: Driver, tmp_path: Path) -> Iterator[Site]:
    """OCPP 1.6 behind the agent."""
    made = Site(driver, tmp_path, "1.6", agent)
    yield made
    made.close()


def ask(site: Site, method: str, *arguments: Any, **named: Any) -> Any:
    """Return the answer to a `call` of the platform driver, which must not be an error."""
    results, errors = site.driver.agent.call(method, TOPIC, None, *arguments, **named)
    assert errors == {}
    return results[TOPIC]


def error(site: Site, method: str, *arguments: Any, **named: Any) -> str:
    results, errors = site.driver.agent.call(method, TOPIC, None, *arguments, **named)
    assert results == {}
    return str(errors[TOPIC])


def test_any_request(site: Site) -> None:
    site.start(allow_call=True)
    site.connect()
    assert ask(site, "call", "ClearCache") == {"status": "Accepted"}
    payload: dict[str, Any]
    action, payload = "GetConfiguration", {"key": ["HeartbeatInterval"]}
    if site.ocpp != "1.6":
        variable = {
            "component": {"name": "OCPPCommCtrlr"},
            "variable": {"name": "HeartbeatInterval"},
        }
        action, payload = "GetVariables", {"getVariableData": [variable]}
    assert "HeartbeatInterval" in str(ask(site, "call", action, payload))
    # Of a whole device it is one request all the same.
    results, errors = site.driver.agent.call("call", f"devices/{ONE}", None, "ClearCache")
    assert errors == {}
    assert len(results) > 1
    sent = [message for message in frames(site) if message[2] == "ClearCache"]
    assert len(sent) == 2


def frames(site: Site) -> list[Any]:
    """The requests that the twin got."""
    messages = site.twins.ask("/charge-points/CP0001/messages")["messages"]
    return [
        each["frame"] for each in messages if each["direction"] == "in" and each["frame"][0] == 2
    ]


def test_nothing_is_sent_that_breaks_its_schema(site: Site) -> None:
    site.start(allow_call=True)
    site.connect()
    before = len(frames(site))
    assert "bad_value" in error(site, "call", "SetChargingProfile", {"odd": 1})
    assert "did you mean ClearCache" in error(site, "call", "ClearCahce")
    assert "charge points send this request" in error(site, "call", "BootNotification", {})
    assert "bad_value" in error(site, "call", 7)
    assert "bad_value" in error(site, "call", "ClearCache", [1])
    assert "timeout" in error(site, "call", "ClearCache", {}, "soon")
    assert len(frames(site)) == before


def test_a_refusal_is_the_error_of_the_call(site: Site) -> None:
    site.start(allow_call=True)
    twins = site.connect()
    twins.act("quirk", name="refuses_actions", parameters={"actions": ["ClearCache"]})
    said = error(site, "call", "ClearCache")
    assert "write_rejected" in said
    assert "NotSupported" in said


def test_the_switch_is_off_by_default(site: Site) -> None:
    site.start()
    site.connect()
    before = len(frames(site))
    said = error(site, "call", "ClearCache")
    assert "not_permitted" in said
    assert "allow_call" in said
    assert "allow_call" in error(site, "getSettings")
    assert len(frames(site)) == before
    # What was there before needs no switch.
    assert ask(site, "reset") == "Accepted"


def test_operations(site: Site) -> None:
    site.start(allow_call=True)
    site.connect()
    name = SETTING[site.ocpp]
    assert ask(site, "setSetting", name, "77") == {"status": "Accepted"}
    assert ask(site, "getSettings", [name])["settings"] == {name: "77"}
    assert ask(site, "trigger", "StatusNotification") == {"status": "Accepted"}
    assert "1" in str(frames(site)[-1])  # of the topic's connector
    assert ask(site, "getDiagnostics", LOG, retries=1)["file_name"]
    assert ask(site, "updateFirmware", location=LOG)["status"] == "Accepted"
    made = ask(site, "reserve", "A", minutes=30)
    assert (made["connector"], made["state"]) == (1, "active")
    assert ask(site, "listReservations") == {"reservations": [made]}
    assert ask(site, "cancelReservation", made["id"])["state"] == "cancelled"
    tags = [{"id_tag": "A"}]
    assert ask(site, "sendLocalList", tags, version=4)["sent"] == 1
    assert ask(site, "localListVersion") == {"version": 4}
    if site.ocpp == "2.0.1":
        assert ask(site, "getLog", LOG, "SecurityLog")["status"] == "Accepted"


def test_arguments_that_make_no_sense(site: Site) -> None:
    site.start(allow_call=True)
    site.connect()
    assert "value" in error(site, "setSetting", "Key")
    assert error(site, "trigger", "StatusNotification", 1, 2)
    assert "write_rejected" in error(site, "setSetting", "Nobody.Knows", "1")


def test_the_agent_has_a_method_for_each(behind: Site, agent: Agent) -> None:
    behind.start(allow_call=True)
    behind.connect()
    for name in OPERATIONS:
        parameters = inspect.signature(getattr(OcppRequests, name)).parameters
        assert list(parameters)[1] == "station"
        assert "account" in parameters
    assert agent.call("CP0001", "ClearCache") == {"status": "Accepted"}
    assert agent.call("CP0001", "ClearCache", {}, "chargers", 20) == {"status": "Accepted"}
    found = agent.get_settings("CP0001", ["HeartbeatInterval"])
    assert list(found["settings"]) == ["HeartbeatInterval"]
    assert agent.trigger("CP0001", "Heartbeat", account="chargers") == {"status": "Accepted"}
    for wrong in (0, -1, 1e9, True, "5", float("nan")):
        with pytest.raises(InvalidValueError, match="timeout"):
            agent.call("CP0001", "ClearCache", timeout=wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        agent.call("other", "ClearCache")
    with pytest.raises(InvalidValueError, match="station"):
        agent.call("", "ClearCache")
    with pytest.raises(WriteRejectedError):
        agent.set_setting("CP0001", "Nobody.Knows", "1")


def test_limits_are_no_operation_of_the_bus(behind: Site, agent: Agent) -> None:
    """A limit goes through the points, where it is kept, renewed and confirmed."""
    behind.start(allow_call=True)
    with pytest.raises(InvalidValueError, match="no operation 'limit'"):
        agent.operate("limit", "CP0001", {"allowed_load_kw": 1})


def test_the_agent_needs_the_switch(behind: Site, agent: Agent) -> None:
    behind.start()
    with pytest.raises(PermissionDeniedError, match="allow_call"):
        agent.call("CP0001", "ClearCache")
    with pytest.raises(PermissionDeniedError, match="allow_call"):
        agent.get_settings("CP0001")


def test_each_method_of_the_driver_can_be_called() -> None:
    assert REQUESTS.keys() <= ChargePointInterface.interface_callable_methods
    for name, method in REQUESTS.items():
        assert getattr(ChargePointInterface, name) is method
