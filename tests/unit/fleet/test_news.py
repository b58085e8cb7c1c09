"""News of the holder on every node, with what is lost."""

from __future__ import annotations

import asyncio

from chargepoint_driver.errors import TransientError
from chargepoint_driver.fleet.interface import Holder
from chargepoint_driver.fleet.news import News
from chargepoint_driver.messaging.local import LocalMessaging
from chargepoint_driver.service import Accounts

from .plain_nodes import PlainAccounts

WAIT_S = 20.0


class Wires(LocalMessaging):
    """Messages that may be lost, or not be sent."""

    lost = False
    is_away = False

    async def publish(self, subject, fields):
        if self.is_away:
            raise TransientError("away")
        if not self.lost:
            await super().publish(subject, fields)


def play(work):
    async def within():
        held = {"garage": Holder("node-1", 1, 1)}
        wires = Wires()
        nodes = []
        for run in (1, 2):
            accounts = PlainAccounts(Accounts(), run, held)
            news = News(accounts, wires, run, repeat_s=0.05)
            await news.start("f")
            nodes.append((accounts, news))
        try:
            await work(held, wires, nodes)
        finally:
            for _, news in nodes:
                await news.end()
            await wires.close()

    asyncio.run(asyncio.wait_for(within(), 2 * WAIT_S))


async def settled(log):
    """Return the id after the first notices, by which a node learns who holds the account."""
    found = await log.after(log.last, WAIT_S)
    assert found["is_complete"] is False
    return found["after"]


def test_every_node_has_the_news_of_the_holder():
    async def work(held, wires, nodes):
        (accounts, own), (_, other) = nodes
        logs = [each.log_of("garage") for each in (own, other)]
        ids = await asyncio.gather(*(settled(each) for each in logs))
        accounts.followers[0]("garage", ["1:1", "1:2"])
        for log, after in zip(logs, ids, strict=True):
            found = await log.after(after, WAIT_S)
            assert (found["stations"], found["is_complete"]) == (["1:1", "1:2"], True)
        assert own.log_of("attic") is None

    play(work)


def test_a_notice_that_is_lost_is_noticed_without_a_further_one():
    async def work(held, wires, nodes):
        (accounts, _), (_, other) = nodes
        log = other.log_of("garage")
        after = await settled(log)
        for name in ("lost", "is_away"):
            setattr(wires, name, True)
            sent = accounts.followers[0]
            sent("garage", ["1:1"])
            await nodes[0][1].log_of("garage").after(nodes[0][1].log_of("garage").last, WAIT_S)
            await asyncio.sleep(0.1)
            setattr(wires, name, False)
            found = await log.after(after, WAIT_S)
            assert found["is_complete"] is False
            after = found["after"]

    play(work)


def test_another_holder_is_a_loss():
    async def work(held, wires, nodes):
        _, (accounts, other) = nodes
        log = nodes[0][1].log_of("garage")
        after = await settled(log)
        held["garage"] = Holder("node-2", 2, 2)
        accounts.followers[0]("garage", ["1:1"])
        assert (await log.after(after, WAIT_S))["is_complete"] is False
        own = other.log_of("garage")
        assert (await own.after(own.last, 0))["is_complete"] is True

    play(work)


def test_more_stations_than_a_message_carries_come_in_parts():
    async def work(held, wires, nodes):
        (accounts, _), (_, other) = nodes
        log = other.log_of("garage")
        after = await settled(log)
        stations = [f"1:{number}" for number in range(5_000)]
        accounts.followers[0]("garage", stations)
        seen = []
        while len(seen) < len(stations):
            found = await log.after(after, WAIT_S)
            assert found["is_complete"] is True
            after = found["after"]
            seen += found["stations"]
        assert seen == stations

    play(work)
