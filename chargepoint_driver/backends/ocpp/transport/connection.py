"""One socket of one charge point: frames in, answers out; our calls, one at a time.

Nothing here knows what a message means. Every frame gets an answer or a counted drop.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.protocol.dispatch import (
    HandlerContext,
    ProtocolVersion,
    Request,
)
from chargepoint_driver.backends.ocpp.storage.restore import restore_running
from chargepoint_driver.backends.ocpp.transport.throttle import Allowance, ThrottledConnection
from chargepoint_driver.backends.ocpp.wire import framing, schemas
from chargepoint_driver.backends.ocpp.wire.framing import WireError
from chargepoint_driver.backends.ocpp.wire.leniency import Departures
from chargepoint_driver.errors import (
    InvalidValueError,
    OutcomeUnknownError,
    StoreError,
    TransientError,
    WriteRejectedError,
)

__all__ = ["CallRefusedError", "Connection", "ConnectionLimits"]

# Bad frames without a good one in between, until the socket is closed.
_PATIENCE = 50
_REMEMBERED = 16
_BOOT = "BootNotification"
_MAX_UNREAD_BYTES = 4_096
# The length of a frame that fits into its second byte.
_MAX_SHORT_FRAME = 125
# Until a charge point knows what the answer to its begin or end says.
_TAKES_IN_S = 0.05
# StartTransaction, StopTransaction and TransactionEvent read and write what is in the file. The
# action of a frame stands near its beginning: ids have 36 characters.
_TRANSACTION = b"Transaction"
_MAX_HEAD = 120


class CallRefusedError(WriteRejectedError):
    """The charge point answered a call of ours with a CALLERROR; `service_code` is its code."""

    def __init__(self, action: str, code: str, description: str, details: Any) -> None:
        super().__init__(
            f"{action}: the charge point answered {code}"
            + (f" ({description})" if description else ""),
            service_code=code,
        )
        self.description = description
        self.details = details


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
        "_answers",
        "_bad",
        "_bytes",
        "_desk",
        "_frames",
        "_free_s",
        "_ids",
        "_in_hand",
        "_is_unread",
        "_limits",
        "_now",
        "_owed_s",
        "_pong",
        "_recent",
        "_spawn",
        "_turn",
        "_unsent",
        "closed",
        "connection",
        "dialect",
        "has_answered",
        "is_heard",
        "is_ignoring",
        "pinged_s",
        "point",
    )

    def __init__(
        self,
        connection: ThrottledConnection,
        point: Charger,
        dialect: ProtocolVersion,
        desk: HandlerContext,
        limits: ConnectionLimits,
        now: Callable[[], float],
        spawn: Callable[[Awaitable[None]], None],
    ) -> None:
        self.connection = connection
        self.point = point
        self.dialect = dialect
        self._desk = desk
        self._limits = limits
        self._now = now
        self._spawn = spawn
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._ids = itertools.count(1)
        self._turn = asyncio.Lock()
        # Done when the answer to a begin or end, which waits to be stored, was sent.
        self._unsent: asyncio.Future[None] | None = None
        # What ends when a text that was taken at once is answered.
        self._in_hand: asyncio.Future[None] | None = None
        # The wait that the next text has to pay, where it was charged already.
        self._owed_s: float | None = None
        self._bad = 0
        self._frames = 0  # that came in, readable or not
        # message id -> (hash of the frame, its answer): a repeated request is answered again
        self._recent: OrderedDict[str | int, tuple[int, bytes]] | None = None
        time = asyncio.get_running_loop().time
        self._allowance = connection.allowance or Allowance(limits.messages_per_second, time)
        self._bytes = Allowance(limits.bytes_per_second, time)
        self._pong: Awaitable[float] | None = None
        self._is_unread = False
        self._free_s = 0.0
        self.pinged_s = time()
        self.closed = False
        # Whether a request came, our calls were answered, or one was not.
        self.is_heard = self.has_answered = self.is_ignoring = False

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
                if self._bad >= _PATIENCE:
                    await self.close(1008, "too many bad messages")
        except ConnectionClosed:
            pass
        finally:
            connection.on_text = None
            self._release_calls()
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
        store = self._desk.store
        after: list[Callable[[], Awaitable[None]]] = []
        try:
            is_transaction = _TRANSACTION in text[:_MAX_HEAD]
            if is_transaction and not store.try_begin():
                await store.writable()
            mark = store.mark()
            answer = self._take(text, after)
            if answer is None:
                store.stored_since(mark)  # nobody waits for it
                return
            # A repeated begin or end writes nothing, and the first may be on its way.
            stored = store.durable() if is_transaction else store.stored_since(mark)
            if stored is not None:
                if is_transaction:
                    self._unsent = asyncio.get_running_loop().create_future()
                await stored
        except (StoreError, OSError) as error:
            answer = self._refuse_unstored(text, error)
            after.clear()
        # What came before the end is still read: the answer to a call may be in it.
        with suppress(ConnectionClosed):
            await self._send(answer)
        self._release_calls()
        for action in after:
            self._spawn(action())

    def _take_at_once(self, text: bytes) -> bool:
        """Take a text while `run` waits for one, without its detours. False leaves it to `run`:
        what may have to wait, and what comes after something out of order."""
        if self._in_hand is not None or self._bad or _TRANSACTION in text[:_MAX_HEAD]:
            return False
        wait_s = self._too_fast_s(len(text))
        if wait_s > 0:
            self._owed_s = wait_s
            return False
        after: list[Callable[[], Awaitable[None]]] = []
        store = self._desk.store
        mark = store.mark()
        stored = None
        try:
            answer = self._take(text, after)
            stored = store.stored_since(mark)
        except (StoreError, OSError) as error:
            answer = self._refuse_unstored(text, error)
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
        error = stored.exception()
        if error is not None:
            answer = self._refuse_unstored(text, error)
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

    def _refuse_unstored(self, text: bytes, error: BaseException) -> bytes:
        """Return the answer to what is not stored, so not acknowledged: it is sent again."""
        self._desk.count(self.point, "not_stored", str(error))
        return self._not_stored(text)

    def _release_calls(self) -> None:
        """The answer to a begin or end was sent, or never will be: calls go on."""
        if self._unsent is not None:
            self._unsent.set_result(None)
            self._unsent = None
            self._free_s = asyncio.get_running_loop().time() + _TAKES_IN_S

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
        wait_s = max(self._allowance.take(1), self._bytes.take(size))
        if wait_s > 0:
            self._desk.count(self.point, "slowed_down")
        return wait_s

    def _take(self, text: bytes, after: list[Callable[[], Awaitable[None]]]) -> bytes | None:
        """The answer to a frame, None where there is none to give."""
        point = self.point
        received_s = self._now()
        point.last_seen_s = received_s
        self._frames += 1
        version = self.dialect.version
        try:
            frame = framing.read_frame(text)
        except framing.InvalidFrameError as error:
            return self._refuse_frame(error)
        if frame.kind in (framing.SEND, framing.RESULT_ERROR):
            return self._take_unanswered(frame, text, received_s, after)
        if frame.kind != framing.CALL:
            self.has_answered = True
            self._answered(frame)
            return None
        self.is_heard = True
        try:
            if type(frame.message_id) is int and point.is_strict:
                frame.message_id = framing.NO_ID
                raise WireError("RpcFrameworkError", "the message id is a text")
            answer = self._answer(frame, text, received_s, after)
        except WireError as error:
            self._bad += 1
            self._desk.count(point, "refused_requests", f"{frame.action[:40]!r} {error.code}")
            return framing.error_text(frame.message_id, error, version)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the charge point is answered
            self._desk.count(point, "internal_errors", f"{frame.action[:40]!r} {error!r}")
            after.clear()
            return framing.error_text(
                frame.message_id, WireError("InternalError", "this request failed here"), version
            )
        self._bad = 0
        return answer

    def _take_unanswered(
        self,
        frame: framing.Frame,
        text: bytes,
        received_s: float,
        after: list[Callable[[], Awaitable[None]]],
    ) -> bytes | None:
        """Take a message of OCPP 2.1 that has no answer. Other versions do not have the type."""
        if self.dialect.version != "2.1":
            types, message_id = "message types are 2, 3 and 4", str(frame.message_id)
            return self._refuse_frame(
                framing.InvalidFrameError("MessageTypeNotSupported", types, message_id)
            )
        if frame.kind == framing.RESULT_ERROR:
            self._desk.count(self.point, "refused_answers", frame.payload)
            return None
        self.is_heard = True
        try:
            self._answer(frame, text, received_s, after)
        except WireError as error:
            self._desk.count(self.point, "refused_requests", f"{frame.action[:40]!r} {error.code}")
        except Exception as error:  # noqa: BLE001 - the socket goes on, as after a CALL
            self._desk.count(self.point, "internal_errors", f"{frame.action[:40]!r} {error!r}")
        return None

    def _answer(
        self,
        frame: framing.Frame,
        text: bytes,
        received_s: float,
        after: list[Callable[[], Awaitable[None]]],
    ) -> bytes:
        action = frame.action
        request = Request(self._desk, self.point, action, received_s, after)
        fast = self.dialect.fast.get(action)
        if fast is not None:
            decoder, take = fast
            try:
                typed = decoder.decode(frame.payload)
            except (msgspec.MsgspecError, RecursionError, ValueError):
                pass  # the common way says what is wrong with it
            else:
                if b"null" in text:
                    self._forgive(action, [("null", "")])
                return framing.result_text(frame.message_id, take(request, typed))
        handler = self.dialect.handlers.get(action)
        version = self.dialect.version
        if handler is None:
            if action in schemas.actions(version):
                raise WireError("NotSupported", "this request is not for a central system")
            raise WireError("NotImplemented", f"OCPP {version} has no such action")
        mark = hash(text)
        if self._recent is not None:
            before = self._recent.get(frame.message_id)
            is_last = frame.message_id == next(reversed(self._recent), None)
            # A boot with anything after it is no repeat: message ids begin again.
            if before is not None and before[0] == mark and (is_last or action != _BOOT):
                self._desk.count(self.point, "repeated_messages")
                return before[1]
        departures = Departures()
        payload = self._usable(frame, departures)
        request.as_received = departures.raw
        answer = framing.result_text(frame.message_id, handler(request, payload))
        if departures.found:
            self._forgive(action, departures.found)
        if action != "Heartbeat":
            # After a boot what looks like an earlier message is another one.
            if self._recent is None or action == _BOOT:
                self._recent = OrderedDict()
            self._recent[frame.message_id] = mark, answer
            if len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return answer

    def _usable(self, frame: framing.Frame, departures: Departures) -> dict[str, Any]:
        """Return the payload as handlers use it, and note its departures from the schema."""
        payload = framing.read_payload(frame.payload)
        if type(frame.message_id) is int:
            departures.note("message_id", "")
        return schemas.take_request(
            self.dialect.version, frame.action, payload, departures, strict=self.point.is_strict
        )

    def _forgive(self, action: str, found: list[tuple[str, str]]) -> None:
        """Count what was out of order in one message: the message once, each kind by place."""
        for kind, place in found:
            where = ".".join(step for step in place.split(".") if not step.isdecimal())
            self.point.forgive(kind, f"{action}.{where}" if where else action)
        self._desk.count(self.point, "forgiven", f"{action}: {found[0][0]} {found[0][1]}")

    def _not_stored(self, text: bytes) -> bytes:
        frame = framing.read_frame(text)
        if self._recent is not None:
            self._recent.pop(frame.message_id, None)
        with suppress(StoreError):
            restore_running(self._desk.store, self.point)
        error = WireError("InternalError", "not stored; send it again")
        return framing.error_text(frame.message_id, error, self.dialect.version)

    def _refuse_frame(self, error: framing.InvalidFrameError) -> bytes | None:
        if error.message_id is None and self._fail_call(error):
            return None
        self._bad += 1
        self._desk.count(self.point, "bad_frames", error.description)
        if error.message_id is None:
            return None
        return framing.error_text(error.message_id, error, self.dialect.version)

    def _answered(self, frame: framing.Frame) -> None:
        waiting = self._waiting(str(frame.message_id))
        if waiting is None:
            self._desk.count(self.point, "unmatched_answers", repr(str(frame.message_id)[:40]))
            return
        waiting.set_result(frame)

    def _fail_call(self, error: framing.InvalidFrameError) -> bool:
        """Fail the call that an unreadable answer belongs to; False where there is none.

        An answer whose id is cut off or missing belongs to the one call that is out.
        """
        waiting = self._waiting(error.answers)
        if waiting is None:
            out = [each for each, it in self._answers.items() if not it.done()]
            if len(out) != 1 or not out[0].startswith(error.answers):
                return False
            waiting = self._answers.pop(out[0])
        self._desk.count(self.point, "broken_answers", error.description)
        waiting.set_result(error)
        return True

    def _waiting(self, message_id: str) -> asyncio.Future[Any] | None:
        """The call of that id that is out, case and blanks around aside."""
        written = message_id.strip().casefold()
        for known in (message_id, *(each for each in self._answers if each == written)):
            found = self._answers.pop(known, None)
            if found is not None and not found.done():
                return found
        return None

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
        task = asyncio.ensure_future(self._exchange(action, payload, drop=drop))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if not done:
            # The exchange goes on by itself: an answer that comes late must find its place.
            raise OutcomeUnknownError(
                f"{self.point.station_id}: no answer to {action} within {timeout_s:g} s"
            )
        return task.result()

    async def _exchange(
        self, action: str, payload: dict[str, Any], *, drop: bool
    ) -> dict[str, Any]:
        limit_s = self._limits.call_timeout_s
        quirk_s = self.point.quirks.call_timeout_s
        limit_s = limit_s if quirk_s is None else quirk_s
        station_id = self.point.station_id
        async with self._turn:
            if self._unsent is not None:
                # The answer goes first: it may have the id that this request is about.
                await asyncio.wait({self._unsent}, timeout=limit_s)
            if self.closed:
                raise TransientError(
                    f"{station_id}: the connection was closed; {action} was not sent"
                )
            wait_s = self._free_s - asyncio.get_running_loop().time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            message_id = f"{id(self) & 0xFFFFFF:x}-{next(self._ids)}"
            waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._answers[message_id] = waiting
            frames_before = self._frames
            try:
                await self.connection.send(
                    framing.call_text(message_id, action, payload), text=True
                )
            except ConnectionClosed:
                self._answers.pop(message_id, None)
                raise OutcomeUnknownError(
                    f"{station_id}: the connection broke while {action} was out"
                ) from None
            try:
                await asyncio.wait({waiting}, timeout=limit_s)
            finally:
                self._answers.pop(message_id, None)
            if not waiting.done():
                self.is_ignoring = True
                self._desk.count(self.point, "calls_without_answer", action)
                if drop and self._frames == frames_before:
                    self._spawn(self.close(1011, "no answer to a call"))
                raise OutcomeUnknownError(
                    f"{station_id}: no answer to {action} within {limit_s:g} s"
                )
            frame = waiting.result()
        if frame is None:
            raise OutcomeUnknownError(f"{station_id}: the connection broke while {action} was out")
        if isinstance(frame, framing.InvalidFrameError):
            raise OutcomeUnknownError(
                f"{station_id}: the answer to {action} cannot be read ({frame.description})"
            )
        if frame.kind == framing.ERROR:
            raise CallRefusedError(action, *frame.payload)
        return self._check_answer(action, frame.payload)

    def _check_answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the answer as it is used. What breaks its schema is counted."""
        departures = Departures()
        answer = schemas.take_answer(
            self.dialect.version, action, payload, departures, strict=self.point.is_strict
        )
        if departures.found:
            self._forgive(f"{action} answer", departures.found)
        return answer

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
        for waiting in list(self._answers.values()):
            if not waiting.done():
                waiting.set_result(None)
        self._answers.clear()
