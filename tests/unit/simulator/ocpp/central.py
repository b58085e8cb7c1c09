"""A tiny central system for the tests of the twins: plain websockets, answers on request."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from threading import Condition, Event, Thread
from typing import Any
from urllib.parse import unquote

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

Payload = dict[str, Any]
PATIENCE_S = 60.0
NOTHING = object()


class Central:
    """Records every CALL; `answers` tells what to say (a dict, a list for a CALLERROR's code and
    text, NOTHING, or a function of identity and payload that returns one of these)."""

    def __init__(
        self,
        subprotocols: tuple[str, ...] = ("ocpp1.6", "ocpp2.0.1"),
        tls: ssl.SSLContext | None = None,
        now: str = "2026-03-03T18:00:00.000Z",
        process_request: Any = None,
    ) -> None:
        self.heard: list[tuple[str, str, Payload]] = []
        self.ids: list[str] = []
        self.frames: list[tuple[str, str]] = []
        self.opened: list[tuple[str, str | None, dict[str, str]]] = []
        self.closed: list[str] = []
        self.sockets: dict[str, ServerConnection] = {}
        self.open_now: set[ServerConnection] = set()
        self.answers: dict[str, Any] = {
            "BootNotification": {"status": "Accepted", "currentTime": now, "interval": 300},
            "Heartbeat": {"currentTime": now},
            "Authorize": {"idTagInfo": {"status": "Accepted"}},
            "StartTransaction": self._start,
            "StopTransaction": {},
        }
        self._transactions = count(100)
        self._numbers = count()
        self._waiting: dict[str, Future[Any]] = {}
        self.changed = Condition()
        self._subprotocols, self._tls, self._process = subprotocols, tls, process_request
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Central:  # noqa: PYI034
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    # -- what tests ask -----------------------------------------------------------------

    def payloads(self, action: str, identity: str | None = None) -> list[Payload]:
        with self.changed:
            return [
                payload
                for who, what, payload in self.heard
                if what == action and identity in (None, who)
            ]

    def actions(self, identity: str | None = None) -> list[str]:
        with self.changed:
            return [what for who, what, _ in self.heard if identity in (None, who)]

    def wait(self, true: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        with self.changed:
            assert self.changed.wait_for(true, timeout_s), self.heard[-10:]
            return true()

    def wait_for(self, action: str, number: int = 1, **fields: Any) -> Payload:
        """The `number`th message of that action with those fields."""

        def found() -> list[Payload]:
            return [
                one
                for one in self.payloads(action)
                if all(one.get(key) == value for key, value in fields.items())
            ]

        return self.wait(lambda: len(found()) >= number and found())[number - 1]

    def call(self, identity: str, action: str, /, **payload: Any) -> Any:
        """The answer's payload, or [code, text] of a CALLERROR."""
        unique_id = f"c{next(self._numbers)}"
        return self.send(identity, [2, unique_id, action, payload], unique_id)

    def ask(self, identity: str, action: str, /, **payload: Any) -> Future[Any]:
        """The same without waiting."""
        unique_id = f"c{next(self._numbers)}"
        answered: Future[Any] = Future()
        self._waiting[unique_id] = answered
        self._send(identity, json.dumps([2, unique_id, action, payload]))
        return answered

    def send(self, identity: str, frame: Any, unique_id: str | None = None) -> Any:
        future: Future[Any] = Future()
        if unique_id is not None:
            self._waiting[unique_id] = future
        self._send(identity, frame if isinstance(frame, str) else json.dumps(frame))
        return future.result(PATIENCE_S) if unique_id is not None else None

    def drop(self, identity: str) -> None:
        socket = self.sockets[identity]
        self._loop.call_soon_threadsafe(socket.transport.abort)

    # -- the loop's thread ------------------------------------------------------------------

    def _send(self, identity: str, text: str) -> None:
        work = self.sockets[identity].send(text)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        async with serve(
            self._talk,
            "127.0.0.1",
            0,
            subprotocols=self._subprotocols or None,  # type: ignore[arg-type]
            select_subprotocol=lambda _, offered: offered[0] if offered else None,
            ssl=self._tls,
            compression=None,
            ping_interval=None,
            close_timeout=1,
            process_request=self._process,
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self.url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{port}/ocpp"
            self._ready.set()
            await self._stopping.wait()

    async def _talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        identity = unquote(socket.request.path.rpartition("/")[2])
        with self.changed:
            self.sockets[identity] = socket
            self.open_now.add(socket)
            self.opened.append((identity, socket.subprotocol, dict(socket.request.headers)))
            self.changed.notify_all()
        try:
            async for text in socket:
                await self._heard(socket, identity, str(text))
        except ConnectionClosed:
            pass
        finally:
            with self.changed:
                self.closed.append(identity)
                self.open_now.discard(socket)
                self.changed.notify_all()

    async def _heard(self, socket: ServerConnection, identity: str, text: str) -> None:
        with self.changed:
            self.frames.append((identity, text))
            self.changed.notify_all()
        try:
            frame = json.loads(text)
        except ValueError:
            return
        if frame[0] == 2:
            _, unique_id, action, payload = frame
            answer = self.answers.get(action, {})
            if callable(answer):
                answer = answer(identity, payload)
            with self.changed:
                self.heard.append((identity, action, payload))
                self.ids.append(unique_id)
                self.changed.notify_all()
            if isinstance(answer, list):
                await socket.send(json.dumps([4, unique_id, *answer, {}]))
            elif answer is not NOTHING:
                await socket.send(json.dumps([3, unique_id, answer]))
        elif frame[1] in self._waiting:
            self._waiting.pop(frame[1]).set_result(frame[2] if frame[0] == 3 else frame[2:4])

    def _start(self, _identity: str, _payload: Payload) -> Payload:
        return {"transactionId": next(self._transactions), "idTagInfo": {"status": "Accepted"}}
