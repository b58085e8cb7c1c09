"""Handlers of the API about schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from aiohttp import web

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.http_server import json_answer, read_json
from chargepoint_driver.web.access import caller_of
from chargepoint_driver.web.schedule_schemas import SchedulePatch
from chargepoint_driver.web.schedules import Schedules

__all__ = ["ScheduleApi"]

_MAX_ENTRIES = 1_000
_Found = TypeVar("_Found")


class ScheduleApi:
    """Answers requests about the schedule; its methods are named after their routes."""

    def __init__(self, schedules: Schedules, executor: Executor) -> None:
        self._schedules = schedules
        self._executor = executor

    async def schedule(self, request: web.Request) -> web.Response:
        del request
        return json_answer(await self._wait(self._schedules.read))

    async def schedule_week(self, request: web.Request) -> web.Response:
        group, start = request.query.get("group", ""), request.query.get("start")
        return json_answer(await self._wait(lambda: self._schedules.week(group, start)))

    async def schedule_log(self, request: web.Request) -> web.Response:
        query = request.query
        before = _number("before", query.get("before"), None)
        limit = _number("limit", query.get("limit"), 100) or 100
        group = query.get("group") or None
        return json_answer(
            await self._wait(
                lambda: self._schedules.events(group, before, min(limit, _MAX_ENTRIES))
            )
        )

    async def change_schedule(self, request: web.Request) -> web.Response:
        patch: SchedulePatch = await read_json(
            request, SchedulePatch, "an object of revision, groups, exceptions, holidays"
        )
        writer = caller_of(request).writer
        return json_answer(await self._wait(lambda: self._schedules.change(patch, writer)))

    async def _wait(self, ask: Callable[[], _Found]) -> _Found:
        return await asyncio.get_running_loop().run_in_executor(self._executor, ask)


def _number(name: str, text: str | None, default: int | None) -> int | None:
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise InvalidValueError(f"{name}: must be a whole number above 0")
    return int(text)
