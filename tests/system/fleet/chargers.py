"""Chargers that charge one session after the other on whichever node takes them.

Each repeats a message until it is acknowledged, as real ones do, and remembers what was. Each
accepts every request of a node, and remembers it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

__all__ = ["Charger", "Chargers", "Received", "Socket"]

ANSWER_S = 10.0
_BROKEN = (OSError, EOFError, asyncio.TimeoutError, WebSocketException, InvalidHandshake)


class Received(NamedTuple):
    """A request that a charger got. `at_s` is monotonic; `url` is that of the node."""

    at_s: float
    url: str
    action: str
    payload: dict[str, Any]


class Socket:
    """One socket, read until it ends. `closed` is then its code."""

    def __init__(self, connection: ClientConnection, url: str, received: list[Received]) -> None:
        self.url = url
        self.closed: int | None = None
        self._connection = connection
        self._received = received
        self._answers: dict[str, asyncio.Future[tuple[int, Any]]] = {}
        self._number = 0
        self._reader = asyncio.create_task(self._read())

    async def ask(self, action: str, payload: dict[str, Any], limit_s: float) -> tuple[int, Any]:
        """Send a request; return the kind of the answer (3 or 4) and its content."""
        self._number += 1
        name = f"m{self._number}"
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        await self._connection.send(json.dumps([2, name, action, payload]))
        return await asyncio.wait_for(answer, limit_s)

    async def _read(self) -> None:
        try:
            while True:
                frame = json.loads(await self._connection.recv())
                if frame[0] == 2:
                    received = Received(time.monotonic(), self.url, frame[2], frame[3])
                    self._received.append(received)
                    answer = [3, frame[1], {"status": "Accepted"}]
                    await self._connection.send(json.dumps(answer))
                elif (waiting := self._answers.pop(frame[1], None)) and not waiting.done():
                    waiting.set_result((frame[0], frame[2]))
        except _BROKEN:
            pass
        finally:
            self.closed = self._connection.close_code or 1006
            for each in self._answers.values():
                if not each.done():
                    each.set_exception(EOFError())
                    each.exception()  # no complaint where nobody waits

    async def close(self) -> None:
        """Close it, if it is not."""
        await self._connection.close()
        await self._reader

    def abort(self) -> None:
        """Drop it, as a charger does that gives up."""
        self._connection.transport.abort()


class Charger:
    """One charger. `begun` and `ended` have what was acknowledged: transaction to its begin, and to
    its register at the end. `answered`: begins that were. `received` has the requests of nodes."""

    def __init__(
        self,
        name: str,
        urls: Callable[[], Sequence[str]],
        *,
        answer_s: float = ANSWER_S,
        pause_s: float = 0.0,
        is_idle: bool = False,
        is_half_open: bool = False,
        password: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`answer_s`: how long it waits for an answer. `pause_s`: between two sessions. An idle one
        only sends heartbeats. A half-open one keeps its old socket when it connects again.
        `context` is for URLs of wss."""
        self.name = name
        self._urls = urls
        self._answer_s, self._pause_s = answer_s, pause_s
        self._is_idle, self._is_half_open = is_idle, is_half_open
        self._password, self._context = password, context
        self._place = sum(map(ord, name))
        self._socket: Socket | None = None
        self.old: list[Socket] = []
        self.begun: dict[int, str] = {}
        self.ended: dict[int, int] = {}
        self.asked = self.answered = 0
        self.received: list[Received] = []
        # When something was acknowledged last, and the longest wait of a heartbeat.
        self.heard_s = 0.0
        self.heartbeats = 0
        self.longest_heartbeat_s = 0.0

    def begin_with(self, place: int) -> None:
        """Connect to the node at this place of all first."""
        self._place = place

    @property
    def url(self) -> str | None:
        """Return the URL of the node that it is connected to."""
        socket = self._socket
        return None if socket is None or socket.closed is not None else socket.url

    async def run(self, until: asyncio.Event) -> None:
        """Charge until the event, the last session to its end."""
        try:
            while not until.is_set():
                await (self._beat() if self._is_idle else self._charge())
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(until.wait(), self._pause_s)
        finally:
            for socket in [*self.old, *([self._socket] if self._socket else [])]:
                await socket.close()

    async def _beat(self) -> None:
        began_s = time.monotonic()
        await self._until_acknowledged("Heartbeat", {})
        self.heartbeats += 1
        self.longest_heartbeat_s = max(self.longest_heartbeat_s, time.monotonic() - began_s)

    async def _charge(self) -> None:
        self.asked += 1
        number = self.asked
        begin = {
            "connectorId": 1, "idTag": "tag", "meterStart": number,
            "timestamp": _iso(1_700_000_000 + 10 * number),
        }  # fmt: skip
        answer = await self._until_acknowledged("StartTransaction", begin)
        transaction = int(answer["transactionId"])
        self.answered += 1
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
                socket = await self._connected()
                kind, content = await socket.ask(action, payload, self._answer_s)
                if kind == 3:
                    self.heard_s = time.monotonic()
                    return content
            except _BROKEN:
                self._leave()
            await asyncio.sleep(0.05)

    async def _connected(self) -> Socket:
        if self._socket is None:
            urls = self._urls()
            url = urls[self._place % len(urls)]
            headers = {}
            if self._password is not None:
                pair = base64.b64encode(f"{self.name}:{self._password}".encode()).decode()
                headers["Authorization"] = f"Basic {pair}"
            connection = await connect(
                f"{url}/{self.name}",
                subprotocols=["ocpp1.6"], compression=None, proxy=None, ping_interval=None,
                open_timeout=self._answer_s, close_timeout=1, ssl=self._context,
                additional_headers=headers,
            )  # fmt: skip
            self._socket = Socket(connection, url, self.received)
        return self._socket

    def _leave(self) -> None:
        self._place += 1  # the next node
        socket, self._socket = self._socket, None
        if socket is None:
            return
        if self._is_half_open:
            self.old.append(socket)
        else:
            socket.abort()


class Chargers:
    """Several chargers on one loop."""

    def __init__(self, count: int, urls: Callable[[], Sequence[str]], **options: Any) -> None:
        """`options` are those of each charger, whose names begin with `prefix`. `idle`
        is the number of idle ones besides."""
        idle, prefix = options.pop("idle", 0), options.pop("prefix", "CP")
        self.each = [Charger(f"{prefix}{number}", urls, **options) for number in range(count)]
        self.idle = [
            Charger(f"{prefix}-IDLE{number}", urls, is_idle=True, **{**options, "pause_s": 0.2})
            for number in range(idle)
        ]
        self._until = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Chargers:  # noqa: PYI034 - Self came with Python 3.11
        """Begin to charge."""
        all_of_them = [*self.each, *self.idle]
        self._tasks = [asyncio.create_task(each.run(self._until)) for each in all_of_them]
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
