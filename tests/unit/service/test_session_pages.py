"""Pages of sessions that a web service lists, newest first."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, cast

import pytest

from chargepoint_driver.backend import Backend
from chargepoint_driver.records import Event, SessionQuery, Unreadable
from chargepoint_driver.service.session_pages import SessionPages, record_of

T0 = 1_800_000_000.0


def iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat()


def event(number: object, begin_s: float | None, end_s: float | None, **values: Any) -> Event:
    start = None if begin_s is None else iso(begin_s)
    fields = {
        "sessionID": number,
        "startTime": start,
        "endTime": None if end_s is None else iso(end_s),
        "Energy": 2.5,
        **values,
    }
    return Event(values.pop("station", "1:1"), 1, start or "", fields)


class Listing:
    """A web service; counts how often it is asked."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.asked: list[tuple[str | None, datetime, datetime | None]] = []
        self.now_s = 0.0

    def __call__(self, station: str | None, since: datetime, until: datetime | None) -> list[Event]:
        self.asked.append((station, since, until))
        return self.events

    def pages(self) -> SessionPages:
        # Not a SessionBackend: it has no pages of its own.
        return SessionPages(cast("Backend", object()), self, lambda: self.now_s)


def test_pages_of_one_listing() -> None:
    listing = Listing([event(str(n), T0 + n // 2, T0 + 60 - n) for n in range(8, 12)])
    pages = listing.pages()
    found: list[str] = []
    before = None
    for _ in range(4):
        query = SessionQuery(T0, T0 + 99, limit=1, before=before)
        (one,) = pages.page(query)
        found.append(one.session_id)
        before = one.place_s, one.session_id
    # Ids are numbers: 11 stands before 9.
    assert found == ["11", "10", "9", "8"]
    assert pages.page(SessionQuery(T0, T0 + 99, before=before)) == []
    assert len(listing.asked) == 1
    by_end = pages.page(SessionQuery(T0, T0 + 51, is_by_end=True))
    assert [each.session_id for each in by_end] == ["10", "11"]
    assert [each.place_s for each in by_end] == [T0 + 50, T0 + 49]


def test_a_listing_serves_a_minute() -> None:
    listing = Listing([])
    pages = listing.pages()
    for moment, times in ((0.0, 1), (59.0, 1), (61.0, 2), (-5.0, 3)):
        listing.now_s = moment
        pages.page(SessionQuery(T0))
        assert len(listing.asked) == times
    pages.page(SessionQuery(T0, station_id="1:1"))
    assert listing.asked[-1] == ("1:1", datetime.fromtimestamp(T0, timezone.utc), None)


def test_a_failure_is_not_kept() -> None:
    listing = Listing([])
    pages = SessionPages(cast("Backend", object()), fail_once(listing), lambda: 0.0)
    with pytest.raises(OSError, match="down"):
        pages.page(SessionQuery(T0))
    assert pages.page(SessionQuery(T0)) == []


def fail_once(listing: Listing) -> Any:
    failures = iter([OSError("down")])

    def ask(*arguments: Any) -> list[Event]:
        for failure in failures:
            raise failure
        return listing(*arguments)

    return ask


def test_filters() -> None:
    listing = Listing(
        [
            event("1", T0, T0 + 9, rfidSerialNumber=" AB "),
            event("2", T0, T0 + 9, credentialID="ab"),
            event("3", T0, T0 + 9),
        ]
    )
    pages = listing.pages()
    ask = lambda **filters: [  # noqa: E731
        each.session_id for each in pages.page(SessionQuery(T0, **filters))
    ]
    assert ask(id_tag="Ab") == ["2", "1"]
    assert ask(port=2) == []
    assert ask(before=(T0, None)) == ["3", "2", "1"]
    assert ask(before=(T0, "")) == []


def test_what_is_not_reported_or_readable() -> None:
    found = record_of(event("7", T0, None, Energy=None, totalChargingDuration="01:02:03"))
    assert (found.energy_wh, found.end_s, found.has_ended) == (None, None, False)
    assert found.charging_s == 3_723.0
    found = record_of(
        event(None, None, T0, Energy=Unreadable("two"), totalChargingDuration="1:99:00")
    )
    assert (found.session_id, found.energy_wh, found.start_s) == ("", None, None)
    assert (found.charging_s, found.has_ended, found.place_s) == (None, True, T0)
    odd = Event("1:1", None, "", {"endTime": Unreadable("never"), "startTime": "soon"})
    found = record_of(odd)
    assert (found.has_ended, found.end_s, found.start_s, found.id_tag) == (True, None, None, None)
    assert record_of(event("7", T0, T0 + 1)).energy_wh == 2_500.0
