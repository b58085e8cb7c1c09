"""Chargers that charge one session after the other on whichever node takes them.

Each repeats a message until it is acknowledged, as real ones do, and remembers what was.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

__all__ = ["Charger", "Chargers"]

ANSWER_S = 10.0
_BROKEN = (OSError, EOFError, asyncio.TimeoutError, WebSocketException, InvalidHandshake)


class Charger:
    """One charger. `begun` and `ended` have what was acknowledged: transaction to its begin, and to
    its register at the end."""

    def __init__(self, name: str, urls: Callable[[], Sequence[str]]) -> None:
        self.name = name
        self._urls = urls
        self._place = sum(map(ord, name))
        self._number = 0
        self._socket: ClientConnection | None = None
        self.begun: dict[int, str] = {}
        self.ended: dict[int, int] = {}
        self.asked = 0

    async def run(self, until: asyncio.Event) -> None:
        """Charge until the event, the last session to its end."""
        try:
            while not until.is_set():
                await self._charge()
        finally:
            if self._socket is not None:
                await self._socket.close()

    async def _charge(self) -> None:
        self.asked += 1
        number = self.asked
        begin = {
            "connectorId": 1, "idTag": "tag", "meterStart": number,
            "timestamp": _iso(1_700_000_000 + 10 * number),
        }  # fmt: skip
        answer = await self._until_acknowledged("StartTransaction", begin)
        transaction = int(answer["transactionId"])
        self.begun[transaction] = begin["timestamp"]
        end = {
            "transactionId": transaction, "meterStop": number + 7,
            "timestamp": _iso(1_700_000_005 + 10 * number),
        }  # fmt: skip
        await self._until_acknowledged("StopTransaction", end)
        self.ended[transaction] = number + 7

    async def _until_acknowledged(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        while True:
            try:
                kind, content = await self._ask(action, payload)
                if kind == 3:
                    return content
            except _BROKEN:
                self._place += 1  # the other node
                socket, self._socket = self._socket, None
                if socket is not None:
                    socket.transport.abort()
            await asyncio.sleep(0.05)

    async def _ask(self, action: str, payload: dict[str, Any]) -> tuple[int, Any]:
        if self._socket is None:
            urls = self._urls()
            self._socket = await connect(
                f"{urls[self._place % len(urls)]}/{self.name}",
                subprotocols=["ocpp1.6"], compression=None, proxy=None, ping_interval=None,
                open_timeout=ANSWER_S, close_timeout=1,
            )  # fmt: skip
        self._number += 1
        await self._socket.send(json.dumps([2, f"m{self._number}", action, payload]))
        while True:
            frame = json.loads(await asyncio.wait_for(self._socket.recv(), ANSWER_S))
            if frame[0] in (3, 4) and frame[1] == f"m{self._number}":
                return frame[0], frame[2]


class Chargers:
    """Several chargers on one loop."""

    def __init__(self, count: int, urls: Callable[[], Sequence[str]]) -> None:
        self.each = [Charger(f"CP{number}", urls) for number in range(count)]
        self._until = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Chargers:  # noqa: PYI034 - Self came with Python 3.11
        """Begin to charge."""
        self._tasks = [asyncio.create_task(each.run(self._until)) for each in self.each]
        return self

    async def __aexit__(self, *error: object) -> None:
        """End the last sessions."""
        self._until.set()
        try:
            await asyncio.wait_for(asyncio.gather(*self._tasks), 60)
        finally:
            for task in self._tasks:
                task.cancel()

    async def charge(self, sessions: int, limit_s: float = 60.0) -> None:
        """Wait until each has ended `sessions` more."""
        wanted = {each.name: len(each.ended) + sessions for each in self.each}
        end_s = time.monotonic() + limit_s
        while behind := [each.name for each in self.each if len(each.ended) < wanted[each.name]]:
            assert not any(task.done() for task in self._tasks)
            assert time.monotonic() < end_s, behind
            await asyncio.sleep(0.05)


def _iso(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
