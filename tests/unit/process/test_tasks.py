"""Tasks that run and end together."""

from __future__ import annotations

import asyncio

import pytest

from chargepoint_driver.process import tasks
from chargepoint_driver.process.tasks import end_tasks, run_together


def test_tasks_end_though_one_forgets_that_it_was_cancelled(monkeypatch) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_S", 0.01)
    cancelled = []

    async def forgetful() -> None:
        while len(cancelled) < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(1)

    async def failing() -> None:
        raise RuntimeError

    async def play() -> None:
        made = [asyncio.ensure_future(each()) for each in (forgetful, failing)]
        await asyncio.sleep(0)
        await end_tasks(made)
        assert all(each.done() for each in made)

    asyncio.run(play())
    assert len(cancelled) == 3


def test_all_end_when_one_fails() -> None:
    ended = []

    async def lasting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)  # nothing cancels the end
            ended.append(1)

    async def failing() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("one")

    async def play() -> None:
        with pytest.raises(RuntimeError, match="one"):
            await run_together([lasting(), failing()])
        whole = asyncio.ensure_future(run_together([lasting()]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        whole.cancel()
        with pytest.raises(asyncio.CancelledError):
            await whole

    asyncio.run(play())
    assert ended == [1, 1]
