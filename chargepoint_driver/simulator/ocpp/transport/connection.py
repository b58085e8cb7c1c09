"""The connection of one charge point: one socket, one CALL at a time, a queue that lasts.

Messages of transactions wait while there is no connection and keep their order; the
others are dropped then. Nothing here knows what a message means.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from chargepoint_driver.text import get_logger

from ..quirks.mutations import broken, shaped
from ..quirks.quirks import Quirks
from . import wire
from .dial import dial, path_segment
from .message import Message, Reply
from .message_log import MessageLog
from .security import Security

log = get_logger(__name__)

NO_ANSWER = ""


@dataclass(frozen=True)
class Pace:
    """Timeouts and pauses of a connection, in real seconds."""

    call_timeout_s: float = 30.0
    open_timeout_s: float = 30.0
    backoff_s: float = 1.0
    longest_backoff_s: float = 60.0


@dataclass
class Owner:
    """Callbacks of a connection to its charger. `on_call` answers a CALL with a frame (None: it
    does not answer) and with what to do once that is sent; `rest` calls back after a failed
    attempt's pause."""

    on_open: Callable[[], None]
    on_close: Callable[[], None]
    on_call: Callable[[wire.Call], tuple[str | None, list[Callable[[], None]]]]
    rest: Callable[[int, Callable[[], None]], None]
    max_attempts: Callable[[], int]


