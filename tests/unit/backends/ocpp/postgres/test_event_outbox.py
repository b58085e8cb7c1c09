"""Events of all nodes: read in the order of each charger, also while transactions are under way."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

import asyncio

from tests.postgres_server import need_asyncpg

need_asyncpg()

from .outbox_play import ADD, NOW_S, Play


def test_a_charger_that_moves_keeps_its_order(play) -> None:
    async def what(play: Play) -> None:
        await play.add(1, 1, 2)
        await play.add(2, 1)
        await play.add(1, 3)  # it has moved back
        assert await play.take(2) == [(1, 1), (1, 2)]
        assert await play.take(1) == [(2, 1)]
        assert await play.take() == [(1, 3)]
        assert await play.take() == []

    play(what)


def test_what_is_committed_late_is_not_passed_over(play) -> None:
    """Its ids are lower than those that the sink has got already."""

    async def what(play: Play) -> None:
        async with play.connections.get() as db:
            late = db.transaction()
            await late.start()
            await db.execute(ADD, 1, 1, NOW_S, "CP1")
            await play.add(2, 1, 2, station="CP2")
            assert await play.take() == [(2, 1), (2, 2)]
            await late.commit()
        assert await play.take() == [(1, 1)]

    play(what)


def test_a_cursor_moves_under_the_lease_only(play) -> None:
    async def what(play: Play) -> None:
        await play.add(1, 1)
        ((own_id, _),) = await play.outbox.read("one", 1)
        other = play.lease._replace(epoch=play.lease.epoch + 1)
        assert not await play.outbox.moved("one", other, {1: own_id}, None)
        assert not await play.outbox.skip("one", other, NOW_S + 1, own_id)
        assert await play.take() == [(1, 1)]
        # An older batch that is noted late moves nothing back.
        assert await play.outbox.moved("one", play.lease, {1: 0}, None)
        assert await play.take() == []

    play(what)


def test_nothing_is_skipped_that_is_not_old(play) -> None:
    async def what(play: Play) -> None:
        await play.add(1, 1, at_s=NOW_S - 100)
        await play.add(1, 2, at_s=NOW_S)
        # It waited for PostgreSQL in its node.
        await play.add(2, 1, at_s=NOW_S - 100)
        assert await play.outbox.skip("one", play.lease, NOW_S - 50, 0)
        assert not await play.outbox.skip("one", play.lease, NOW_S - 50, 0)
        assert await play.waiting() == [(1, 2), (2, 1)]
        found = (await play.outbox.measure(["one"]))["one"]
        assert (found.events, found.oldest_s) == (2, NOW_S - 100)
        assert found.skipped == (1, 0, 1, 2)
        assert await play.outbox.moved("one", play.lease, {}, found.skipped)
        found = (await play.outbox.measure(["one"]))["one"]
        assert (found.skipped, found.lost) == (None, 1)

    play(what)


def test_runs_are_never_given_twice(play) -> None:
    async def what(play: Play) -> None:
        asked = [play.outbox.begin_run(500, f"n{each}", 1, "a") for each in range(8)]
        runs = await asyncio.gather(*asked)
        assert len(set(runs)) == 8
        assert min(runs) == 500

    play(what)


def test_a_time_beyond_the_calendar_is_that_of_receipt(play) -> None:
    async def what(play: Play) -> None:
        async with play.connections.get() as db:
            await db.execute(
                "INSERT INTO events (run, seq, received, time, charge_point, action, data)"
                " VALUES (1, 1, $1, 1e300, 'CP1', 'Odd', '{}')",
                NOW_S,
            )
        ((_, event),) = await play.outbox.read("one", 1)
        assert event.time_s == NOW_S
        assert event.to_dict()["account"] == "a"

    play(what)


def test_events_are_found_again_by_id_or_time(play) -> None:
    async def what(play: Play) -> None:
        await play.add(1, 1, at_s=NOW_S - 100)
        await play.add(2, 1, at_s=NOW_S)
        await play.add(1, 2, at_s=NOW_S)
        stored = play.outbox.stored
        assert [event.run for _, event in await stored(0, 10)] == [1, 2, 1]
        assert [event.run for _, event in await stored(0, 10, NOW_S)] == [2, 1]
        assert [own_id for own_id, _ in await stored(2, 10)] == [3]

    play(what)
