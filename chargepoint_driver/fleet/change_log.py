"""Stations with news, by a number that rises: what a long poll has not reported yet."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

__all__ = ["ChangeLog"]


class ChangeLog:
    """The news of one account on this node. On one loop. Each station stands in it once, with the
    number of its latest news: it cannot run over."""

    def __init__(self) -> None:
        # Numbers of another process mean nothing here.
        self._run = secrets.token_hex(6)
        self._number = 0
        self._latest: OrderedDict[str, int] = OrderedDict()
        # Up to this number news may have been lost.
        self._lost = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def last(self) -> str:
        """Return the id of the latest news."""
        return f"{self._run}-{self._number}"

    def add(self, stations: Iterable[str]) -> None:
        """Add stations with news. The id '' stands for messages of any, which were lost."""
        self._number += 1
        for station in stations:
            if not station:
                self._lost = self._number
                continue
            self._latest[station] = self._number
            self._latest.move_to_end(station)
        self._wake()

    def add_loss(self) -> None:
        """Note that news were lost: any station may have some."""
        self._number += 1
        self._lost = self._number
        self._wake()

    async def after(self, given: str | None, wait_s: float) -> dict[str, Any]:
        """Return {"after": the id to go on with, "stations", "is_complete"}: news after an id, as
        soon as there are some, none after `wait_s` seconds. `is_complete` false: some were lost, or
        the id is not of this node, so that any station may have news. None as id: from now on."""
        if given is None:
            return self._answer([], is_complete=True)
        number = self._number_of(given)
        if number is None or number < self._lost:
            return self._answer([], is_complete=False)
        if number == self._number and wait_s > 0:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await asyncio.wait({waiting}, timeout=wait_s)
            finally:
                self._waiting.discard(waiting)
            if number < self._lost:
                return self._answer([], is_complete=False)
        stations = []
        for station in reversed(self._latest):
            if self._latest[station] <= number:
                break
            stations.append(station)
        return self._answer(stations[::-1], is_complete=True)

    def _answer(self, stations: list[str], *, is_complete: bool) -> dict[str, Any]:
        return {"after": self.last, "stations": stations, "is_complete": is_complete}

    def _number_of(self, given: str) -> int | None:
        run, _, number = given.partition("-")
        if run != self._run or not number.isdecimal() or len(number) > 18:
            return None
        return int(number) if int(number) <= self._number else None

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()
