"""Server-sent events: everything at first, then what changes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from aiohttp import web

from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.web.api.routes import STREAM
from chargepoint_driver.web.api.schemas import Sessions, Station
from chargepoint_driver.web.live.dashboard import Dashboard

__all__ = ["Stream"]

# The page takes a stream that was silent for three of these for broken.
BEAT_S = 5.0
_RETRY_MS = 2_000
# A reader that takes nothing for so long is closed; it comes back and reads everything.
_STALLED_S = 30.0
# Stations of a first screen.
_FIRST = 40
# Above this many bytes speed counts more than size.
_LARGE = 100_000
_MAX_READERS = 200
# RFC 1952: the magic number, deflate, no flags, no time, and an unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"

_Stations = Mapping[tuple[str, str], Station]
_NOTHING: _Stations = MappingProxyType({})


class Stream:
    """Readers of the board's changes; none can make another wait."""

    def __init__(self, board: Dashboard, is_let_in: Callable[[web.Request], bool]) -> None:
        """`is_let_in` is asked again before each event: it ends the stream after a logout."""
        self._board = board
        self._is_let_in = is_let_in
        self._readers: set[asyncio.Task[Any]] = set()
        self._is_ending = False
        # The newest version with its stations, and what is different from what readers know.
        self._newest: tuple[int, _Stations] = -1, _NOTHING
        self._changes: dict[int, tuple[_Stations, _Event | None]] = {}
        self._newest_state: tuple[float, int, _Event | None] = 0.0, -1, None
        self._newest_alive: tuple[float, int, _Event | None] = 0.0, -1, None
        self._newest_first: tuple[int, tuple[_Event, ...]] = -1, ()
        self._newest_parts: tuple[int, tuple[_Event, _Event] | None] = -1, None

    async def stop(self) -> None:
        """Let every reader go."""
        # A wait that ends in the same moment swallows the cancellation (Python before 3.12).
        self._is_ending = True
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def events(self, request: web.Request) -> web.StreamResponse:
        if len(self._readers) >= _MAX_READERS:
            return refusal("try_later", "too many pages are open; close some", 503)
        task = asyncio.current_task()
        assert task is not None
        response = web.StreamResponse(headers={"Content-Type": STREAM, "X-Accel-Buffering": "no"})
        is_packed = "gzip" in request.headers.get("Accept-Encoding", "").lower()
        if is_packed:
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"

        async def write(data: bytes) -> None:
            await asyncio.wait_for(response.write(data), _STALLED_S)

        async def send(event: _Event) -> None:
            await write(event.deflated if is_packed else event.plain)

        self._readers.add(task)
        try:
            await response.prepare(request)
            retry = f"retry: {_RETRY_MS}\n\n".encode()
            await write(_GZIP_HEAD + _deflate(retry) if is_packed else retry)
            await self._send_events(request, send)
        except (ConnectionResetError, asyncio.TimeoutError):
            # The page was closed, or takes nothing any more.
            response.force_close()
        finally:
            self._readers.discard(task)
        return response

    async def _send_events(
        self, request: web.Request, send: Callable[[_Event], Awaitable[None]]
    ) -> None:
        version, known = -1, _NOTHING
        sent: dict[str, bytes] = {}
        is_parted = "parts" in request.query
        if is_parted and len(self._board.stations()) > _FIRST:
            # Stations that fill a screen come first; the rest follows when they are on their way.
            for event in self._first():
                await send(event)
        while self._is_let_in(request) and not self._is_ending:
            if await self._board.newer(version, BEAT_S):
                version = self._board.version
                known, change = self._changes_since(known)
                if change is not None:
                    await send(change)
            if not is_parted:
                await send(self._state())
                continue
            for part in self._parts():
                if sent.get(part.name) != part.plain:
                    sent[part.name] = part.plain
                    await send(part)
            await send(self._alive())

    def _changes_since(self, known: _Stations) -> tuple[_Stations, _Event | None]:
        """Return the stations now, and what is different from those known, None for nothing.
        Readers that know the same get the same event: it is made, encoded and compressed once."""
        version, now = self._newest
        if version != self._board.version:
            now = {(each.account, each.cpid): each for each in self._board.stations()}
            self._newest = self._board.version, now
            self._changes = {}
        if id(known) not in self._changes:
            changed = [each for key, each in now.items() if known.get(key) != each]
            gone = [key for key in known if key not in now]
            is_news = bool(changed or gone)
            event = _Event("stations", {"changed": changed, "gone": gone}) if is_news else None
            # What is known is kept, so that no other can get its id.
            self._changes[id(known)] = known, event
        return now, self._changes[id(known)][1]

    def _state(self) -> _Event:
        """Return all but the stations, made once for all readers of a moment."""
        made_s, version, event = self._newest_state
        now_s = asyncio.get_running_loop().time()
        if event is None or version != self._board.version or now_s - made_s > 1.0:
            event = _Event("state", self._board.state())
            self._newest_state = now_s, self._board.version, event
        return event

    def _parts(self) -> tuple[_Event, _Event]:
        """Return the state without what changes all the time, and the sessions."""
        version, parts = self._newest_parts
        if parts is None or version != self._board.version:
            state = self._board.state()
            rest = msgspec.structs.replace(state, sessions=Sessions([]), time="", sample=None)
            parts = _Event("state", rest), _Event("sessions", state.sessions)
            self._newest_parts = self._board.version, parts
        return parts

    def _first(self) -> tuple[_Event, ...]:
        """Return the stations of a first screen, with all that it needs, made once for all readers
        of a version."""
        version, events = self._newest_first
        if version != self._board.version:
            few = {"changed": self._board.stations()[:_FIRST], "gone": [], "more": True}
            events = _Event("stations", few), self._parts()[0], self._alive()
            self._newest_first = self._board.version, events
        return events

    def _alive(self) -> _Event:
        """Return that the server is there, made once for all readers of a moment."""
        made_s, version, event = self._newest_alive
        now_s = asyncio.get_running_loop().time()
        if event is None or version != self._board.version or now_s - made_s > 1.0:
            state = self._board.state()
            event = _Event("alive", {"time": state.time, "sample": state.sample})
            self._newest_alive = now_s, self._board.version, event
        return event


class _Event:
    """One event, as it is sent: plain, and compressed when the first reader wants that."""

    def __init__(self, name: str, content: object) -> None:
        self.name = name
        self.plain = b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(content))
        self._deflated: bytes | None = None

    @property
    def deflated(self) -> bytes:
        """A part of a gzip stream that refers to nothing before it, so that all readers get the
        same bytes."""
        if self._deflated is None:
            self._deflated = _deflate(self.plain)
        return self._deflated


def _deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(1 if len(data) > _LARGE else 6, wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
