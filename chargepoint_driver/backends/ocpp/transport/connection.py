"""One socket of one charger, from its handshake to its end: what it costs, and the order in which
its frames are taken and answered."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol.dispatch import (
    HandlerContext,
    ProtocolVersion,
)
from chargepoint_driver.backends.ocpp.transport.frame_handler import FrameHandler
from chargepoint_driver.backends.ocpp.transport.own_calls import OwnCalls
from chargepoint_driver.backends.ocpp.transport.throttle import Allowance, ThrottledConnection
from chargepoint_driver.backends.ocpp.wire import schemas
from chargepoint_driver.errors import (
    InvalidValueError,
    OutcomeUnknownError,
    StoreError,
)

__all__ = ["Connection", "ConnectionLimits"]

# Bad frames without a good one in between, until the socket is closed.
_PATIENCE = 50
_MAX_UNREAD_BYTES = 4_096
# The length of a frame that fits into its second byte.
_MAX_SHORT_FRAME = 125
# StartTransaction, StopTransaction and TransactionEvent read and write what is in the file. The
# action of a frame stands near its beginning: ids have 36 characters.
_TRANSACTION = b"Transaction"
_MAX_HEAD = 120


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of one socket."""

    call_timeout_s: float
    messages_per_second: float
    bytes_per_second: float = 1_000_000.0


