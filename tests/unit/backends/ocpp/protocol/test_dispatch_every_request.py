"""Every request that a charge point may send: the least that its schema allows, and an answer
that keeps to its own; then one with every field that the schema knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chargepoint_driver.backends.ocpp.protocol import v16, v201
from chargepoint_driver.backends.ocpp.wire import schemas

DIALECTS = {"1.6": v16.DIALECT, "2.0.1": v201.DIALECT}
EACH = [(version, action) for version, it in DIALECTS.items() for action in sorted(it.handlers)]


def schema_of(version: str, action: str) -> dict[str, Any]:
    ending = "" if version == "1.6" else "Request"
    path = schemas._folder(version).joinpath(f"{action}{ending}.json")
    return json.loads(path.read_text(encoding="utf-8-sig"))


def instance(schema: dict[str, Any], root: dict[str, Any], *, whole: bool) -> Any:
    """The least value that fits, or one with every field."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        names = [name for name in fields if whole and name != "customData"]
        return {
            name: instance(fields[name], root, whole=whole)
            for name in dict.fromkeys([*schema.get("required", ()), *names])
        }
    if kind == "array":
        one = instance(schema["items"], root, whole=whole)
        return [one] * max(1, schema.get("minItems", 0))
    numbers = {"integer": int(schema.get("minimum", 1)), "number": 1, "boolean": True}
    return numbers.get(kind, "2026-01-01T00:00:00Z"[: schema.get("maxLength", 20)])


def test_there_is_a_handler_for_what_charge_points_send() -> None:
    for version, dialect in DIALECTS.items():
        assert set(dialect.handlers) <= schemas.actions(version)
    assert len(DIALECTS["1.6"].handlers) == 10 + 4  # with those of the security whitepaper
    assert len(DIALECTS["2.0.1"].handlers) == 25


@pytest.mark.parametrize("whole", [False, True], ids=["least", "whole"])
@pytest.mark.parametrize(("version", "action"), EACH)
def test_every_request_has_an_answer_in_order(site, version, action, whole) -> None:
    schema = schema_of(version, action)
    payload = instance(schema, schema, whole=whole)
    charger = site.charger(subprotocols=[f"ocpp{version}"])
    answer = charger.ask(action, payload)
    assert schemas.faults(version, action, answer, answer=True) == []
    assert not set(site.system.counters()) - {
        "adopted_transactions",
        "orphans",
        "unknown_transactions",
    }
    if action != "Heartbeat":
        assert action in [event["action"] for event in site.system.events()]
