"""A failing service is asked seldom, its errors stay where they belong, and it is noticed when
it is back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from chargepoint_driver.backend import Request
from chargepoint_driver.cache import Outcome, SharedCache
from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    InvalidReplyError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)

from .conftest import Reader
from .fake import ALARMS, LOAD, RIGHTS, SESSIONS, STATIONS, STATUS, FakeBackend, Time, ids

A, B, C, D, E = ids(5)
POLL_S = 60.0
REFUSED_S = 900.0


def ask(cache: SharedCache, call: str = STATUS, station: str = A) -> Outcome:
    """What a reader of a fresh value gets."""
    return cache.get({(call, station): 0.0})[call, station]


def test_a_held_call_answers_at_once_and_is_not_sent(
    cache: SharedCache, backend: FakeBackend
) -> None:
    error = TransientError("no connection")
    backend.fail_with(error)
    assert ask(cache).error is error
    for station in ids(5):
        assert ask(cache, station=station).error is error
    assert len(backend.requests) == 1


def test_pauses_grow_to_less_than_a_poll(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    backend.fail_with(TransientError("no connection"))
    asked_at = []
    for _ in range(600):
        before = len(backend.requests)
        ask(cache)
        if len(backend.requests) > before:
            asked_at.append(clock())
        clock.pass_(1.0)
    pauses = [later - sooner for sooner, later in pairwise(asked_at)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1] < pauses[2]
    assert pauses[-1] < POLL_S
    assert len(asked_at) < 20


def test_pauses_of_two_drivers_drift_apart(
    make_cache: Callable[..., SharedCache], clock: Time
) -> None:
    def second_request(jitter: float) -> float:
        backend = FakeBackend(clock, ids(1))
        cache = make_cache(backend=backend, jitter=lambda: jitter)
        backend.fail_with(TransientError("no connection"))
        began = clock()
        ask(cache)
        while len(backend.requests) < 2:
            clock.pass_(0.05)
            ask(cache)
        return clock() - began

    assert second_request(0.0) < second_request(0.5) < second_request(1.0)


def test_retry_after_is_heeded(cache: SharedCache, backend: FakeBackend, clock: Time) -> None:
    backend.fail_with(TransientError("too many requests", retry_after_s=300))
    ask(cache)
    clock.pass_(299.0)
    ask(cache)
    assert len(backend.requests) == 1
    clock.pass_(2.0)
    ask(cache)
    assert len(backend.requests) == 2


def test_recovery(cache: SharedCache, backend: FakeBackend, clock: Time) -> None:
    backend.fail_with(TransientError("no connection"))
    ask(cache)
    assert set(cache.down()) == {STATUS}
    backend.fail_with(None)
    assert ask(cache).error is not None
    clock.pass_(POLL_S)
    assert ask(cache).error is None
    assert cache.down() == {}
    # The next outage begins with the shortest pause again.
    clock.pass_(1.0)
    backend.fail_with(TransientError("no connection"))
    ask(cache)
    backend.fail_with(None)
    clock.pass_(6.0)
    assert ask(cache).error is None


def test_one_call_that_is_down_costs_no_other(cache: SharedCache, backend: FakeBackend) -> None:
    backend.fail_with(TransientError("no connection"), LOAD)
    outcomes = cache.get({(call, A): 0.0 for call in (STATUS, LOAD, ALARMS, STATIONS)})
    assert {call for (call, _), outcome in outcomes.items() if outcome.error} == {LOAD}


def test_logged_once_when_down_and_once_when_back(
    cache: SharedCache, backend: FakeBackend, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    backend.fail_with(TransientError("no connection"))
    for _ in range(300):
        ask(cache)
        clock.pass_(5.0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert STATUS in caplog.text
    assert "no connection" in caplog.text
    caplog.clear()
    backend.fail_with(None)
    for _ in range(30):
        ask(cache)
        clock.pass_(5.0)
    assert [STATUS in record.message for record in caplog.records] == [True]


def test_what_is_not_permitted_is_left_alone(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    backend.fail_with(PermissionDeniedError("not in your plan", service_code="101"), ALARMS)
    wanted = {(ALARMS, station): 0.0 for station in ids(5)}
    for _ in range(10):
        errors = [outcome.error for outcome in cache.get(wanted).values()]
        assert {type(error) for error in errors} == {PermissionDeniedError}
        assert {error.service_code for error in errors if error} == {"101"}
        clock.pass_(POLL_S)
    assert len(backend.requests) == 1
    clock.pass_(REFUSED_S)
    cache.get(wanted)
    assert len(backend.requests) == 2


CALLS = (STATUS, LOAD, ALARMS, SESSIONS, RIGHTS, STATIONS)


def test_wrong_credentials_cost_one_request_however_much_is_wanted(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    error = AuthenticationError("who are you")
    backend.fail_with(error)
    wanted = {(call, station): 0.0 for call in CALLS for station in ids(5)}
    assert {id(outcome.error) for outcome in cache.get(wanted).values()} == {id(error)}
    assert len(backend.requests) == 1
    clock.pass_(POLL_S)
    cache.get(wanted)
    assert len(backend.requests) == 1
    assert set(cache.down().values()) == {error}


def test_wrong_credentials_cost_many_readers_one_request(
    backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    backend.fail_with(AuthenticationError("who are you"))
    backend.hold()
    readers = [read((call, station)) for call in CALLS for station in ids(5)]
    backend.wait_for_requests(1)
    backend.release()
    for reader in readers:
        (outcome,) = reader.outcomes().values()
        assert isinstance(outcome.error, AuthenticationError)
    assert len(backend.requests) == 1


def test_credentials_that_were_right_cost_one_request_too_when_they_are_no_more(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    """A password may expire; asking with each call at once could lock the account."""
    wanted = {(call, A): 0.0 for call in CALLS}
    assert all(outcome.record for outcome in cache.get(wanted).values())
    before = len(backend.requests)
    clock.pass_(POLL_S)
    backend.fail_with(AuthenticationError("who are you"))
    backend.hold()
    reader = Reader(cache, wanted)
    backend.wait_for_requests(before + 1)
    backend.release()
    assert all(
        isinstance(outcome.error, AuthenticationError) for outcome in reader.outcomes().values()
    )
    assert len(backend.requests) == before + 1


def test_once_the_credentials_are_mended_everything_works_at_once(
    cache: SharedCache, backend: FakeBackend
) -> None:
    backend.fail_with(AuthenticationError("who are you"))
    wanted = {(call, A): 0.0 for call in CALLS}
    cache.get(wanted)
    backend.fail_with(None)
    assert all(outcome.error for outcome in cache.get(wanted).values())
    cache.forget_failures()
    assert cache.down() == {}
    assert all(outcome.record for outcome in cache.get(wanted).values())


def test_calls_go_out_together_once_the_account_has_proved_good(
    cache: SharedCache, backend: FakeBackend, clock: Time, read: Callable[..., Reader]
) -> None:
    wanted = {(call, A): 0.0 for call in CALLS}
    backend.hold()
    first = read(wanted)
    backend.wait_for_requests(1)
    backend.release()
    first.outcomes()
    clock.pass_(1.0)  # long after its proof, an account has to prove good again
    backend.hold()
    second = read(wanted)
    backend.wait_for_requests(12)
    backend.release()
    second.outcomes()


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("no such station"),
        InvalidReplyError("what?"),
        PermissionDeniedError("not your station", service_code="101"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_one_station_s_trouble_does_not_cost_the_others(
    cache: SharedCache, backend: FakeBackend, clock: Time, error: ChargePointError
) -> None:
    backend.failure = lambda request: error if request.stations == (B,) else None
    wanted = {(LOAD, station): 30.0 for station in ids(5)}
    for _ in range(3):
        outcomes = cache.get(wanted)
        failed = {station for (_, station), outcome in outcomes.items() if outcome.error}
        assert failed == {B}
        assert type(outcomes[LOAD, B].error) is type(error)
        clock.pass_(POLL_S)


def test_a_station_that_a_list_leaves_out_costs_only_itself(
    cache: SharedCache, backend: FakeBackend
) -> None:
    backend.absent[STATUS] = {B}
    outcomes = cache.get({(STATUS, station): 30.0 for station in ids(5)})
    assert {station for (_, station), outcome in outcomes.items() if outcome.error} == {B}
    error = outcomes[STATUS, B].error
    assert isinstance(error, NotFoundError)
    assert STATUS in str(error)
    assert B in str(error)
    assert cache.down() == {}


def test_one_failed_list_of_several_costs_only_its_own_stations(
    cache: SharedCache, backend: FakeBackend, clock: Time
) -> None:
    everyone = ids(150)
    backend.failure = lambda request: (
        InvalidReplyError("what?") if everyone[0] in request.stations else None
    )
    outcomes = cache.get({(STATUS, station): 0.0 for station in everyone})
    good = {station for (_, station), outcome in outcomes.items() if outcome.record}
    assert good == set(everyone[100:])


def test_a_request_names_its_stations() -> None:
    assert Request(LOAD).whole_account
    assert not Request(LOAD, (A,)).whole_account
    assert not Request(LOAD, group="7").whole_account


def test_a_password_that_is_changed_while_a_request_is_out_is_tried_too(
    cache: SharedCache, backend: FakeBackend, read: Callable[..., Reader]
) -> None:
    """Several calls wait behind the one that is refused: with the new one, one of them goes out,
    and the others share its error again."""
    backend.secret = b"old"
    backend.fail_with(AuthenticationError("who are you"))
    backend.hold()
    readers = [read((call, A)) for call in (STATUS, LOAD, ALARMS)]
    backend.wait_for_requests(1)
    backend.secret = b"new"
    backend.release()
    outcomes = [outcome for reader in readers for outcome in reader.outcomes().values()]
    assert [type(outcome.error) for outcome in outcomes] == [AuthenticationError] * 3
    assert len(backend.requests) == 2
    assert type(ask(cache, RIGHTS).error) is AuthenticationError
    assert len(backend.requests) == 2
