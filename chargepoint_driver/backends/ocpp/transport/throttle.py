"""Rate limit of one WebSocket: every frame and byte counts, also control frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

try:
    from websockets.speedups import apply_mask
except ImportError:  # a machine without a compiled module
    from websockets.utils import apply_mask

__all__ = ["MAX_UNREAD_BYTES", "Allowance", "ThrottledConnection"]

# The parser gets so much at once; then what was in it is charged.
_SLICE_BYTES = 4_096
# For a piece of a message, in messages: 16 KiB cost one, and so do four tiny pieces.
_PIECE_COSTS = 0.25
# Above this nothing is read, so no ping is answered, until the peer has read.
MAX_UNREAD_BYTES = 65_536
_MAX_UNREAD_S = 30.0
_LOOK_AGAIN_S = 0.1
# Pauses that control frames or fragments have caused, until the socket is dropped; a minute
# without one forgives them.
_MAX_OFFENCES = 10
_FORGIVEN_AFTER_S = 60.0
_CLOSE_S = 5.0
_MESSAGES = (Opcode.TEXT, Opcode.BINARY)
# RFC 6455, 5.2: the first byte of a text in one frame, the mark of a mask, lengths that are
# written in the second byte and in two more, and the bytes of a mask.
_WHOLE_TEXT = 0x81
_MASKED = 0x80
_MAX_SHORT = 125
_TWO_BYTES = 126
_MAX_TWO_BYTES = 65_535
_MASK_BYTES = 4
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_MAX_HEAD_BYTES = 16_384
# Bytes beyond all that a socket receives: where its frames begin is not known.
_UNKNOWN = 1 << 62


class Allowance:
    """Messages that may come: a number per second, after a burst of twice that number."""

    __slots__ = ("_before_s", "_burst", "_left", "_rate", "_time")

    def __init__(self, rate: float, time: Callable[[], float], burst: float | None = None) -> None:
        """`rate` is messages a second, `burst` twice that by default."""
        self._rate = rate
        self._time = time
        self._burst = self._left = 2 * rate if burst is None else burst
        self._before_s = time()

    def take(self, messages: float, now_s: float | None = None) -> float:
        """Charge for `messages`; return the seconds to wait before the next one, 0 for none.
        `now_s`: by the clock that was given."""
        rate = self._rate
        if now_s is None:
            now_s = self._time()
        self._left = min(self._burst, self._left + (now_s - self._before_s) * rate) - messages
        self._before_s = now_s
        return 0.0 if self._left >= 0 else -self._left / rate


class ThrottledConnection(ServerConnection):
    """A connection that stops reading where its peer sends more than it may, or does not read.

    A whole message costs nothing here: the one that takes it charges it. Control frames,
    fragments and pieces of messages are charged when they come.
    """

    allowance: Allowance | None = None
    max_text_bytes = 0
    # Takes a text at once; False leaves it to `recv`. Called only while `is_idle`: its reader
    # waits, and nothing is on its way to it.
    on_text: Callable[[bytes], bool] | None = None
    is_idle = False
    # Takes `slowed_down`, `flooding_sockets` or `unread_output`, and the reason.
    on_misuse: Callable[[str, str], None] | None = None
    _waiting: bytearray | None = None
    _timer: asyncio.TimerHandle | None = None
    _unread_since_s: float | None = None
    _frames = 0
    _is_message = False
    _offences = 0
    _offended_s = 0.0
    # The handshake until it was read, and the bytes after it that belong to no whole frame yet.
    _head: bytearray | None = None
    _unframed = _UNKNOWN
    _is_in_parts = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._head = bytearray()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read what may be read now; the rest waits, and no more is read meanwhile."""
        if (
            self._waiting is None
            and len(data) <= _SLICE_BYTES
            and self.transport.get_write_buffer_size() <= MAX_UNREAD_BYTES
        ):
            if not self._unframed and (text := self._text_in(data)) is not None:
                if not (self.is_idle and self.on_text is not None and self.on_text(text)):
                    self.process_event(Frame(Opcode.TEXT, text))
                    self._unframed = 0
                return
            wait_s = self._feed(data)
            if wait_s > 0:
                self._waiting = bytearray()
                self._hold(wait_s)
            return
        if self._waiting is None:
            self._waiting = bytearray(data)
            self._go_on()
        else:
            self._waiting += data
            self._pause()

    def process_event(self, event: Any) -> None:
        """Tell whole messages from frames that are charged at once."""
        if type(event) is Frame:
            self._unframed -= _size_of(event)
            if event.opcode in _DATA:
                self.is_idle = False
                self._is_in_parts = not event.fin
        elif type(event) is Request and self._head is not None:
            # The library accepts no other end of a handshake.
            self._unframed = len(self._head) - self._head.find(b"\r\n\r\n") - 4
            self._head = None
        if type(event) is Frame and event.fin and event.opcode in _MESSAGES:
            self._is_message = True
        else:
            self._frames += 1
        super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waits."""
        self._waiting = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close within 5 s, also where the peer does not read."""
        closing = asyncio.ensure_future(super().close(code, reason))
        done, _ = await asyncio.wait({closing}, timeout=_CLOSE_S)
        if not done:
            self.transport.abort()
            await asyncio.wait({closing}, timeout=_CLOSE_S)

    # ---- inside --------------------------------------------------------------------------

    def _text_in(self, data: bytes) -> bytes | None:
        """Return the text in what is one whole frame, as nearly everything is; None for anything
        else, which the library reads."""
        if len(data) < 8 or data[0] != _WHOLE_TEXT or self._is_in_parts:
            return None
        size, at = data[1] - _MASKED, 2
        if size == _TWO_BYTES:
            size, at = data[2] << 8 | data[3], 4
        first = at + _MASK_BYTES
        if size < 0 or len(data) != first + size or size > self.max_text_bytes:
            return None
        if self.state is not State.OPEN:
            return None
        return apply_mask(data[first:], data[at:first])

    def _feed(self, data: bytes) -> float:
        """Have a slice parsed and charge it; the seconds to wait before the next one."""
        self._frames, self._is_message = 0, False
        if self._head is not None:
            self._head += data
            if len(self._head) > _MAX_HEAD_BYTES:
                self._head, self._unframed = None, _UNKNOWN
        else:
            self._unframed += len(data)
        super().data_received(data)
        if self.allowance is None or (self._is_message and not self._frames):
            return 0.0
        wait_s = self.allowance.take(self._frames or _PIECE_COSTS)
        if wait_s > 0 and self.on_misuse is not None:
            self.on_misuse("slowed_down", "more frames or bytes than messages_per_second allows")
        if wait_s > 0 and self._frames:
            now_s = self.loop.time()
            if now_s - self._offended_s > _FORGIVEN_AFTER_S:
                self._offences = 0
            self._offences, self._offended_s = self._offences + 1, now_s
            if self._offences >= _MAX_OFFENCES:
                self._drop("flooding_sockets", "control frames or fragments beyond the rate")
        return wait_s

    def _go_on(self) -> None:
        """Read what waits, as far as it may be read now."""
        self._timer = None
        while self._waiting:
            if self.transport.is_closing():
                return
            if self._is_unread():
                self._hold(_LOOK_AGAIN_S)
                return
            data = bytes(self._waiting[:_SLICE_BYTES])
            del self._waiting[:_SLICE_BYTES]
            wait_s = self._feed(data)
            if wait_s > 0:
                self._hold(wait_s)
                return
        self._waiting = None
        # Where the queue of messages is full, it resumes when there is room.
        if not self.transport.is_closing() and not self.recv_messages.paused:
            self.transport.resume_reading()

    def _is_unread(self) -> bool:
        """Return True if too much waits to be read by the peer; after 30 s of that it is
        dropped."""
        if self.transport.get_write_buffer_size() <= MAX_UNREAD_BYTES:
            self._unread_since_s = None
            return False
        now_s = self.loop.time()
        if self._unread_since_s is None:
            self._unread_since_s = now_s
        elif now_s - self._unread_since_s > _MAX_UNREAD_S:
            self._drop("unread_output", f"does not read: {MAX_UNREAD_BYTES} bytes wait for it")
        return True

    def _hold(self, seconds: float) -> None:
        self._pause()
        if self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(seconds, self._go_on)

    def _pause(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _drop(self, kind: str, reason: str) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
            if self.on_misuse is not None:
                self.on_misuse(kind, reason)


def _size_of(frame: Frame) -> int:
    """Return the bytes that a frame took at least."""
    size = len(frame.data)
    more = 0 if size <= _MAX_SHORT else 2 if size <= _MAX_TWO_BYTES else 8
    return 2 + more + _MASK_BYTES + size
