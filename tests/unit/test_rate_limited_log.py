"""Log lines under a flood: few of them, and every event counted."""

from __future__ import annotations

import logging

import pytest

from chargepoint_driver.rate_limited_log import RateLimitedLog


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(clock: Clock) -> RateLimitedLog:
    return RateLimitedLog(logging.getLogger("attacks"), clock=clock)


def test_the_first_event_is_logged_with_address_id_and_reason(
    log: RateLimitedLog, caplog: pytest.LogCaptureFixture
) -> None:
    assert log.warning("wrong_passwords", address="192.0.2.1", name="CP1", reason="check the file")
    assert caplog.messages == [
        "wrong passwords from 192.0.2.1, id 'CP1': check the file (1 in all)"
    ]


def test_repeats_wait_for_the_next_minute_and_are_counted(
    log: RateLimitedLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(500):
        log.warning("wrong_passwords", address="192.0.2.1", name="CP1")
    assert len(caplog.messages) == 1
    assert log.counts() == {"wrong_passwords": 500}
    clock.now_s += 60
    log.warning("wrong_passwords", address="192.0.2.1", name="CP1")
    assert "501 in all; 499 more without a line since the last one" in caplog.messages[-1]


def test_many_origins_have_ten_lines_a_minute_of_one_kind(
    log: RateLimitedLog, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5_000):
        log.warning("unknown_charge_points", address=f"192.0.2.{number % 250}", name=f"X{number}")
    assert len(caplog.messages) == 10
    assert log.warning("full", reason="too many connections")
    clock.now_s += 60
    assert log.warning("unknown_charge_points", name="another")
    assert "4990 more" in caplog.messages[-1]


def test_text_from_outside_stays_on_one_bounded_line(
    log: RateLimitedLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.warning("bad_ids", address="x\ny", name="a\x1b[2J\n" * 500, reason="\u202e" * 5_000)
    (line,) = caplog.messages
    assert line.isprintable()
    assert len(line) < 1_000
