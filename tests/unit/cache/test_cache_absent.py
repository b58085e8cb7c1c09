"""A station that the list of alarms, sessions or rights leaves out has none of them; a failed
call is never taken for that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.errors import NotFoundError, TransientError

from .conftest import Reader
from .fake import ALARMS, LOAD, RIGHTS, SESSIONS, STATIONS, STATUS, FakeBackend, Time, ids

A, B, C, D, E = ids(5)


@pytest.mark.parametrize("call", [ALARMS, SESSIONS, RIGHTS])
def test_nothing_is_a_record_like_others(
    cache: SharedCache, backend: FakeBackend, clock: Time, call: str
) -> None:
    backend.absent[call] = {B}
    wanted = {(call, station): 30.0 for station in (A, B)}
    outcome = cache.get(wanted)[call, B]
    assert outcome.record is not None
    assert (outcome.record.station_id, outcome.record.values) == (B, {})
    assert outcome.record.of_port(2) == {}
    assert (outcome.error, outcome.age_s) == (None, 0.0)
    clock.pass_(20.0)
    assert cache.get(wanted)[call, B].age_s == 20.0
    assert len(backend.requests) == 1


@pytest.mark.parametrize("call", [STATIONS, STATUS, LOAD])
def test_of_other_calls_it_is_an_error(cache: SharedCache, backend: FakeBackend, call: str) -> None:
    backend.absent[call] = {B}
    outcomes = cache.get({(call, station): 30.0 for station in (A, B)})
    assert isinstance(outcomes[call, B].error, NotFoundError)
    assert outcomes[call, A].record is not None


def test_a_failed_call_is_never_taken_for_nothing(cache: SharedCache, backend: FakeBackend) -> None:
    backend.fail_with(TransientError("down"))
    outcomes = cache.get({(ALARMS, station): 30.0 for station in (A, B)})
    assert all(isinstance(outcome.error, TransientError) for outcome in outcomes.values())


def test_a_reader_who_joins_the_fetch_gets_nothing_too(
    backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    backend.absent[ALARMS] = {C}
    backend.hold()
    whole = read({(ALARMS, A): 30.0, (ALARMS, B): 30.0})
    backend.wait_for_requests(1)
    joined = read((ALARMS, C))
    backend.release()
    record = joined.outcomes()[ALARMS, C].record
    assert record is not None
    assert record.values == {}
    whole.outcomes()
    assert len(backend.requests) == 1


def test_a_reader_who_joins_a_fetch_that_fails_gets_its_error(
    backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    backend.fail_with(TransientError("no connection"))
    backend.hold()
    whole = read({(ALARMS, A): 30.0, (ALARMS, B): 30.0})
    backend.wait_for_requests(1)
    joined = read((ALARMS, C))
    backend.release()
    outcome = joined.outcomes()[ALARMS, C]
    assert outcome.record is None
    assert isinstance(outcome.error, TransientError)
    whole.outcomes()
