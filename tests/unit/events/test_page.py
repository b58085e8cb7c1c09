"""docs/reference/events.md: its config can be read, its envelope is of the schema."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from chargepoint_driver.backends.ocpp import OcppConfig
from chargepoint_driver.config.sinks import SINKS
from chargepoint_driver.events import KINDS, schema
from tests.docs.blocks import blocks_of, page_of

PAGE = page_of("events.md")
CONFIG, ENVELOPE = (json.loads(b.text) for b in blocks_of(PAGE) if b.language == "json")


def test_the_config_is_one(tmp_path):
    config = OcppConfig.from_dict({"database": tmp_path / "x", **CONFIG})
    assert {sink.type for sink in config.sinks.values()} == {
        cls.model_fields["type"].annotation.__args__[0] for cls in SINKS
    }


def test_the_envelope_is_of_the_schema():
    Draft202012Validator(schema()).validate(ENVELOPE)
    assert set(ENVELOPE) == set(schema()["properties"])


def test_every_kind_is_named():
    text = PAGE.read_text(encoding="utf-8")
    for kind, actions in KINDS.items():
        assert f"| `{kind}` |" in text
        assert all(f"`{action}`" in text for action in actions)
