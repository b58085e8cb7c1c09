"""Readers of the same data share one request, and nobody waits permanently."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chargepoint_driver.cache import SharedCache
from chargepoint_driver.catalogue import Data
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidReplyError,
    PermissionDeniedError,
    TransientError,
)

from .conftest import Reader
from .fake import ALARMS, LOAD, SESSIONS, STATIONS, STATUS, FakeBackend, Time, ids

A, B, C, D, E = ids(5)


def test_two_hundred_readers_of_one_stale_value_cost_one_request(
    backend: FakeBackend, clock: Time, cache: SharedCache, read: Callable[..., Reader]
) -> None:
    cache.get({(LOAD, A): 0.0})
    clock.pass_(3_600.0)
    backend.hold()
    readers = [read((LOAD, A)) for _ in range(200)]
    backend.wait_for_requests(2)
    assert all(reader.waits for reader in readers)
    backend.release()
    records = {id(reader.outcomes()[LOAD, A].record) for reader in readers}
    assert len(records) == 1
    assert len(backend.requests) == 2


def test_a_flight_is_joined_whatever_its_age(
    backend: FakeBackend, clock: Time, read: Callable[..., Reader]
) -> None:
    backend.hold()
    first = read((LOAD, A))
    backend.wait_for_requests(1)
    clock.pass_(3_600.0)
    second = read({(LOAD, A): 0.0})
    third = read({(LOAD, A): -1.0})
    backend.release()
    outcomes = [reader.outcomes()[LOAD, A] for reader in (first, second, third)]
    assert len({id(outcome.record) for outcome in outcomes}) == 1
    assert len(backend.requests) == 1


def test_one_reader_may_join_several_flights(
    backend: FakeBackend, read: Callable[..., Reader], cache: SharedCache
) -> None:
    cache.get({(STATUS, E): 0.0})  # the account has proved good
    backend.hold()
    read_a, read_alarms = read((LOAD, A)), read({(ALARMS, A): 0.0, (ALARMS, B): 0.0})
    backend.wait_for_requests(3)
    both = read({(LOAD, A): 0.0, (ALARMS, B): 0.0, (STATUS, C): 0.0})
    backend.wait_for_requests(4)
    backend.release()
    assert all(outcome.record is not None for outcome in both.outcomes().values())
    read_a.outcomes(), read_alarms.outcomes()
    assert len(backend.requests) == 4


def test_a_request_for_the_whole_account_serves_every_station(
    backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    backend.hold()
    first = read({(STATIONS, A): 0.0, (STATIONS, B): 0.0})
    backend.wait_for_requests(1)
    second = read({(STATIONS, D): 0.0})
    backend.release()
    assert second.outcomes()[STATIONS, D].record is not None
    first.outcomes()
    assert len(backend.requests) == 1


def test_stations_of_one_call_do_not_wait_for_each_other_for_ever(
    backend: FakeBackend, cache: SharedCache, read: Callable[..., Reader]
) -> None:
    readers = [read((LOAD, station)) for station in ids(5) * 20]
    for reader, station in zip(readers, ids(5) * 20, strict=True):
        outcome = reader.outcomes()[LOAD, station]
        assert outcome.record is not None
        assert outcome.record.station_id == station
    assert cache.get({(LOAD, A): 60.0})[LOAD, A].age_s == 0.0


def test_a_station_that_the_flight_before_brings_is_not_asked_for_again(
    backend: FakeBackend, cache: SharedCache, read: Callable[..., Reader]
) -> None:
    backend.groups = {"7": {A, B, C}}
    cache.get({(STATIONS, station): 60.0 for station in ids(5)})  # the groups are known
    backend.hold()
    group = read({(LOAD, A): 0.0, (LOAD, B): 0.0})
    backend.wait_for_requests(2)
    third = read((LOAD, C))
    backend.release()
    assert third.outcomes()[LOAD, C].record is not None
    group.outcomes()
    assert [(request.call, request.group) for request in backend.requests[1:]] == [(LOAD, "7")]


class UnforeseenError(Exception):
    """A mistake in a backend."""


class Abort(BaseException):
    """What not even `except Exception` sees, like the end of a greenlet."""


@pytest.fixture
def quiet_threads(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """What ends threads, collected instead of printed."""
    ended: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda hook: ended.append(hook.exc_type))
    return ended


@pytest.mark.parametrize(
    "error",
    [
        TransientError("down"),
        PermissionDeniedError("no"),
        InvalidReplyError("what?"),
        UnforeseenError("mistake"),
        MemoryError(),
        SystemExit(1),
        KeyboardInterrupt(),
        Abort(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_request_fails_with_wakes_every_reader(
    backend: FakeBackend,
    read: Callable[..., Reader],
    error: BaseException,
    quiet_threads: list[type[BaseException]],
) -> None:
    backend.fail_with(error)
    backend.hold()
    readers = [read({(LOAD, A): 0.0, (STATUS, A): 0.0}) for _ in range(20)]
    backend.wait_for_requests(1)
    backend.release()
    for reader in readers:
        for outcome in reader.outcomes().values():
            assert outcome.record is None
            assert isinstance(outcome.error, ChargePointError)


@pytest.mark.parametrize("error", [UnforeseenError("mistake"), Abort()], ids=["Exception", "Base"])
def test_after_an_unforeseen_failure_the_next_reader_asks_again(
    backend: FakeBackend,
    cache: SharedCache,
    error: BaseException,
    quiet_threads: list[type[BaseException]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend.fail_with(error)
    failed = cache.get({(LOAD, A): 0.0})[LOAD, A].error
    assert type(error).__name__ in str(failed)
    assert type(error).__name__ in caplog.text  # with its traceback, for the developer
    backend.fail_with(None)
    assert cache.get({(LOAD, A): 0.0})[LOAD, A].record is not None


def test_when_no_thread_can_be_started_nobody_hangs_and_the_next_reader_succeeds(
    make_cache: Callable[..., SharedCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make_cache(limit_s=0.5)

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        outcome = cache.get({(LOAD, A): 0.0})[LOAD, A]
        assert isinstance(outcome.error, ChargePointError)
    cache.forget_failures()
    assert cache.get({(LOAD, A): 0.0})[LOAD, A].error is None


def test_a_wait_has_a_limit_and_the_late_reply_is_kept(
    backend: FakeBackend, make_cache: Callable[..., SharedCache]
) -> None:
    cache = make_cache(limit_s=0.1)
    backend.hold()
    outcome = cache.get({(LOAD, A): 0.0})[LOAD, A]
    assert isinstance(outcome.error, TransientError)
    assert "0.1 s" in str(outcome.error)
    backend.release()
    # The next reader gets it, from the store or out of the air.
    assert cache.get({(LOAD, A): 60.0})[LOAD, A].record is not None
    assert len(backend.requests) == 1


def test_the_limit_is_for_the_whole_read(
    backend: FakeBackend, make_cache: Callable[..., SharedCache], clock: Time
) -> None:
    """Five calls that hang cost the reader one limit, not five."""
    cache = make_cache(limit_s=0.3)
    cache.get({(STATUS, E): 0.0})
    backend.hold()
    reader = Reader(cache, {(call, A): 0.0 for call in (STATUS, LOAD, ALARMS, SESSIONS, STATIONS)})
    done = threading.Event()

    def wait() -> None:
        outcomes = reader.outcomes()
        if all(isinstance(outcome.error, TransientError) for outcome in outcomes.values()):
            done.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert done.wait(1.2)
    waiter.join()


def test_a_late_answer_for_one_call_does_not_cost_the_others(
    backend: FakeBackend, make_cache: Callable[..., SharedCache]
) -> None:
    cache = make_cache(limit_s=0.3)
    cache.get({(STATUS, E): 0.0})
    backend.hold()
    Reader(cache, {(LOAD, A): 0.0}).outcomes()
    backend.release()
    backend.hold()
    hanging = Reader(cache, {(ALARMS, A): 0.0, (STATUS, E): 60.0})
    outcomes = hanging.outcomes()
    assert isinstance(outcomes[ALARMS, A].error, TransientError)
    assert outcomes[STATUS, E].record is not None


def test_no_lock_is_held_while_the_network_is_waited_for(
    backend: FakeBackend, cache: SharedCache, read: Callable[..., Reader]
) -> None:
    cache.get({(STATUS, A): 0.0})
    backend.hold()
    reader = read((LOAD, A))
    backend.wait_for_requests(2)
    # All of these take the lock.
    assert cache.get({(STATUS, A): 60.0})[STATUS, A].record is not None
    assert len(cache) == 1
    assert cache.down() == {}
    cache.touch(Data.STATUS, B)
    cache.forget_failures()
    assert reader.waits
    backend.release()
    reader.outcomes()
