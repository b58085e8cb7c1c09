"""The envelope: JSON that its schema takes, and CloudEvents' attributes."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from chargepoint_driver.events import KINDS, Event, kind_of, schema

VALIDATOR = Draft202012Validator(schema())


def event(action: str = "StatusNotification", **changes: object) -> Event:
    fields = {
        "run": 1_795_000_000_123,
        "seq": 7,
        "received_s": 1_795_000_001.5,
        "time_s": 1_795_000_000.25,
        "account": "ocpp",
        "station": "CP/1 ü",
        "connector": 1,
        "action": action,
        "data_text": '{"status":"Charging"}',
    }
    return Event(**{**fields, **changes})  # type: ignore[arg-type]


CONTENT = {
    "StatusChange": {"status": "INUSE", "before": None},
    "LoadChange": {"load_kw": 7.2},
    "SessionBegin": {"session_id": "12"},
    "SessionEnd": {"session_id": "12", "end": "2026-07-01T12:00:00Z", "energy_kwh": 3.5},
    "Shed": {"status": "in force", "allowed_load_kw": 3.0, "note": ""},
    "Alarm": {"about": "station 1:1", "text": "faulted"},
    "AlarmOver": {"about": "station 1:1", "text": "faulted"},
    "EventsLost": {"lost": 3, "after": 4, "through": 7},
}


@pytest.mark.parametrize("action", [action for actions in KINDS.values() for action in actions])
def test_an_event_of_each_action_is_of_the_schema(action):
    found = event(action, data_text=json.dumps(CONTENT.get(action, {"any": 1}))).to_dict()
    VALIDATOR.validate(found)
    assert found["type"] == f"chargepoint.{found['kind']}"
    assert found["action"] in KINDS[found["kind"]]


@pytest.mark.parametrize(("action", "content"), CONTENT.items())
def test_the_schema_refuses_content_of_another_action(action, content):
    found = {**event(action).to_dict(), "data": {"nothing": "of it"}}
    assert not VALIDATOR.is_valid(found)
    VALIDATOR.validate({**found, "data": content})


def test_cloud_events_attributes_are_there():
    found = event().to_dict()
    assert found["specversion"] == "1.0"
    assert found["id"] == "1795000000123-7"
    assert found["source"] == "/chargepoint-driver/ocpp"
    assert found["subject"] == "CP%2F1%20%C3%BC/1"
    assert found["time"].endswith(".250Z")
    assert found["received"].endswith(".500Z")
    assert found["station"] == "CP/1 ü"


def test_what_is_of_no_station_has_no_empty_attribute():
    found = event(station="", connector=None).to_dict()
    VALIDATOR.validate(found)
    assert "subject" not in found


def test_an_envelope_is_read_back_as_the_same_event():
    made = event()
    assert Event.from_dict(json.loads(made.to_json())) == made


def test_an_envelope_of_another_version_is_refused():
    with pytest.raises(ValueError, match="dataschema"):
        Event.from_dict({**event().to_dict(), "dataschema": "urn:chargepoint-driver:event:2"})


def test_an_unknown_action_is_a_message():
    assert kind_of("SecurityEventNotification") == "message"


def test_what_was_lost_has_an_id_of_its_own():
    """The event that was skipped may still be sent again, under its own id."""
    data = json.dumps(CONTENT["EventsLost"])
    assert event("EventsLost", data_text=data).id != event().id