class Connection:
    """A socket that got through the handshake."""

    __slots__ = (
        "_allowance",
        "_bytes",
        "_calls",
        "_context",
        "_frames",
        "_in_hand",
        "_is_unread",
        "_now",
        "_owed_s",
        "_pong",
        "_spawn",
        "_time",
        "closed",
        "connection",
        "dialect",
        "pinged_s",
        "point",
    )

    def __init__(
        self,
        connection: ThrottledConnection,
        point: Charger,
        dialect: ProtocolVersion,
        context: HandlerContext,
        limits: ConnectionLimits,
        now: Callable[[], float],
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self.connection = connection
        self.point = point
        self.dialect = dialect
        self._context = context
        self._now = now
        self._spawn = spawn
        self._calls = OwnCalls(
            point,
            dialect.version,
            context,
            limits.call_timeout_s,
            send=self._send_call,
            heard=lambda: self._frames.count,
            drop=lambda reason: spawn(self.close(1011, reason)),
        )
        self._frames = FrameHandler(point, dialect, context, self._calls, now)
        # What ends when a text that was taken at once is answered.
        self._in_hand: asyncio.Future[None] | None = None
        # The wait that the next text has to pay, where it was charged already.
        self._owed_s: float | None = None
        self._time = time = asyncio.get_running_loop().time
        self._allowance = connection.allowance or Allowance(limits.messages_per_second, time)
        self._bytes = Allowance(limits.bytes_per_second, time)
        self._pong: Awaitable[float] | None = None
        self._is_unread = False
        self.pinged_s = time()
        self.closed = False

    @property
    def is_heard(self) -> bool:
        """True when a request came."""
        return self._frames.is_heard

    @property
    def has_answered(self) -> bool:
        """True when a call of ours was answered."""
        return self._frames.has_answered

    @property
    def is_ignoring(self) -> bool:
        """True when a call of ours was not answered."""
        return self._calls.is_ignoring

    # ---- what comes in -------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until the socket is closed."""
        connection = self.connection
        recv = connection.recv
        connection.on_text = self._take_at_once
        try:
            while True:
                connection.is_idle = True
                text = await recv(decode=False)
                connection.is_idle = False
                await self._take_in_turn(text)
                if self._frames.bad >= _PATIENCE:
                    await self.close(1008, "too many bad messages")
        except ConnectionClosed:
            pass
        finally:
            connection.on_text = None
            self._calls.release()
            self._end()

    async def _take_in_turn(self, text: bytes) -> None:
        """Take a text after those before it, and answer it when it is stored."""
        while self._in_hand is not None:
            await asyncio.wait((self._in_hand,))
        wait_s, self._owed_s = self._owed_s, None
        if wait_s is None:
            wait_s = self._too_fast_s(len(text))
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        store = self._context.store
        after: list[Callable[[], Awaitable[None]]] = []
        try:
            is_transaction = _TRANSACTION in text[:_MAX_HEAD]
            station_id = self.point.station_id
            must_prepare = is_transaction or store.needs_preparation(station_id, text)
            if must_prepare and not store.is_prepared(station_id, text):
                await store.prepare(station_id, text)
            mark = store.mark()
            answer = self._frames.take(text, after)
            if answer is None:
                store.stored_since(mark)  # nobody waits for it
                return
            # A repeated begin or end writes nothing, and the first may be on its way.
            stored = store.durable() if is_transaction else store.stored_since(mark)
            if stored is not None:
                if is_transaction:
                    self._calls.hold()
                await stored
                if (fault := store.fault_of(station_id)) is not None:
                    raise fault
        except (StoreError, OSError) as error:
            answer = self._frames.refuse_unstored(text, error)
            after.clear()
        # What came before the end is still read: the answer to a call may be in it.
        with suppress(ConnectionClosed):
            await self._send(answer)
        self._calls.release()
        for action in after:
            self._spawn(action())

    def _take_at_once(self, text: bytes) -> bool:
        """Take a text while `run` waits for one, without its detours. False leaves it to `run`:
        what may have to wait, and what comes after something out of order."""
        if self._in_hand is not None or self._frames.bad or _TRANSACTION in text[:_MAX_HEAD]:
            return False
        wait_s = self._too_fast_s(len(text))
        if wait_s > 0:
            self._owed_s = wait_s
            return False
        after: list[Callable[[], Awaitable[None]]] = []
        store = self._context.store
        if store.needs_preparation(self.point.station_id, text):
            self._owed_s = 0.0
            return False
        mark = store.mark()
        stored = None
        try:
            answer = self._frames.take(text, after)
            stored = store.stored_since(mark)
        except (StoreError, OSError) as error:
            answer = self._frames.refuse_unstored(text, error)
            after.clear()
        if answer is None:
            return True  # nobody waits for it
        if stored is None:
            self._finish(answer, after)
            return True
        self._in_hand = stored
        stored.add_done_callback(functools.partial(self._stored, text, answer, after))
        return True

    def _stored(
        self,
        text: bytes,
        answer: bytes,
        after: list[Callable[[], Awaitable[None]]],
        stored: asyncio.Future[None],
    ) -> None:
        """Answer what was taken at once: it is stored, or could not be."""
        self._in_hand = None
        if stored.cancelled():
            return
        error = stored.exception() or self._context.store.fault_of(self.point.station_id)
        if error is not None:
            answer = self._frames.refuse_unstored(text, error)
            after.clear()
        self._finish(answer, after)

    def _finish(self, answer: bytes, after: list[Callable[[], Awaitable[None]]]) -> None:
        """Answer, then begin what is to follow."""
        if self._write(answer):
            for action in after:
                self._spawn(action())
            return
        self._in_hand = asyncio.get_running_loop().create_future()
        self._spawn(self._finish_slowly(answer, after, self._in_hand))

    async def _finish_slowly(
        self,
        answer: bytes,
        after: list[Callable[[], Awaitable[None]]],
        in_hand: asyncio.Future[None],
    ) -> None:
        try:
            with suppress(ConnectionClosed):
                await self._send(answer)
        finally:
            self._in_hand = None
            in_hand.set_result(None)
        for action in after:
            self._spawn(action())

    async def _send_call(self, text: bytes) -> None:
        await self.connection.send(text, text=True)

    async def _send(self, text: bytes) -> None:
        if not self._write(text):
            await self.connection.send(text, text=True)

    def _write(self, text: bytes) -> bool:
        """Send where nothing waits to be written, as nearly always, without the detours that
        `websockets` takes for messages in parts and for writers that have to wait."""
        connection, transport = self.connection, self.connection.transport
        if (
            len(text) > _MAX_SHORT_FRAME
            or connection.state is not State.OPEN
            or connection.protocol.extensions
            or transport.is_closing()
            or transport.get_write_buffer_size()
        ):
            return False
        # RFC 6455, 5.2: the last frame of a text, without a mask, and its length.
        transport.write(b"\x81%c%b" % (len(text), text))
        return True

    def _too_fast_s(self, size: int) -> float:
        """Return how long a sender beyond the rate waits; reading stops meanwhile, so it must."""
        now_s = self._time()
        wait_s = max(self._allowance.take(1, now_s), self._bytes.take(size, now_s))
        if wait_s > 0:
            self._context.count(self.point, "slowed_down")
        return wait_s

    # ---- our calls -----------------------------------------------------------------------

    async def call(
        self, action: str, payload: dict[str, Any], timeout_s: float, *, drop: bool = True
    ) -> dict[str, Any]:
        """Send a request and return the payload of its answer.

        Raises InvalidValueError before anything is sent, TransientError when it could not be sent
        in time, CallRefusedError for a CALLERROR, OutcomeUnknownError when no answer came, or one
        that cannot be read. A charge point that sends nothing at all meanwhile is dropped (`drop`):
        its socket only seems to live.
        """
        version = self.dialect.version
        fault = schemas.check_outgoing(version, action, payload)
        if fault is not None:
            raise InvalidValueError(f"{action}: {fault}")
        task = asyncio.ensure_future(self._calls.exchange(action, payload, drop=drop))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if not done:
            # The exchange goes on without a reader: a late answer must find its place.
            raise OutcomeUnknownError(
                f"{self.point.station_id}: no answer to {action} within {timeout_s:g} s"
            )
        return task.result()

    # ---- life ----------------------------------------------------------------------------

    async def ping(self) -> bool:
        """Ping; False when the ping before it was not answered yet, or when the charge point
        has not read what was sent then. Never waits for it to read."""
        self.pinged_s = asyncio.get_running_loop().time()
        was_unread = self._is_unread
        # Below that a writer never waits.
        self._is_unread = self.connection.transport.get_write_buffer_size() > _MAX_UNREAD_BYTES
        if self._pong is not None or (was_unread and self._is_unread):
            return False
        if self._is_unread:
            return True
        try:
            pong = await self.connection.ping()
        except ConnectionClosed:
            return True
        self._pong = pong
        asyncio.ensure_future(pong).add_done_callback(self._ponged)
        return True

    def _ponged(self, done: asyncio.Future[float]) -> None:
        self._pong = None
        if not done.cancelled() and done.exception() is None:
            self.point.last_seen_s = self._now()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; calls that are out fail."""
        self._end()
        await self.connection.close(code, reason)

    def _end(self) -> None:
        self.closed = True
        self._calls.end()
