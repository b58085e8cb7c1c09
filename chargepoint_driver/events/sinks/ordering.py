"""Order: the events of a station one after the other, those of all stations at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from chargepoint_driver.events.envelope import Event

__all__ = ["at_once", "by_station"]

MAX_AT_ONCE = 64
_T = TypeVar("_T")


async def by_station(events: Sequence[Event], send: Callable[[Event], Awaitable[object]]) -> None:
    """Send each event when the one before it of its station was confirmed.

    So a failure, or a change of leader in a cluster, leaves nothing later before something
    earlier. Raises what `send` raises first; then no more is begun.
    """
    chains: dict[str, list[Event]] = {}
    for event in events:
        chains.setdefault(event.station, []).append(event)

    async def carry(chain: list[Event]) -> None:
        for event in chain:
            await send(event)

    await at_once([*chains.values()], carry)


async def at_once(items: Sequence[_T], work: Callable[[_T], Awaitable[object]]) -> None:
    """Do something with each item, some at once."""
    waiting = list(reversed(items))

    async def some() -> None:
        while waiting:
            await work(waiting.pop())

    tasks = [asyncio.ensure_future(some()) for _ in range(min(MAX_AT_ONCE, len(waiting)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
