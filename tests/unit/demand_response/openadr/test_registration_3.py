"""Registration, resources and notifications of OpenADR 3, against the stub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from chargepoint_driver.demand_response.openadr.config import OpenAdrConfig
from chargepoint_driver.errors import ConfigurationError

from .rig import Garage, Running, eventually
from .test_client_3 import SCHEMAS, VARIABLE, settings
from .vtn3 import SECRET, StubVtn, notify

HOUR_S = 3600.0


@pytest.fixture(params=["3.0", "3.1"])
def vtn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubVtn]:
    monkeypatch.setenv(VARIABLE, SECRET)
    found = StubVtn(version=request.param)
    yield found
    found.close()


def subscribing(vtn: StubVtn, **fields: Any) -> dict[str, Any]:
    return settings(vtn, callback_listen="127.0.0.1:0", poll_seconds=HOUR_S, **fields)


def test_the_ven_and_its_resource_are_made_once(
    vtn: StubVtn, start: Callable[..., Running], garage: Garage
) -> None:
    running = start(vtns=settings(vtn, register_ven=True))
    eventually(lambda: vtn.resources)
    running.stop()
    again = start(vtns=settings(vtn, register_ven=True))
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    assert again.status["vtns"]["utility"]["error"] is None
    (ven,), (resource,) = vtn.vens, vtn.resources
    assert ven["venName"] == resource["resourceName"] == "garage-ven"
    assert resource["venID"] == ven["id"]
    suffix = "_3_1" if vtn.version == "3.1" else ""
    jsonschema.validate(ven, SCHEMAS[f"ven{suffix}"])
    jsonschema.validate(resource, SCHEMAS[f"resource{suffix}"])


def test_a_notification_is_acted_on_without_a_poll(
    vtn: StubVtn, start: Callable[..., Running], garage: Garage
) -> None:
    running = start(vtns=subscribing(vtn))
    eventually(lambda: vtn.subscriptions)
    (subscription,) = vtn.subscriptions
    assert (subscription["clientName"], subscription["programID"]) == ("garage-ven", "p1")
    suffix = "_3_1" if vtn.version == "3.1" else ""
    jsonschema.validate(subscription, SCHEMAS[f"subscription{suffix}"])
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    vtn.event("peak", "SIMPLE", 3)
    eventually(lambda: garage.ceiling() == 1.5)
    vtn.delete("peak")
    eventually(lambda: garage.ceiling() is None)
    assert vtn.notified == [200, 200, 200]
    assert running.status["failed"] == []


def test_what_a_notification_says_is_not_believed(
    vtn: StubVtn, start: Callable[..., Running], garage: Garage
) -> None:
    start(vtns=subscribing(vtn))
    eventually(lambda: vtn.subscriptions)
    (operation,) = vtn.subscriptions[0]["objectOperations"]
    url, token = operation["callbackUrl"], operation["bearerToken"]
    event = vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    forged = {"objectType": "EVENT", "operation": "DELETE", "object": event}
    assert notify(url, None, forged) == 401
    assert notify(url, "another", forged) == 401
    # With the token too: the VTN still has the event. It is asked, and its answer counts.
    assert notify(url, token, forged) == 200
    assert notify(url, token, "x" * 2_000_000) == 413
    vtn.event("more", "SIMPLE", 3)
    eventually(lambda: garage.ceiling() == 1.5)
    vtn.delete("more")
    eventually(lambda: garage.ceiling() == 3.0)


def test_a_subscription_of_an_earlier_run_is_replaced(
    vtn: StubVtn, start: Callable[..., Running], garage: Garage
) -> None:
    first = start(vtns=subscribing(vtn))
    before = eventually(lambda: [each["id"] for each in vtn.subscriptions])
    token = vtn.subscriptions[0]["objectOperations"][0]["bearerToken"]
    first.stop()
    start(vtns=subscribing(vtn))  # on another port
    eventually(lambda: vtn.subscriptions and vtn.subscriptions[0]["id"] not in before)
    (one,) = vtn.subscriptions
    assert one["objectOperations"][0]["bearerToken"] == token
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)


def test_a_vtn_without_subscriptions_is_polled(
    vtn: StubVtn,
    start: Callable[..., Running],
    garage: Garage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    route = vtn._route

    def without(call: Any, path: str, *rest: Any) -> tuple[int, Any]:
        if path.startswith(("/subscriptions", "/vens")):
            return 404, {"status": 404, "title": "not here"}
        return route(call, path, *rest)

    monkeypatch.setattr(vtn, "_route", without)
    fields = {"register_ven": True, "poll_seconds": 0.2}
    start(vtns=settings(vtn, callback_listen="127.0.0.1:0", **fields))
    vtn.event("peak", "SIMPLE", 2)
    eventually(lambda: garage.ceiling() == 3.0)
    assert "not registered or subscribed: GET /vens answered 404" in caplog.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"callback_listen": "8081"}, "callback_listen must be host:port"),
        ({"callback_listen": "localhost:70000"}, "callback_listen must be host:port"),
        ({"callback_url": "https://ven.example"}, "callback_url needs callback_listen"),
        ({"version": "2.0b", "register_ven": True}, "are for version 3"),
    ],
)
def test_faults_are_named(fields: dict[str, Any], words: str) -> None:
    vtn = {"version": "3", "url": "http://vtn.example", **fields}
    with pytest.raises(ConfigurationError, match=words):
        OpenAdrConfig.from_dict({"ven_name": "ven", "vtns": {"utility": vtn}})
