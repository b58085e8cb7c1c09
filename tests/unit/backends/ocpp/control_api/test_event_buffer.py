"""The newest events: a follower gets each once, or learns that it shall read everything again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from chargepoint_driver.backends.ocpp.control_api import event_buffer
from chargepoint_driver.backends.ocpp.control_api.event_buffer import EventBuffer

LIMIT_S = 60.0


class Source:
    """Calls back for events that the test makes."""

    def __init__(self, max_events: int = 100) -> None:
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.buffer = EventBuffer(self.listen, lambda: 0.0, max_events)

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def happen(self, *numbers: int) -> None:
        for number in numbers:
            for each in self.listeners:
                each({"action": number})

    async def after(self, cursor: str | None, wait_s: float = 0.0, most: int = 100) -> Any:
        answer = await self.buffer.after(cursor, wait_s, most)
        events = msgspec.json.decode(msgspec.json.encode(answer["events"]))
        return answer["cursor"], [each["action"] for each in events]


def play(work: Callable[[], Awaitable[Any]]) -> None:
    asyncio.run(asyncio.wait_for(work(), LIMIT_S))


def test_a_follower_gets_each_event_once_and_in_parts() -> None:
    async def run() -> None:
        source = Source()
        cursor, events = await source.after(None)
        assert events == []
        source.happen(1, 2, 3)
        cursor, events = await source.after(cursor, most=2)
        assert events == [1, 2]
        again = await source.after(cursor)
        assert again[1] == [3]
        assert await source.after(cursor) == again  # an answer that was lost on its way
        assert (await source.after(again[0]))[1] == []

    play(run)


def test_who_waits_gets_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_buffer, "_GATHER_S", 0.0)

    async def run() -> None:
        source = Source()
        cursor, _ = await source.after(None)
        waiting = [asyncio.create_task(source.after(cursor, LIMIT_S)) for _ in range(2)]
        await asyncio.sleep(0)
        source.happen(1)
        assert [events for _, events in await asyncio.gather(*waiting)] == [[1], [1]]

    play(run)


def test_lost_events_are_told() -> None:
    async def run() -> None:
        source = Source(max_events=2)
        cursor, _ = await source.after(None)
        source.happen(1, 2)
        assert (await source.after(cursor))[1] == [1, 2]
        source.happen(3)
        assert (await source.after(cursor))[1] == ["EventsLost"]
        own, _, number = cursor.rpartition("-")
        odd = ("", "-", "x", f"{own}-", f"{own}-9", f"{own}--1", f"{own}-{'9' * 30}", f"{own}-²")
        for each in (*odd, f"{number}-0"):
            cursor, events = await source.after(each)
            assert events == ["EventsLost"], each
            assert (await source.after(cursor))[1] == []

    play(run)


def test_a_follower_that_stays_away_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_buffer, "_KEPT_S", 0.0)

    async def run() -> None:
        source = Source()
        cursor, _ = await source.after(None)
        await asyncio.sleep(0.01)
        assert source.listeners == []
        assert (await source.after(cursor))[1] == ["EventsLost"]

    play(run)


def test_who_waits_at_the_end_is_let_go() -> None:
    async def run() -> None:
        source = Source()
        cursor, _ = await source.after(None)
        waiting = asyncio.create_task(source.after(cursor, 4 * LIMIT_S))
        await asyncio.sleep(0)
        source.buffer.stop()
        assert (await waiting)[1] == ["EventsLost"]
        await source.after(None)
        assert source.listeners == []

    play(run)
