"""Station groups: learned once, used where they save calls, doubted when a reply disagrees."""

from __future__ import annotations

import pytest

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.errors import PermissionDeniedError, TransientError

from .fake import LOAD, STATIONS, FakeBackend, Time, ids

A, B, C, D, E = ids(5)
DAY_S = 86_400.0


@pytest.fixture
def grouped(backend: FakeBackend) -> FakeBackend:
    backend.groups = {"7": {A, B, C}, "8": {D, E}}
    return backend


def loads(cache: SharedCache, *stations: str) -> dict[str, bool]:
    """Station to whether its load was read, fresh."""
    outcomes = cache.get({(LOAD, station): 0.0 for station in stations})
    return {station: outcome.record is not None for (_, station), outcome in outcomes.items()}


def test_discovered_once_and_used(cache: SharedCache, grouped: FakeBackend, clock: Time) -> None:
    for _ in range(5):
        assert all(loads(cache, *ids(5)).values())
        clock.pass_(60.0)
    assert len(grouped.asked(STATIONS)) == 1
    assert [request.group for request in grouped.asked(LOAD)] == ["7", "8"] * 5


def test_learned_again_every_day(cache: SharedCache, grouped: FakeBackend, clock: Time) -> None:
    loads(cache, *ids(5))
    grouped.groups = {"9": set(ids(5))}
    clock.pass_(DAY_S - 1.0)
    loads(cache, *ids(5))
    assert len(grouped.asked(STATIONS)) == 1
    clock.pass_(2.0)
    before = len(grouped.asked(LOAD))
    assert all(loads(cache, *ids(5)).values())
    assert len(grouped.asked(STATIONS)) == 2
    assert [request.group for request in grouped.asked(LOAD)[before:]] == ["9"]


def test_the_station_list_of_the_points_teaches_the_groups_too(
    cache: SharedCache, grouped: FakeBackend
) -> None:
    cache.get({(STATIONS, station): DAY_S for station in ids(5)})
    assert all(loads(cache, *ids(5)).values())
    assert len(grouped.asked(STATIONS)) == 1


def test_everything_at_once_costs_three_requests(cache: SharedCache, grouped: FakeBackend) -> None:
    grouped.groups = {"7": set(ids(5))}
    wanted = {(call, station): 0.0 for call in (STATIONS, LOAD) for station in ids(5)}
    assert all(outcome.record for outcome in cache.get(wanted).values())
    assert len(grouped.requests) == 2


def test_one_station_needs_no_groups(cache: SharedCache, grouped: FakeBackend) -> None:
    assert loads(cache, A) == {A: True}
    assert grouped.asked(STATIONS) == []


@pytest.mark.parametrize(
    "error",
    [PermissionDeniedError("no", service_code="101"), TransientError("down")],
    ids=["refused", "down"],
)
def test_where_groups_cannot_be_learned_stations_are_asked_singly(
    cache: SharedCache,
    grouped: FakeBackend,
    clock: Time,
    error: PermissionDeniedError | TransientError,
) -> None:
    grouped.fail_with(error, STATIONS)
    for _ in range(3):
        assert all(loads(cache, *ids(5)).values())
        clock.pass_(30.0)
    assert [request.stations for request in grouped.asked(LOAD)] == [(s,) for s in ids(5)] * 3
    assert len(grouped.asked(STATIONS)) <= 3


def test_refused_groups_are_not_asked_for_at_every_read(
    cache: SharedCache, grouped: FakeBackend, clock: Time
) -> None:
    grouped.fail_with(PermissionDeniedError("no"), STATIONS)
    for _ in range(10):
        loads(cache, *ids(5))
        clock.pass_(30.0)
    assert len(grouped.asked(STATIONS)) == 1


def test_an_account_without_groups_is_not_asked_for_them_at_every_read(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    for _ in range(10):
        assert all(loads(cache, *ids(5)).values())
        clock.pass_(30.0)
    assert len(backend.asked(STATIONS)) == 1


def test_a_station_that_its_group_leaves_out_is_asked_singly(
    cache: SharedCache, grouped: FakeBackend, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    grouped.absent["7"] = {B}
    assert loads(cache, A, B, C) == {A: True, B: True, C: True}
    assert [(r.group, r.stations) for r in grouped.asked(LOAD)] == [("7", ()), (None, (B,))]
    assert B in caplog.text
    # Known from now on: nothing is lost and nothing is said again.
    caplog.clear()
    clock.pass_(60.0)
    assert loads(cache, A, B, C) == {A: True, B: True, C: True}
    assert len(grouped.asked(LOAD)) == 4
    assert caplog.text == ""


def test_after_a_disagreement_groups_are_learned_again_before_the_day_is_over(
    cache: SharedCache, grouped: FakeBackend, clock: Time
) -> None:
    grouped.absent["7"] = {B}
    loads(cache, A, B, C)
    grouped.groups = {"7": {A, C}, "8": {B, D, E}}
    asked = 0
    for _ in range(60):
        clock.pass_(60.0)
        before = len(grouped.asked(LOAD))
        assert all(loads(cache, *ids(5)).values())
        asked = len(grouped.asked(LOAD)) - before
    assert asked == 2  # two groups, no station individually
    assert len(grouped.asked(STATIONS)) == 2


def test_a_failed_group_costs_only_its_own_stations(
    cache: SharedCache, grouped: FakeBackend
) -> None:
    grouped.failure = lambda request: (
        PermissionDeniedError("not your group") if request.group == "8" else None
    )
    found = loads(cache, *ids(5))
    assert {station for station, good in found.items() if good} >= {A, B, C}


def test_a_group_that_failed_for_now_is_not_the_end_of_the_call(
    cache: SharedCache, grouped: FakeBackend, clock: Time
) -> None:
    grouped.failure = lambda request: TransientError("down") if request.group == "7" else None
    loads(cache, *ids(5))
    grouped.failure = lambda request: None
    clock.pass_(60.0)
    assert all(loads(cache, *ids(5)).values())
