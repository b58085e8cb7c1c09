"""Requests to an account that this node holds: limits, turns, and the end of holding."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from chargepoint_driver.config import AgentAccount
from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.fleet import held_account
from chargepoint_driver.fleet.held_account import HeldAccount
from chargepoint_driver.fleet.interface import METHODS, Method, NotHolderError

ACCOUNT = AgentAccount(username="u", password="p", timeout=0.1)


class Slow:
    """A service whose answers wait for an event."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.begun = threading.Semaphore(0)
        self.is_closed = False

    def stats(self) -> dict[str, Any]:
        self.begun.release()
        assert self.may_answer.wait(20)
        return {"total": 0}

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def slow(monkeypatch) -> Slow:
    monkeypatch.setattr(held_account, "_READERS", 1)
    monkeypatch.setattr(held_account, "_MARGIN_S", 0.1)
    return Slow()


def play(slow: Slow, what: Any) -> None:
    async def run() -> None:
        held = HeldAccount("main", ACCOUNT, slow)
        try:
            await what(held)
        finally:
            slow.may_answer.set()
            await held.close(10.0)

    asyncio.run(run())
    assert slow.is_closed


@pytest.mark.parametrize(
    ("is_read", "late"), [(True, TransientError), (False, OutcomeUnknownError)]
)
def test_a_write_without_an_answer_in_time_has_an_unknown_outcome(
    slow, monkeypatch, is_read, late
) -> None:
    monkeypatch.setattr(held_account, "METHODS", {"stats": Method(is_read=is_read, limit_s=0.05)})

    async def what(held: HeldAccount) -> None:
        with pytest.raises(TransientError, match="no answer within") as failed:
            await held.request("stats", {})
        assert type(failed.value) is late

    play(slow, what)


def test_a_request_that_gets_no_turn_was_not_begun(slow, monkeypatch) -> None:
    monkeypatch.setattr(held_account, "METHODS", {"stats": Method(is_read=True, limit_s=0.05)})

    async def what(held: HeldAccount) -> None:
        with pytest.raises(TransientError, match="no answer"):
            await held.request("stats", {})
        # The first one still runs.
        with pytest.raises(TransientError, match="nothing was begun"):
            await held.request("stats", {})
        assert slow.begun.acquire(blocking=False)
        assert not slow.begun.acquire(blocking=False)

    play(slow, what)


def test_what_waits_for_its_turn_goes_to_the_next_holder(slow) -> None:
    async def what(held: HeldAccount) -> None:
        runs = asyncio.ensure_future(held.request("stats", {}))
        waits = asyncio.ensure_future(held.request("stats", {}))
        await asyncio.to_thread(slow.begun.acquire)
        closing = asyncio.ensure_future(held.close(10.0))
        await asyncio.sleep(0)
        slow.may_answer.set()
        assert await runs == {"total": 0}
        with pytest.raises(NotHolderError):
            await waits
        await closing

    play(slow, what)


def test_what_cannot_be_asked_is_refused(slow) -> None:
    async def what(held: HeldAccount) -> None:
        for method, arguments, error in (
            ("configure", {"fields": {}}, NotFoundError),
            ("read", {"points": {}, "account": "other"}, InvalidValueError),
            ("write", {"point": {}}, InvalidValueError),
            ("stats", {"more": 1}, InvalidValueError),
            ("writes", {"most": 0}, InvalidValueError),
            ("writes", {"most": True}, InvalidValueError),
        ):
            with pytest.raises(error):
                await held.request(method, arguments)

    play(slow, what)
    assert {"read", "write"} <= METHODS.keys()
