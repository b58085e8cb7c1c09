"""Leases: one holder at a time, under an epoch that rises."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chargepoint_driver.config.fleet import PostgresConfig
from chargepoint_driver.errors import StoreError
from tests.postgres_server import Postgres, need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.connections import connect
from chargepoint_driver.backends.ocpp.postgres.leases import FENCE, Leases

LEASE_S = 60.0


class Holders:
    """Holders on one PostgreSQL, with one monotonic clock that is moved by hand."""

    def __init__(self, postgres: Postgres, dsn: str, connections: Any) -> None:
        self.connections = connections
        self._postgres, self._dsn = postgres, dsn
        self.now_s = 100.0
        self.lost: list[tuple[str, str]] = []

    def add(self, holder: str) -> Leases:
        made = Leases(self.connections, holder, LEASE_S, clock=lambda: self.now_s)
        made.on_lost = lambda name: self.lost.append((holder, name))
        return made

    async def end_all(self) -> None:
        """Let every lease end by the clock of PostgreSQL."""
        async with self.connections.get() as db:
            await db.execute("UPDATE leases SET until = now() - interval '1 second'")


@pytest.fixture
def play(postgres, records) -> Callable[[Callable[[Holders], Awaitable[None]]], None]:
    def run(what: Callable[[Holders], Awaitable[None]]) -> None:
        async def inside() -> None:
            connections = await connect(PostgresConfig(dsn=records))
            try:
                await what(Holders(postgres, records, connections))
            finally:
                await connections.close()

        asyncio.run(inside())

    return run


def test_one_holds_a_name_at_a_time(play) -> None:
    async def what(holders: Holders) -> None:
        one, two = holders.add("one"), holders.add("two")
        assert await asyncio.gather(one.hold("x"), two.hold("y")) == [1, 1]
        assert await two.hold("x") is None
        assert two.epoch("x") is None
        # What is held already is not taken again.
        assert await one.hold("x") == 1

    play(what)


def test_of_many_at_once_one_gets_it(play) -> None:
    async def what(holders: Holders) -> None:
        made = [holders.add(f"h{number}") for number in range(6)]
        for epoch in (1, 2):
            found = await asyncio.gather(*(each.hold("x") for each in made))
            assert sorted(each is None for each in found) == [False] + 5 * [True]
            assert epoch in found
            await holders.end_all()
            holders.now_s += LEASE_S

    play(what)


def test_a_lease_that_has_ended_is_taken_and_its_holder_told(play) -> None:
    async def what(holders: Holders) -> None:
        one, two = holders.add("one"), holders.add("two")
        await one.hold("x")
        await one.hold("y")
        await holders.end_all()
        assert await two.hold("x") == 2
        await one.renew()
        assert holders.lost == [("one", "x")]
        assert (one.epoch("x"), one.epoch("y"), two.epoch("x")) == (None, 1, 2)
        # `y` was renewed before anybody took it.
        assert await two.hold("y") is None

    play(what)


def test_a_holder_counts_from_before_it_asked(play) -> None:
    async def what(holders: Holders) -> None:
        one = holders.add("one")
        await one.hold("x")
        holders.now_s += LEASE_S - 1
        assert one.epoch("x") == 1
        await one.renew()
        holders.now_s += LEASE_S - 1
        assert one.epoch("x") == 1
        # A holder that was stopped: its lease has ended here before anybody asks.
        holders.now_s += 1
        assert one.epoch("x") is None
        await one.renew()
        assert holders.lost == [("one", "x")]
        # In the database it is still its own: under a new epoch, so that what it sent before the
        # stop is fenced.
        assert await one.hold("x") == 2

    play(what)


def test_a_released_name_is_free_at_once(play) -> None:
    async def what(holders: Holders) -> None:
        one, two = holders.add("one"), holders.add("two")
        for name in "xyz":
            await one.hold(name)
        await one.release("x")
        assert (await two.hold("x"), await two.hold("y")) == (2, None)
        await one.release()
        assert (await two.hold("y"), await two.hold("z")) == (2, 2)
        assert holders.lost == []

    play(what)


def test_a_write_is_fenced_by_the_epoch(play) -> None:
    async def what(holders: Holders) -> None:
        one, two = holders.add("one"), holders.add("two")
        epoch = await one.hold("x")
        async with holders.connections.get() as db, db.transaction():
            assert await db.fetchval(FENCE, "x", "one", epoch) == 1
            # While the transaction goes on, nobody takes it, though it has ended meanwhile.
            taking = asyncio.ensure_future(_take_after_its_end(holders, two))
            assert await asyncio.wait({taking}, timeout=0.2) == (set(), {taking})
        assert await taking == 2
        async with holders.connections.get() as db, db.transaction():
            assert await db.fetchval(FENCE, "x", "one", epoch) is None
            assert await db.fetchval(FENCE, "x", "two", 2) == 1

    play(what)


async def _take_after_its_end(holders: Holders, by: Leases) -> int | None:
    await holders.end_all()
    return await by.hold("x")


def test_without_postgres_a_lease_ends(play, postgres) -> None:
    async def what(holders: Holders) -> None:
        one = holders.add("one")
        await one.hold("x")
        postgres.stop()
        try:
            with pytest.raises(StoreError):
                await one.renew()
            assert holders.lost == []
            holders.now_s += LEASE_S
            with pytest.raises(StoreError):
                await one.hold("x")
            await one.renew()  # nothing is held that could be renewed
            assert holders.lost == [("one", "x")]
        finally:
            await asyncio.to_thread(postgres.start)

    play(what)
