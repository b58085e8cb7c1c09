"""The event follower's events: the result of each message, and the limit that follows."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.demand_response.event_messages import MAX_EVENTS, Events

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=timezone.utc)
SETTINGS = {"levels": {"1": 40.0, "2": 20, "3": 0}, "prices": {"0.3": 30.0, "1": 5.0}}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def event(name: str = "a", start_min: float = 0, duration: str = "PT1H", **fields: Any) -> Any:
    if "price" not in fields:
        fields.setdefault("level", 2)
    return {"event_id": name, "start": at(start_min).isoformat(), "duration": duration, **fields}


@pytest.fixture
def events() -> Events:
    return Events(SETTINGS, [], NOON)


def test_an_event_holds_from_its_start_to_its_end(events: Events) -> None:
    assert events.take(event(start_min=30), NOON) == "accepted"
    found = [events.allowed_kw(at(minute)) for minute in (0, 29.9, 30, 89.9, 90)]
    assert found == [None, None, 20.0, 20.0, None]
    assert events.messages == {}


@pytest.mark.parametrize(
    ("fields", "kw"),
    [
        ({"level": 0}, None),
        ({"level": 1}, 40.0),
        ({"level": 2.5}, 20.0),
        ({"level": 9}, 0.0),
        ({"price": 0.29}, None),
        ({"price": 0.3}, 30.0),
        ({"price": -1}, None),
        ({"price": 7}, 5.0),
    ],
)
def test_levels_and_prices_are_thresholds(
    events: Events, fields: dict[str, float], kw: float | None
) -> None:
    assert events.take(event(**fields), NOON) == "accepted"
    assert events.allowed_kw(at(1)) == kw


def test_of_events_that_overlap_the_lowest_limit_counts(events: Events) -> None:
    events.take(event("a", 0, "PT1H", level=1), NOON)
    events.take(event("b", 30, "PT1H", level=2), NOON)
    assert [events.allowed_kw(at(minute)) for minute in (0, 30, 60, 90)] == [40.0, 20.0, 20.0, None]


def test_a_late_event_holds_for_its_rest(events: Events) -> None:
    assert events.take(event(start_min=-50), NOON) == "late"
    assert (events.allowed_kw(at(9)), events.allowed_kw(at(10))) == (20.0, None)


def test_an_event_that_is_over_changes_nothing(events: Events) -> None:
    assert events.take(event(start_min=-60), NOON) == "over"
    assert events.allowed_kw(NOON) is None


def test_an_event_of_the_far_future_waits(events: Events) -> None:
    year = 365 * 24 * 60
    assert events.take(event(start_min=year), NOON) == "accepted"
    assert (events.allowed_kw(NOON), events.allowed_kw(at(year))) == (None, 20.0)


@pytest.mark.parametrize("modification", [0, 1])
def test_a_cancelled_event_ends_at_once(events: Events, modification: int) -> None:
    events.take(event(), NOON)
    cancel = {"event_id": "a", "status": "cancelled", "modification": modification}
    assert events.take(cancel, NOON) == "cancelled"
    assert events.allowed_kw(at(1)) is None
    assert events.take(event(), at(1)) == "known"
    assert events.take(cancel, at(1)) == "known"
    assert events.allowed_kw(at(2)) is None


def test_a_cancellation_that_comes_first_counts(events: Events) -> None:
    events.take({"event_id": "a", "status": "cancelled", "modification": 1}, NOON)
    assert events.take(event(), NOON) == "known"
    assert events.allowed_kw(at(1)) is None


def test_a_modification_replaces_and_an_older_one_does_not(events: Events) -> None:
    events.take(event(level=1, modification=1), NOON)
    assert events.take(event(level=3, modification=0), NOON) == "known"
    assert events.take(event(level=3, modification=1), NOON) == "known"
    assert events.allowed_kw(at(1)) == 40.0
    assert events.take(event(level=2, modification=2, duration="PT10M"), NOON) == "accepted"
    assert (events.allowed_kw(at(1)), events.allowed_kw(at(10))) == (20.0, None)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (None, ""),
        ([], ""),
        ("event", ""),
        ({}, "'event_id' is missing"),
        (event(name=""), "event_id must be a text"),
        (event(modification="1"), "whole number"),
        (event(status="canceled"), "write active or cancelled"),
        ({**event(), "start": "noon"}, "noon"),
        ({**event(), "start": "2026-07-01T12:00:00"}, "time zone"),
        ({**event(), "start": 5}, ""),
        ({**event(), "start": "9999-12-31T23:59:59+00:00"}, ""),
        (event(duration="1h"), "PT1H30M"),
        (event(duration="PT0S"), "up to 31 days"),
        (event(duration="P32D"), "up to 31 days"),
        (event(duration="P99999999999999999999D"), ""),
        (event(duration=60), ""),
        (event(level=1, price=1), "a level or a price"),
        (event(level="2"), ""),
        (event(level=True), "level must be a number"),
        (event(price=float("nan")), "price must be a number"),
    ],
)
def test_a_malformed_event_is_said_and_changes_nothing(
    events: Events, message: Any, words: str
) -> None:
    events.take(event(level=1), NOON)
    outcome = events.take(message, NOON)
    assert outcome.startswith("malformed: ")
    assert words in outcome
    assert events.allowed_kw(at(1)) == 40.0


def test_an_event_that_says_neither_level_nor_price(events: Events) -> None:
    message = event()
    del message["level"]
    assert "a level or a price" in events.take(message, NOON)


def test_there_is_an_end_to_what_is_remembered(events: Events) -> None:
    for number in range(MAX_EVENTS):
        events.take(event(str(number)), NOON)
    assert "waiting already" in events.take(event("more"), NOON)
    assert events.take(event("0", level=3, modification=1), NOON) == "accepted"


def test_a_restart_goes_on_where_it_was(events: Events) -> None:
    events.take(event("a", 0, level=1), NOON)
    events.take(event("b", 10, level=2), NOON)
    events.take({"event_id": "a", "status": "cancelled"}, at(1))
    kept = json.loads(json.dumps(list(events.messages.values())))
    again = Events(SETTINGS, kept, at(15))
    assert again.allowed_kw(at(15)) == 20.0
    assert again.take(event("a", 0, level=1), at(15)) == "known"
    assert again.allowed_kw(at(70)) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["event_id", "start", "duration", "level", "status", "modification"]
                ),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_no_message_breaks_the_books(message: Any) -> None:
    events = Events(SETTINGS, [], NOON)
    assert isinstance(events.take(message, NOON), str)
    assert events.allowed_kw(at(1)) is None
