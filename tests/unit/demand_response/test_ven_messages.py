"""The follower takes what VOLTTRON's own OpenADR agents publish, classic and modular."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from chargepoint_driver.demand_response.event_messages import Events

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)
SETTINGS: dict[str, Any] = {
    "levels": {"1": 40.0, "2": 20.0},
    "prices": {"0.3": 30.0},
    "rated_kw": 50.0,
}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def published(
    signals: list[dict[str, Any]], name: str = "evt1", minutes: float = 60, **descriptor: Any
) -> Any:
    """An event as both agents publish it: openleadr's dictionary with times as VOLTTRON formats
    them, and durations in seconds."""
    event = {
        "event_descriptor": {
            "event_id": name,
            "modification_number": 0,
            "modification_date_time": NOON,
            "modification_reason": None,
            "priority": 0,
            "market_context": "http://context.example",
            "created_date_time": NOON,
            "event_status": "far",
            "test_event": False,
            "vtn_comment": None,
            **descriptor,
        },
        "active_period": {
            "dtstart": NOON,
            "duration": timedelta(minutes=minutes),
            "tolerance": None,
            "notification_period": None,
        },
        "event_signals": signals,
        "targets": [{"ven_id": "ven1"}],
        "targets_by_type": {"ven_id": ["ven1"]},
        "response_required": "always",
    }

    def plain(value: Any) -> Any:
        if isinstance(value, timedelta):
            return int(value.total_seconds())
        if isinstance(value, (datetime, date)):
            return value.isoformat()
        return asdict(value)

    return json.loads(json.dumps(event, default=plain))


def signal(name: str, kind: str, *values: float, minutes: float = 60, **more: Any) -> Any:
    length = timedelta(minutes=minutes / len(values))
    return {
        "signal_name": name,
        "signal_type": kind,
        "signal_id": "s",
        "current_value": 0.0,
        "intervals": [
            {"dtstart": NOON + number * length, "duration": length, "uid": number,
             "signal_payload": value}
            for number, value in enumerate(values)
        ],
        **more,
    }  # fmt: skip


POWER = {"name": "powerReal", "description": "RealPower", "unit": "W", "scale": "k"}


@pytest.fixture
def events() -> Events:
    return Events(SETTINGS, [], NOON)


@pytest.mark.parametrize(
    ("given", "kw"),
    [
        (signal("SIMPLE", "level", 2.0), 20.0),
        (signal("simple", "level", 1.0), 40.0),
        (signal("ELECTRICITY_PRICE", "price", 0.4), 30.0),
        (signal("ELECTRICITY_PRICE", "price", 0.2), None),
        # A dispatch is in kW: 4 kW is not level 4.
        (signal("LOAD_DISPATCH", "setpoint", 4.0), 4.0),
        (signal("LOAD_DISPATCH", "setpoint", 4.0, measurement=POWER), 4.0),
        (signal("LOAD_DISPATCH", "setpoint", 4.0, measurement={**POWER, "scale": "M"}), 4000.0),
        (signal("LOAD_DISPATCH", "setpoint", 4e3, measurement={**POWER, "scale": "none"}), 4.0),
        (signal("LOAD_CONTROL", "x-loadControlPercentOffset", -40.0), 30.0),
        (signal("LOAD_CONTROL", "x-loadControlCapacity", 0.5), 25.0),
    ],
)
def test_each_signal_has_its_own_meaning(events: Events, given: Any, kw: float | None) -> None:
    assert events.take(published([given]), NOON) == "accepted"
    assert events.allowed_kw(at(1)) == kw
    assert events.allowed_kw(at(61)) is None


@pytest.mark.parametrize(
    "given",
    [
        signal("LOAD_DISPATCH", "delta", -4.0),
        signal("LOAD_CONTROL", "x-loadControlLevelOffset", 1.0),
        signal("LOAD_DISPATCH", "setpoint", 4.0, measurement={**POWER, "unit": "VA"}),
        signal("CHARGE_STATE", "setpoint", 4.0),
    ],
)
def test_what_is_not_supported_is_no_limit(events: Events, given: Any) -> None:
    assert "malformed" in events.take(published([given]), NOON)
    assert events.allowed_kw(at(1)) is None


def test_several_intervals_are_one_event(events: Events) -> None:
    given = published([signal("SIMPLE", "level", 1.0, 2.0, 0.0)])
    assert events.take(given, NOON) == "accepted"
    assert [events.allowed_kw(at(minute)) for minute in (1, 21, 41)] == [40.0, 20.0, None]
    again = Events(SETTINGS, json.loads(json.dumps(list(events.messages.values()))), NOON)
    assert again.allowed_kw(at(21)) == 20.0
    cancelled = published([], event_status="cancelled", modification_number=1)
    assert events.take(cancelled, at(21)) == "cancelled"
    assert events.allowed_kw(at(21)) is None
    assert events.take(given, at(22)) == "known"


def test_of_several_signals_the_lowest_counts(events: Events) -> None:
    given = published([signal("SIMPLE", "level", 1.0), signal("LOAD_DISPATCH", "setpoint", 9.0)])
    events.take(given, NOON)
    assert events.allowed_kw(at(1)) == 9.0


def test_a_change_replaces_the_event(events: Events) -> None:
    events.take(published([signal("SIMPLE", "level", 2.0)]), NOON)
    later = published([signal("SIMPLE", "level", 1.0)], modification_number=1)
    assert events.take(later, at(1)) == "late"
    assert events.allowed_kw(at(1)) == 40.0


def test_a_completed_event_is_over(events: Events) -> None:
    events.take(published([signal("SIMPLE", "level", 2.0)]), NOON)
    assert events.take(published([], event_status="completed"), at(5)) == "cancelled"
    assert events.allowed_kw(at(5)) is None


@pytest.mark.parametrize("said", [True, "true"])
def test_a_test_event_does_nothing(events: Events, said: Any) -> None:
    given = published([signal("SIMPLE", "level", 2.0)], test_event=said)
    assert events.take(given, NOON) == "test"
    assert events.allowed_kw(at(1)) is None


def test_an_open_end_lasts_until_it_is_cancelled(events: Events) -> None:
    given = signal("SIMPLE", "level", 2.0)
    given["intervals"][0]["duration"] = 0
    assert events.take(published([given], minutes=0), NOON) == "accepted"
    assert events.allowed_kw(at(5_000)) == 20.0


def test_a_percentage_without_a_rated_power_says_what_to_do() -> None:
    events = Events({**SETTINGS, "rated_kw": None}, [], NOON)
    given = published([signal("LOAD_CONTROL", "x-loadControlCapacity", 0.5)])
    assert "rated_kw" in events.take(given, NOON)


@pytest.mark.parametrize(
    ("fields", "kw"), [({"kw": 4.0}, 4.0), ({"kw": 0}, 0.0), ({"percent": 40}, 20.0)]
)
def test_the_own_form_has_kw_and_percent(
    events: Events, fields: dict[str, float], kw: float
) -> None:
    message = {"event_id": "a", "start": NOON.isoformat(), "duration": "PT1H", **fields}
    assert events.take(message, NOON) == "accepted"
    assert events.allowed_kw(at(1)) == kw


@pytest.mark.parametrize("fields", [{"kw": -1}, {"kw": 4, "level": 2}, {"percent": True}, {}])
def test_what_the_own_form_refuses(events: Events, fields: dict[str, float]) -> None:
    message = {"event_id": "a", "start": NOON.isoformat(), "duration": "PT1H", **fields}
    assert "malformed" in events.take(message, NOON)
