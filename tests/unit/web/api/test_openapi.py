"""The OpenAPI document is valid, and describes what is served."""

from __future__ import annotations

import msgspec
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chargepoint_driver.web.api.openapi import document
from chargepoint_driver.web.api.operations import DESCRIPTIONS, EXAMPLES, TAGS
from chargepoint_driver.web.api.route import BASE
from chargepoint_driver.web.api.routes import ROUTES

from ..conftest import STATION

GETS = [route for route in ROUTES if route.method == "GET" and route.answer is not None]


def test_it_is_valid():
    assert [str(error) for error in OpenAPIV31SpecValidator(document()).iter_errors()] == []


def test_it_lists_what_the_central_system_document_asks_for():
    paths = {path.removeprefix(f"{BASE}/") for path in document()["paths"]}
    assert paths >= {
        "start",
        "stop",
        "active",
        "history",
        "status",
        "availability",
        "reset",
        "release",
        "stations",
        "health",
    }


def test_minutes_are_a_deadline():
    (minutes, _) = document()["components"]["schemas"]["ShedRequest"]["properties"]["minutes"][
        "anyOf"
    ]
    assert "cleared, whatever renews it" in minutes["description"]


def test_each_operation_has_a_tag_a_description_and_its_role():
    made = document()
    tags = {tag["name"] for tag in made["tags"] if tag["description"]}
    for route in ROUTES:
        operation = made["paths"][route.base + route.path][route.method.lower()]
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert operation["description"].endswith(f"Needs the role {route.least}.")
        for query in operation.get("parameters", ()):
            assert query["description"]
    named = {name for _, names in TAGS.values() for name in names}
    assert named == {route.name for route in ROUTES}
    assert set(DESCRIPTIONS) | set(EXAMPLES) <= named


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_examples_are_what_it_says(route):
    body, answer = EXAMPLES.get(route.name, (None, None))
    assert (body is None) == (route.body is None)
    if body is not None:
        check(body, route.body.__name__)
        msgspec.convert(body, route.body)
    if answer is not None:
        check(answer, route.answer.__name__)
        msgspec.convert(answer, route.answer)
    operation = document()["paths"][route.base + route.path][route.method.lower()]
    for status, documented in operation["responses"].items():
        if status != "200":
            check(documented["content"]["application/json"]["example"], "Error")


def test_it_is_served_as_it_is(site):
    assert site.get("/openapi.json") == msgspec.json.decode(msgspec.json.encode(document()))


@pytest.mark.parametrize("route", GETS, ids=lambda route: route.name)
def test_answers_are_what_it_says(site, route):
    if route.name == "messages":  # of chargers that connect directly only: see test_direct
        site.get(route.path, params={"cpid": STATION}, status=409)
        return
    if route.path.startswith("/schedule"):  # with a schedule: see test_schedules
        site.get(route.path, status=404)
        return
    query = {"cpid": STATION} if route.name == "charger" else {}
    check(site.get(route.path, params=query), route.answer.__name__)


def test_a_commands_answer_and_an_error_are_what_it_says(site):
    place = {"cpid": STATION, "connectorId": 1}
    check({**place, "allowedLoad": 3}, "ShedRequest")
    check(site.post("/shed", {**place, "allowedLoad": 3}), "Answer")
    check(site.post("/start", {**place, "id_tag": "CARD"}, 409), "Error")


def test_answers_that_are_not_so_are_found():
    with pytest.raises(AssertionError):
        check({"good": "yes"}, "Health")


def check(content, name):
    schema = {
        "$ref": f"#/components/schemas/{name}",
        "components": document()["components"],
    }
    assert [error.message for error in OAS31Validator(schema).iter_errors(content)] == []
