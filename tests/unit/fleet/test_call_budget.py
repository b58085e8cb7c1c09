"""Calls of an account count over nodes, and none is sent that is not noted."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import time

import pytest

from chargepoint_driver.backends.soap import rate_limit
from chargepoint_driver.backends.soap.rate_limit import RateLimiter
from chargepoint_driver.errors import TransientError
from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.fleet import call_budget
from chargepoint_driver.fleet.call_budget import PostgresCallJournal


def test_calls_of_the_node_before_count(holders, monkeypatch) -> None:
    """Eight nodes in turn, each as fast as it may: in no window more than the limit."""
    window_s, limit = 1.0, 5
    monkeypatch.setattr(rate_limit, "WINDOW_S", window_s)
    monkeypatch.setattr(call_budget, "WINDOW_S", window_s)
    monkeypatch.setattr(call_budget, "_LATE_S", 0.2)
    sent: list[float] = []
    for _ in range(8):
        limiter = RateLimiter(limit, journal=PostgresCallJournal(holders.next(), "user"))
        for _ in range(3):
            limiter.take(is_write=True, limit_s=5)
            sent.append(time.monotonic())
    assert len(sent) == 24
    assert min(last - first for first, last in zip(sent, sent[limit:], strict=False)) >= window_s


def test_a_call_that_cannot_be_noted_is_not_sent_and_does_not_count(holders) -> None:
    journal = PostgresCallJournal(holders.next(), "user")
    limiter = RateLimiter(2, journal=journal)
    limiter.take(is_write=True, limit_s=0)
    holders.next()
    with pytest.raises(TransientError, match="nothing was sent"):
        limiter.take(is_write=True, limit_s=0)
    assert len(limiter._sent) == 1
    with pytest.raises(TransientError, match="cannot be counted"):
        RateLimiter(2, journal=journal)