@dataclass
class Connection:
    """Connects, reconnects, sends and answers, from `run` until it is cancelled."""

    identity: str
    url: str
    subprotocol: str
    security: Security
    quirks: Quirks
    random: Random
    owner: Owner
    message_log: MessageLog
    handshakes: asyncio.Semaphore
    pace: Pace = field(default_factory=Pace)
    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    # Nothing but urgent messages leaves before the boot is accepted.
    awaits_boot: bool = True
    errors: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.socket: ClientConnection | None = None
        self.queue: deque[Message] = deque()
        self.urgent: deque[Message] = deque()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._hurry = asyncio.Event()
        self._resting = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._pumping: asyncio.Task[None] | None = None
        self._waiting: tuple[str, asyncio.Future[Reply]] | None = None
        self._sockets: set[ClientConnection] = set()
        self._leave = asyncio.Event()

    # -- what the charge point asks for -----------------------------------------

    @property
    def is_open(self) -> bool:
        """Return True if there is a socket."""
        return self.socket is not None

    def send(self, message: Message, *, urgent: bool = False) -> None:
        """Put a message in the queue; without a connection it is dropped unless lasting."""
        if not self.is_open and not message.lasting:
            self._answer(message, wire.CallErrorReply("", NO_ANSWER, "no connection"))
            return
        (self.urgent if urgent else self.queue).append(message)
        self.kick()

    def kick(self) -> None:
        """Send what may be sent."""
        idle = self._pumping is None or self._pumping.done()
        if self.socket is not None and idle and self._next() is not None:
            self._pumping = self._spawn(self._pump(self.socket))

    def send_text(self, text: str) -> None:
        """Send a frame as it is, right or wrong. Raises ConnectionError without a connection."""
        if self.socket is None:
            raise ConnectionError(f"{self.identity} is not connected")
        self.message_log.record("out", text)
        self._spawn(_quietly(self.socket.send(text)))

    def go_offline(self) -> None:
        """Hang up and stay away until `go_online`."""
        self._wanted.clear()
        self.drop()

    def go_online(self) -> None:
        """Connect, now."""
        self._wanted.set()
        self._hurry.set()

    def drop(self) -> None:
        """Close the socket; the link connects again unless offline."""
        socket = self.socket
        if socket is None:
            return
        self._lost()
        self._leave.set()
        if not self.quirks.has("keeps_old_socket"):
            self._spawn(self._close(socket))

    # -- connecting ---------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        try:
            for offered in self.quirks.get("probes", "offered", []):
                await self._probe(offered)
            while True:
                await self._wanted.wait()
                self._hurry.clear()
                try:
                    async with self.handshakes:
                        socket = await self._connect(self._offered())
                except (OSError, WebSocketException, asyncio.TimeoutError) as error:
                    failures += 1
                    self.message_log.remark(f"no connection: {type(error).__name__}")
                    log.debug("%s: no connection: %s", self.identity, error)
                else:
                    failures = 0
                    await self._serve(socket)
                await self._back_off(failures)
        finally:
            await self._end()

    async def _connect(self, offered: list[str]) -> ClientConnection:
        segment = path_segment(self.identity, every_byte=self.quirks.has("encodes_whole_id"))
        url = f"{self.url.rstrip('/')}/{segment}"
        return await dial(
            url,
            offered,
            self.security,
            self.identity,
            open_timeout_s=self.pace.open_timeout_s,
            hex_key=self.subprotocol == "ocpp1.6",
        )

    def _offered(self) -> list[str]:
        if self.quirks.has("no_subprotocol"):
            return []
        return list(self.quirks.get("subprotocols", "offered", [self.subprotocol]))

    async def _probe(self, offered: str) -> None:
        with suppress(OSError, WebSocketException, asyncio.TimeoutError):
            socket = await self._connect([offered])
            await socket.close(1000)

    async def _serve(self, socket: ClientConnection) -> None:
        if not self._wanted.is_set():
            await socket.close(1001)
            return
        self._sockets.add(socket)
        self._leave.clear()
        self.socket = socket
        self.connections += 1
        self.message_log.remark("connected")
        self.owner.on_open()
        try:
            if self.quirks.has("keeps_old_socket"):
                reading = self._spawn(self._read(socket))
                leaving = self._spawn(_wait(self._leave))
                await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
            else:
                await self._read(socket)
        finally:
            if self.socket is socket:
                self._lost()
            if not self.quirks.has("keeps_old_socket"):
                self._spawn(self._close(socket))

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                if self.socket is socket:
                    await self._received(socket, text)
        except ConnectionClosed as error:
            log.debug("%s: %s", self.identity, error)

    async def _close(self, socket: ClientConnection) -> None:
        await _quietly(socket.close(1001))
        self._sockets.discard(socket)

    def _lost(self) -> None:
        self.socket = None
        self.awaits_boot = True
        self.message_log.remark("connection lost")
        refusal = wire.CallErrorReply("", NO_ANSWER, "connection lost")
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_result(refusal)
        dropped = [one for one in (*self.urgent, *self.queue) if not one.lasting]
        self.queue = deque(one for one in (*self.urgent, *self.queue) if one.lasting)
        self.urgent.clear()
        self.owner.on_close()
        for message in dropped:
            self._answer(message, refusal)

    async def _back_off(self, failures: int) -> None:
        longest_s = min(self.pace.longest_backoff_s, self.pace.backoff_s * 2 ** min(failures, 16))
        try:
            await asyncio.wait_for(self._hurry.wait(), longest_s * self.random.uniform(0.5, 1.0))
        except asyncio.TimeoutError:
            return

    async def _end(self) -> None:
        self.socket = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(_quietly(socket.close(1001)) for socket in self._sockets))
        self._sockets.clear()

    # -- frames -------------------------------------------------------------------

    async def _received(self, socket: ClientConnection, text: str | bytes) -> None:
        self.message_log.record("in", text)
        try:
            frame = wire.parse(text)
        except wire.InvalidFrameError as bad:
            log.debug("%s: %s", self.identity, bad)
            self.received["(bad frame)"] += 1
            return
        if isinstance(frame, wire.Call):
            self.received[frame.action] += 1
            await self._answer_call(socket, frame)
        elif self._waiting is not None and self._waiting[0] == frame.unique_id:
            if not self._waiting[1].done():
                reply = frame.payload if isinstance(frame, wire.Result) else frame
                waiting = self._waiting
                waiting[1].set_result(reply)
                # The content of the answer is known before the next message is read.
                while self._waiting is waiting:
                    await asyncio.sleep(0)
        else:
            self.received["(unasked answer)"] += 1

    async def _answer_call(self, socket: ClientConnection, frame: wire.Call) -> None:
        if self.quirks.has("deaf"):
            return
        text, then = self.owner.on_call(frame)
        if text is None:
            for follow_up in then:
                follow_up()
            return
        form = self.quirks.get("broken_answers", "form")
        if form and frame.action in (
            self.quirks.get("broken_answers", "actions") or [frame.action]
        ):
            text = broken(form, text, frame.unique_id)
        late_s = self.quirks.get("late_answers", "seconds")
        if late_s is not None:
            self._spawn(self._answer_late(socket, late_s, text, then))
            return
        await self._send_answer(socket, text, then)

    async def _answer_late(
        self, socket: ClientConnection, late_s: float, text: str, then: list[Callable[[], None]]
    ) -> None:
        await asyncio.sleep(late_s)
        await _quietly(self._send_answer(socket, text, then))

    async def _send_answer(
        self, socket: ClientConnection, text: str, then: list[Callable[[], None]]
    ) -> None:
        self.message_log.record("out", text)
        try:
            await socket.send(text)
        finally:
            for follow_up in then:
                follow_up()

    def _next(self) -> Message | None:
        if self.urgent:
            return self.urgent[0]
        return self.queue[0] if self.queue and not self.awaits_boot and not self._resting else None

    async def _pump(self, socket: ClientConnection) -> None:
        while self.socket is socket and (message := self._next()) is not None:
            reply = await self._exchange(socket, message)
            if self.socket is not socket:
                # Lost in between: a lasting message is still in the queue, unless answered.
                if not isinstance(reply, wire.CallErrorReply) or reply.code:
                    self._done(message, reply)
                return
            if isinstance(reply, wire.CallErrorReply) and message.lasting:
                message.attempts += reply.code != NO_ANSWER
                if message.attempts < self.owner.max_attempts():
                    self._resting = True
                    self.owner.rest(max(1, message.attempts), self._rested)
                    continue
            self._done(message, reply)

    async def _exchange(self, socket: ClientConnection, message: Message) -> Reply:
        unique_id = "1" if self.quirks.has("same_message_ids") else str(uuid4())
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting = (unique_id, future)
        payload = shaped(self.quirks.active, message.action, message.payload())
        text = wire.call(unique_id, message.action, payload)
        self.sent[message.action] += 1
        self.message_log.record("out", text)
        try:
            await socket.send(text)
            return await asyncio.wait_for(future, self.pace.call_timeout_s)
        except ConnectionClosed:
            return wire.CallErrorReply(unique_id, NO_ANSWER, "connection lost")
        except asyncio.TimeoutError:
            return wire.CallErrorReply(unique_id, NO_ANSWER, "no answer in time")
        finally:
            self._waiting = None

    def _done(self, message: Message, reply: Reply) -> None:
        for waiting in (self.urgent, self.queue):
            with suppress(ValueError):
                waiting.remove(message)
        self._answer(message, reply)

    def _rested(self) -> None:
        self._resting = False
        self.kick()

    def _answer(self, message: Message, reply: Reply) -> None:
        on_answer, message.on_answer = message.on_answer, None
        if on_answer is not None:
            on_answer(reply)
        self.message_log.news()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: a task failed", self.identity, exc_info=error)
            self.errors.append(error)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _quietly(work: Any) -> None:
    with suppress(WebSocketException, OSError):
        await work
