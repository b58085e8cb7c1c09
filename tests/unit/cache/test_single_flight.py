"""`within`: a time limit around work that cannot be broken off."""

from __future__ import annotations

import threading

import pytest

from chargepoint_driver.cache.single_flight import SharedFetch, within
from chargepoint_driver.errors import (
    InvalidReplyError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.records import StationRecord

from .fake import LIMIT_S


def test_work_that_ends_in_time() -> None:
    done: list[str] = []
    within(lambda: done.append("x"), LIMIT_S, "writing")
    assert done == ["x"]


@pytest.mark.parametrize(
    "error", [InvalidReplyError("what?"), ValueError("mistake"), KeyboardInterrupt()]
)
def test_what_the_work_raises_is_raised_here(error: BaseException) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        within(work, LIMIT_S, "writing")
    assert caught.value is error


@pytest.mark.parametrize("late", [TransientError, OutcomeUnknownError])
def test_work_that_does_not_end(late: type[TransientError]) -> None:
    end, ended = threading.Event(), threading.Event()

    def work() -> None:
        end.wait(LIMIT_S)
        ended.set()

    with pytest.raises(late, match=r"writing to 1:1: no answer within 0\.05 s"):
        within(work, 0.05, "writing to 1:1", late)
    assert not ended.is_set()
    end.set()
    assert ended.wait(LIMIT_S)  # it was not broken off


def test_a_flight_tells_why_a_station_has_no_record() -> None:
    fetch = SharedFetch("getLoad", ["1:1", "1:2", "1:3"], 0.0)
    fetch.received({"1:1": StationRecord("1:1")}, 5.0)
    error = TransientError("down")
    fetch.fail(["1:1", "1:2"], error)
    assert fetch.errors == {"1:2": error}
    assert fetch.error_of("1:2") is error
    assert isinstance(fetch.error_of("1:3"), NotFoundError)
    assert not fetch.wait(0.0)
    fetch.finish()
    assert fetch.wait(0.0)


def test_the_first_error_of_a_station_stands() -> None:
    fetch = SharedFetch("getLoad", ["1:1"], 0.0)
    first = TransientError("first")
    fetch.fail(["1:1"], first)
    fetch.fail(["1:1"], TransientError("second"))
    assert fetch.error_of("1:1") is first
