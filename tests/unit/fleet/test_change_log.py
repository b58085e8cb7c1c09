"""News by number: nothing is left out, and a loss is named."""

from __future__ import annotations

import asyncio

from chargepoint_driver.fleet.change_log import ChangeLog


def play(work):
    return asyncio.run(asyncio.wait_for(work(), 30))


def test_each_station_stands_there_once_after_the_given_id():
    async def work():
        log = ChangeLog()
        first = (await log.after(None, 0))["after"]
        log.add(["a", "b"])
        second = log.last
        log.add(["a", "c"])
        found = await log.after(first, 0)
        assert (found["stations"], found["is_complete"]) == (["b", "a", "c"], True)
        assert (await log.after(second, 0))["stations"] == ["a", "c"]
        assert (await log.after(found["after"], 0))["stations"] == []

    play(work)


def test_news_end_the_wait_of_all():
    async def work():
        log = ChangeLog()
        waiting = [asyncio.create_task(log.after(log.last, 20)) for _ in range(3)]
        await asyncio.sleep(0)
        log.add(["a"])
        assert [(await each)["stations"] for each in waiting] == [["a"]] * 3
        waiting = [asyncio.create_task(log.after(log.last, 20))]
        await asyncio.sleep(0)
        log.add_loss()
        assert (await waiting[0])["is_complete"] is False

    play(work)


def test_a_loss_and_an_id_of_another_process_are_named():
    async def work():
        log = ChangeLog()
        before = log.last
        log.add(["a", ""])
        assert await log.after(before, 0) == {
            "after": log.last,
            "stations": [],
            "is_complete": False,
        }
        assert (await log.after(log.last, 0))["is_complete"] is True
        for strange in (ChangeLog().last, f"{log.last}0", "x", "", "1-1"):
            assert (await log.after(strange, 0))["is_complete"] is False

    play(work)
