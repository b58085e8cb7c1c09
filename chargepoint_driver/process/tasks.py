"""Asyncio tasks that run and end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

__all__ = ["end_tasks", "run_together"]

_AGAIN_S = 0.5


async def end_tasks(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks until they have ended; what they raise is dropped.

    Once is not enough: before Python 3.12 `asyncio.wait_for` forgets that it was cancelled where
    what it waits for ends in the same step.
    """
    ending = list(tasks)
    while running := [each for each in ending if not each.done()]:
        for each in running:
            each.cancel()
        await asyncio.wait(running, timeout=_AGAIN_S)
    await asyncio.gather(*ending, return_exceptions=True)


async def run_together(works: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """Run until one of these ends or fails, or this is cancelled; then end all. Raises what one
    has raised."""
    tasks = [asyncio.ensure_future(each) for each in works]
    try:
        # `gather` would cancel them too: a second time, in the middle of their end.
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        await end_tasks(tasks)
