"""Requests between nodes: at most one node begins a write, and a read finds the next holder."""

from __future__ import annotations

import asyncio
import threading

import pytest

from chargepoint_driver.errors import (
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
)
from chargepoint_driver.fleet import account_requests
from chargepoint_driver.fleet.account_requests import AccountRequests, method_of
from chargepoint_driver.fleet.interface import Holder
from chargepoint_driver.messaging.local import LocalMessaging

from .plain_nodes import PlainAccounts

FIRST, SECOND = Holder("node-1", 1, 1), Holder("node-2", 2, 2)
LIMIT_S = 20.0


class Service:
    """Answers what it is asked; no account behind it."""

    names = ("garage",)

    def read(self, **given):
        return {"values": given, "errors": {}, "ages_s": {}}

    def write(self, **given):
        return given["value"]


class Fleet:
    """Two nodes; `now` is the time of day of both."""

    def __init__(self, messaging=True):
        self.held = {"garage": FIRST}
        self.now = 1_000.0
        self.wires = LocalMessaging()
        self.accounts = [PlainAccounts(Service(), run, self.held) for run in (1, 2)]
        self.requests = [
            AccountRequests(
                accounts, self.wires if messaging else None, run, lambda: self.now, patience_s=0.5
            )
            for run, accounts in enumerate(self.accounts, 1)
        ]

    async def write(self, number=1, limit_s=LIMIT_S):
        return await self.requests[number].ask("garage", "write", {"value": 3}, limit_s)

    @property
    def begun(self):
        return [each.begun for each in self.accounts]


def play(work, **options):
    async def within():
        fleet = Fleet(**options)
        for each in fleet.requests:
            await each.serve("f")
        try:
            await work(fleet)
        finally:
            for each in fleet.accounts:
                each.gate.set()
            for each in fleet.requests:
                await each.end()
            await fleet.wires.close()

    asyncio.run(asyncio.wait_for(within(), 2 * LIMIT_S))


async def until(is_so):
    while not is_so():
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(account_requests, "_LOOK_S", 0.05)
    monkeypatch.setattr(account_requests, "_READY_S", 0.2)


def test_the_holder_carries_a_request_out():
    async def work(fleet):
        assert await fleet.write() == {"answer": 3}
        assert await fleet.write(0) == {"answer": 3}
        assert fleet.begun == [["write", "write"], []]

    play(work)


def test_a_write_whose_holder_changes_meanwhile_is_unknown_and_not_sent_again():
    async def work(fleet):
        fleet.accounts[0].gate.clear()
        writing = asyncio.create_task(fleet.write())
        await until(lambda: fleet.begun[0] == ["write"])
        fleet.held["garage"] = SECOND
        with pytest.raises(OutcomeUnknownError, match="node node-1 did not report the outcome"):
            await writing
        assert fleet.begun == [["write"], []]

    play(work)


def test_a_read_whose_holder_changes_meanwhile_is_asked_of_the_next_one():
    async def work(fleet):
        fleet.accounts[0].gate.clear()
        reading = asyncio.create_task(fleet.requests[1].ask("garage", "read", {}, LIMIT_S))
        await until(lambda: fleet.begun[0] == ["read"])
        fleet.held["garage"] = SECOND
        assert "answer" in await reading
        assert fleet.begun == [["read"], ["read"]]

    play(work)


def test_a_frozen_holder_gets_no_write_and_the_next_one_does():
    async def work(fleet):
        answer_part = fleet.requests[0]._answer_part
        thawed = asyncio.Event()

        async def frozen(fields):
            await thawed.wait()
            return await answer_part(fields)

        await fleet.requests[0].end()
        end = await fleet.wires.serve("cp.account.f-1.parts", frozen)
        await fleet.wires.serve("cp.account.f-1", fleet.requests[0]._answer)
        fleet.requests[1]._patience_s = 10.0
        writing = asyncio.create_task(fleet.write())
        await asyncio.sleep(0.5)
        fleet.held["garage"] = SECOND
        assert await writing == {"answer": 3}
        thawed.set()
        await end()
        assert fleet.begun == [[], ["write"]]

    play(work)


