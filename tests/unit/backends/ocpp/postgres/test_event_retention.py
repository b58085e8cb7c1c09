"""Old events, and too many of them, are deleted from PostgreSQL."""

# ruff: noqa: E402 - some imports need asyncpg
from __future__ import annotations

from typing import Any

from tests.postgres_server import need_asyncpg

need_asyncpg()

from chargepoint_driver.backends.ocpp.postgres.event_retention import EventRetention

from .outbox_play import NOW_S, Play


def made(play: Play, **limits: Any) -> EventRetention:
    return EventRetention(
        play.connections, limits.get("keep_s"), limits.get("max_bytes"), lambda: NOW_S
    )


def test_old_events_are_deleted_and_those_that_no_sink_got_are_counted(play) -> None:
    async def what(play: Play) -> None:
        await play.add(1, 1, 2, at_s=NOW_S - 100)
        assert await play.take(1) == [(1, 1)]
        await play.add(1, 3, at_s=NOW_S)
        assert not await made(play, keep_s=50).delete()
        assert await play.waiting() == [(1, 3)]
        assert [event.seq for _, event in await play.outbox.stored(0, 10)] == [3]
        found = (await play.outbox.measure(["one"]))["one"]
        assert found.skipped == (1, 1, 2, 1)

    play(what)


def test_the_oldest_events_go_where_all_are_too_large(play) -> None:
    async def what(play: Play) -> None:
        await play.add(1, *range(1, 101))
        await made(play, max_bytes=1_000_000).delete()
        assert len(await play.waiting()) == 100
        await made(play, max_bytes=5_000).delete()
        left = await play.waiting()
        assert 10 < len(left) < 60
        assert left[-1] == (1, 100)

    play(what)
