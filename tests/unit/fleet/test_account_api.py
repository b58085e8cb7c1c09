"""The routes of a node as scripts use them, and its OpenAPI document."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request

import pytest

from chargepoint_driver.backends.ocpp.control_api.http_routes import document
from chargepoint_driver.service import Accounts
from chargepoint_driver.simulator import ManualClock, Simulator

from .plain_nodes import TOKEN, PlainFleet

LOAD = {"attribute": "portLoad", "station": "1:34001", "port": 1}


@pytest.fixture
def fleet():
    with Simulator(clock=ManualClock(), password="secret") as sim, contextlib.ExitStack() as stack:
        accounts = Accounts()
        stack.callback(accounts.close)
        garage = {"username": sim.username, "password": "secret", "endpoint": sim.soap_url}
        assert accounts.configure({"accounts": {"garage": garage}}) == []
        made = PlainFleet(accounts)
        stack.callback(made.close)
        yield made


def ask(node, path, body=None, token=TOKEN):
    """Return the status and the content of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(node.url + path, data, {"X-API-Key": token})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]


def test_accounts_are_listed_with_their_holder(fleet):
    shown = {"name": "garage", "backend": "chargepoint"}
    holder = {"node": "node-1", "epoch": 1}
    for node in fleet.nodes:
        assert ask(node, "/accounts") == (200, {"accounts": [{**shown, "holder": holder}]})
    fleet.hold(None)
    assert ask(fleet.nodes[1], "/accounts/garage") == (200, {**shown, "holder": None})


def test_an_answer_and_an_error_are_those_of_the_account(fleet):
    for node in fleet.nodes:
        status, found = ask(node, "/accounts/garage/read", {"points": {"a": LOAD}})
        assert (status, list(found["values"])) == (200, ["a"])
        status, error = ask(
            node,
            "/accounts/garage/write",
            {"point": {**LOAD, "attribute": "allowedLoad"}, "value": -1},
        )
        assert (status, error["code"]) == (400, "bad_value")


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/accounts/attic", None, 404, "no account 'attic'; this node knows garage"),
        ("/accounts/garage/configure", {}, 400, "no method 'configure'; expected one of"),
        ("/accounts/garage/_find", {}, 400, "no method '_find'"),
        ("/accounts/garage/read", [], 400, "the body must be an object of arguments"),
        ("/accounts/garage/read?limit_s=x", {}, 400, "limit_s must be a number of seconds"),
        ("/accounts/garage/changes?wait_s=61", None, 400, "wait_s must be a number of seconds"),
    ],
)
def test_faults_of_a_request_are_named(fleet, path, body, status, words):
    found, error = ask(fleet.nodes[0], path, body)
    assert (found, words in error["message"]) == (status, True), error
    assert fleet.nodes[0].accounts.begun == []


def test_without_the_token_nothing_is_answered(fleet):
    assert ask(fleet.nodes[0], "/accounts", token="w" * 16)[0] == 401


def test_without_a_holder_nothing_is_sent(fleet, monkeypatch):
    fleet.hold(None)
    for node in fleet.nodes:
        node.api._requests._patience_s = 0.3
        status, error = ask(node, "/accounts/garage/read", {"points": {"a": LOAD}})
        assert (status, error["code"]) == (503, "try_later")
        assert "no node holds it at present; nothing was sent" in error["message"]


def test_the_document_of_the_control_api_has_the_routes(fleet):
    plain, more = document(), document(route for route, _ in fleet.nodes[0].api.routes)
    assert sorted(set(more["paths"]) - set(plain["paths"])) == [
        "/accounts",
        "/accounts/{account}",
        "/accounts/{account}/changes",
        "/accounts/{account}/{method}",
    ]
    names = [
        each["name"] for each in more["paths"]["/accounts/{account}/{method}"]["post"]["parameters"]
    ]
    assert names == ["account", "method", "limit_s"]