def test_a_late_write_is_not_begun_and_a_late_read_is():
    async def work(fleet):
        late = {"account": "garage", "arguments": account_requests._packed({"value": 3})}
        with pytest.raises(TransientError, match=r"came 5 s after its end .*nothing was sent"):
            await fleet.wires.request(
                "cp.account.f-1", {**late, "method": "write", "expires_s": 995.0}, LIMIT_S
            )
        assert fleet.begun == [[], []]
        late["arguments"] = account_requests._packed({})
        fields = {**late, "method": "read", "expires_s": 995.0}
        assert "answer" in await fleet.wires.request("cp.account.f-1", fields, LIMIT_S)

    play(work)


def test_a_node_that_does_not_hold_it_any_more_begins_nothing():
    async def work(fleet):
        request = {
            "account": "garage",
            "method": "write",
            "arguments": account_requests._packed({"value": 3}),
            "expires_s": 2_000.0,
        }
        assert await fleet.wires.request("cp.account.f-2", request, LIMIT_S) == {"moved": True}
        fleet.held["garage"] = None
        with pytest.raises(TransientError, match="no node holds it at present; nothing was sent"):
            await fleet.write()
        assert fleet.begun == [[], []]

    play(work)


def test_a_holder_that_nobody_knows_and_one_that_is_away_are_try_later(monkeypatch):
    async def work(fleet):
        async def away(account):
            raise StoreError("PostgreSQL does not answer")

        fleet.held["garage"] = None
        monkeypatch.setattr(fleet.accounts[1], "holder", away)
        with pytest.raises(TransientError, match=r"its holder is not known .PostgreSQL") as found:
            await fleet.write()
        assert not isinstance(found.value, OutcomeUnknownError)
        fleet.held["garage"] = Holder("node-3", 3, 3)
        with pytest.raises(TransientError, match=r"node node-3 is not ready .nobody serves"):
            await fleet.write()

    play(work)


def test_without_nats_only_accounts_of_this_node_answer():
    async def work(fleet):
        assert await fleet.write(0) == {"answer": 3}
        with pytest.raises(TransientError, match="this one has no nats to reach it; nothing"):
            await fleet.write(1)

    play(work, messaging=False)


def test_what_is_not_known_is_refused():
    async def work(fleet):
        with pytest.raises(NotFoundError, match="no account 'attic'; this node knows garage"):
            await fleet.requests[0].ask("attic", "read", {}, LIMIT_S)
        with pytest.raises(InvalidValueError, match="no method 'close'"):
            method_of("close")
        for fields in (
            {},
            {"account": "garage", "method": "read", "arguments": "?", "expires_s": 1},
        ):
            with pytest.raises(InvalidValueError, match="the request of a node cannot be read"):
                await fleet.wires.request("cp.account.f-1", fields, LIMIT_S)

    play(work)


def test_parts_are_fetched_once_and_those_that_are_gone_are_try_later():
    async def work(fleet):
        rows = [str(number) * 40 for number in range(20_000)]
        fleet.accounts[0]._accounts.read = lambda account: rows
        found = await fleet.requests[1].ask("garage", "read", {}, LIMIT_S)
        assert found == {"answer": rows}
        assert fleet.requests[0]._kept == {}
        with pytest.raises(TransientError, match="is not kept any more; ask again"):
            await fleet.wires.request("cp.account.f-1.parts", {"key": "9", "part": 0}, LIMIT_S)

    play(work)


def test_a_thread_that_is_still_at_work_blocks_nobody_else():
    async def work(fleet):
        fleet.accounts[0].gate.clear()
        threading.Timer(0.3, fleet.accounts[0].gate.set).start()
        answers = await asyncio.gather(*(fleet.write(each % 2) for each in range(6)))
        assert answers == [{"answer": 3}] * 6

    play(work)
