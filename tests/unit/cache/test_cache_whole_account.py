"""A reply for the whole account answers for the stations that it leaves out, for all readers."""

from __future__ import annotations

import pytest

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.catalogue import CHARGEPOINT

from .fake import ALARMS, RIGHTS, SESSIONS, FakeBackend, Time


@pytest.fixture(params=[ALARMS, RIGHTS, SESSIONS])
def call(request: pytest.FixtureRequest, backend: FakeBackend) -> str:
    """A call that leaves out the stations which have nothing: here all."""
    backend.absent[request.param] = set(backend.stations)
    return str(request.param)


def test_other_stations_are_not_asked_for_again(
    cache: SharedCache, backend: FakeBackend, clock: Time, call: str
) -> None:
    one, two, three, four, _ = backend.stations
    cache.get({(call, one): 60.0, (call, two): 60.0})
    clock.pass_(50.0)
    outcomes = cache.get({(call, three): 60.0, (call, four): 60.0})
    assert len(backend.requests) == 1
    assert [(o.error, o.age_s, dict(o.record.values)) for o in outcomes.values() if o.record] == [
        (None, 50.0, {})
    ] * 2
    clock.pass_(11.0)
    cache.get({(call, three): 60.0, (call, four): 60.0})
    assert len(backend.requests) == 2


def test_what_is_written_since_is_asked_for(
    cache: SharedCache, backend: FakeBackend, call: str
) -> None:
    one, two, three, *_ = backend.stations
    cache.get({(call, one): 60.0, (call, two): 60.0})
    cache.touch(CHARGEPOINT.calls[call].data[0], three)
    cache.get({(call, three): 60.0})
    assert [request.stations for request in backend.requests] == [(), (three,)]


def test_a_single_station_s_reply_says_nothing_of_others(
    cache: SharedCache, backend: FakeBackend, call: str
) -> None:
    one, two, *_ = backend.stations
    cache.get({(call, one): 60.0})
    cache.get({(call, two): 60.0})
    assert len(backend.requests) == 2


def test_a_failure_says_nothing(cache: SharedCache, backend: FakeBackend, call: str) -> None:
    one, two, three, *_ = backend.stations
    backend.fail_with(OSError("gone"))
    cache.get({(call, one): 60.0, (call, two): 60.0})
    backend.fail_with(None)
    cache.get({(call, three): 60.0})
    assert len(backend.requests) == 2
