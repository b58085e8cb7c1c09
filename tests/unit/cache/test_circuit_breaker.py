"""How long a failing call is held back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.cache.circuit_breaker import Backoff
from chargepoint_driver.errors import (
    AuthenticationError,
    ChargePointError,
    InvalidReplyError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
)

CALL, OTHER = "getLoad", "getAlarms"
POLL_S = 60.0


def held_s(backoff: Backoff, call: str, now: float) -> float:
    """How long the call is still held, to the tenth of a second."""
    for tenths in range(100_000):
        if backoff.error(call, now + tenths / 10) is None:
            return tenths / 10
    raise AssertionError("held permanently")


def failing(failures: int, jitter: float = 1.0, error: ChargePointError | None = None) -> float:
    """Return the pause after a number of failures in a row, each at the end of a pause."""
    backoff, now, pause_s = Backoff(lambda: jitter), 0.0, 0.0
    for _ in range(failures):
        now += pause_s
        backoff.failed(CALL, error or TransientError("down"), now)
        pause_s = held_s(backoff, CALL, now)
    return pause_s


def test_a_held_call_answers_with_its_error_and_others_are_free() -> None:
    backoff, error = Backoff(lambda: 1.0), TransientError("down")
    backoff.failed(CALL, error, 0.0)
    assert backoff.error(CALL, 0.1) is error
    assert backoff.error(OTHER, 0.1) is None
    assert backoff.down() == {CALL: error}


def test_pauses_grow_and_stay_below_a_poll() -> None:
    pauses = [failing(failures) for failures in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1] < pauses[2]
    assert pauses[-1] == pauses[-2] < POLL_S


def test_many_failures_do_not_overflow() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(5_000):
        backoff.failed(CALL, TransientError("down"), 0.0)
    assert backoff.error(CALL, POLL_S) is None


@given(st.floats(0, 1), st.integers(1, 8))
def test_jitter_shortens_a_pause_by_a_quarter_at_most(jitter: float, failures: int) -> None:
    longest = failing(failures, 1.0)
    assert 0.75 * longest - 0.1 <= failing(failures, jitter) <= longest


def test_jitter_matters() -> None:
    assert failing(3, 0.0) < failing(3, 0.5) < failing(3, 1.0)


def test_a_wait_that_the_service_asks_for_is_kept() -> None:
    assert failing(1, error=TransientError("busy", retry_after_s=120)) >= 120
    # A shorter one does not shorten the pause.
    assert failing(1, error=TransientError("busy", retry_after_s=0)) == failing(1)


def test_an_answer_ends_it_and_the_next_failure_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.failed(CALL, TransientError("down"), 0.0)
    backoff.succeeded(CALL)
    assert backoff.error(CALL, 0.0) is None
    assert backoff.down() == {}
    backoff.failed(CALL, TransientError("down"), 0.0)
    assert held_s(backoff, CALL, 0.0) == failing(1)


def test_what_is_refused_is_left_alone_for_long() -> None:
    assert failing(1, error=PermissionDeniedError("no")) >= 10 * POLL_S
    # The pause does not grow to days.
    assert failing(4, error=PermissionDeniedError("no")) == failing(
        1, error=PermissionDeniedError("no")
    )


def test_wrong_credentials_hold_every_call() -> None:
    backoff, error = Backoff(lambda: 1.0), AuthenticationError("who are you")
    backoff.failed(CALL, error, 0.0)
    assert backoff.error(OTHER, 1.0) is error
    backoff.succeeded(OTHER)
    assert backoff.error(CALL, 1.0) is None


def test_wrong_credentials_hold_calls_with_that_password_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backoff, error = Backoff(lambda: 1.0), AuthenticationError("who are you")
    backoff.failed(CALL, error, 0.0, secret=b"first")
    assert backoff.is_without_access
    assert backoff.error(OTHER, 1.0, secret=b"first") is error
    assert backoff.error(OTHER, 1.0, secret=b"second") is None
    assert backoff.error(OTHER, 1.0, secret=None) is None
    backoff.failed(CALL, error, 2.0, secret=b"second")
    backoff.failed(CALL, error, 3.0, secret=b"second")
    assert backoff.error(OTHER, 4.0, secret=b"second") is error
    assert backoff.error(OTHER, 4.0, secret=b"first") is None
    assert len(caplog.records) == 2


def test_other_failures_hold_whatever_the_password_is() -> None:
    backoff, error = Backoff(lambda: 1.0), PermissionDeniedError("no")
    backoff.failed(CALL, error, 0.0, secret=b"first")
    assert not backoff.is_without_access
    assert backoff.error(CALL, 1.0, secret=b"second") is error


@pytest.mark.parametrize("error", [NotFoundError("no such station"), InvalidReplyError("what?")])
def test_what_concerns_a_station_holds_nothing(error: ChargePointError) -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.failed(CALL, error, 0.0)
    assert backoff.error(CALL, 0.0) is None
    assert backoff.down() == {}


def test_forget() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.failed(CALL, AuthenticationError("who are you"), 0.0)
    backoff.failed(CALL, TransientError("down"), 0.0)
    backoff.forget()
    assert backoff.error(CALL, 0.0) is None


def test_one_line_when_down_and_one_when_back(caplog: pytest.LogCaptureFixture) -> None:
    backoff = Backoff(lambda: 1.0)
    for moment in range(10):
        backoff.failed(CALL, TransientError("no connection"), moment)
    assert [(record.levelname, CALL in record.message) for record in caplog.records] == [
        ("ERROR", True)
    ]
    assert "no connection" in caplog.text
    caplog.clear()
    backoff.succeeded(CALL)
    backoff.succeeded(CALL)
    assert [(record.levelname, CALL in record.message) for record in caplog.records] == [
        ("WARNING", True)
    ]
