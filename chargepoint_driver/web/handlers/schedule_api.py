"""Handlers of the API about schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from aiohttp import web

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.http_server import json_answer, read_json
from chargepoint_driver.web.access.access import caller_of
from chargepoint_driver.web.api.paging import limit_of
from chargepoint_driver.web.api.schedule_schemas import SchedulePatch
from chargepoint_driver.web.schedules.schedules import Schedules

__all__ = ["ScheduleApi"]

_DEFAULT_LIMIT = 100
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
        before, limit = _id(query.get("after")), limit_of(query) or _DEFAULT_LIMIT
        group = query.get("group") or None
        return json_answer(await self._wait(lambda: self._schedules.events(group, before, limit)))

    async def change_schedule(self, request: web.Request) -> web.Response:
        patch: SchedulePatch = await read_json(
            request, SchedulePatch, "an object of revision, groups, exceptions, holidays"
        )
        writer = caller_of(request).writer
        return json_answer(await self._wait(lambda: self._schedules.change(patch, writer)))

    async def _wait(self, ask: Callable[[], _Found]) -> _Found:
        return await asyncio.get_running_loop().run_in_executor(self._executor, ask)


def _id(after: str | None) -> int | None:
    """Return the id that `after` names. Raises InvalidValueError."""
    if not after:
        return None
    if not after.isascii() or not after.isdecimal() or len(after) > 18:
        raise InvalidValueError("after: is not of this list")
    return int(after)
