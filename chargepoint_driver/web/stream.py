"""Server-sent events: everything at first, then what changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from chargepoint_driver.http.answers import refusal
from chargepoint_driver.web.dashboard import Board
from chargepoint_driver.web.routes import STREAM
from chargepoint_driver.web.schemas import Station

__all__ = ["Stream"]

# The page takes a stream that was silent for three of these for broken.
BEAT_S = 5.0
_RETRY_MS = 2_000
# A reader that takes nothing for so long is let go; it comes back for all of it.
_STALLED_S = 30.0
_MOST_READERS = 200


class Stream:
    """Readers of the board's changes; none can make another wait."""

    def __init__(self, board: Board, is_let_in: Callable[[web.Request], bool]) -> None:
        """`is_let_in` is asked again before each event: who logged out is told no more."""
        self._board = board
        self._is_let_in = is_let_in
        self._readers: set[asyncio.Task[Any]] = set()
        self._is_ending = False

    async def stop(self) -> None:
        """Let every reader go."""
        # A wait that ends in the same moment swallows the cancellation (Python before 3.12).
        self._is_ending = True
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def events(self, request: web.Request) -> web.StreamResponse:
        if len(self._readers) >= _MOST_READERS:
            return refusal("try_later", "too many pages are open; close some", 503)
        task = asyncio.current_task()
        assert task is not None
        response = web.StreamResponse(headers={"Content-Type": STREAM, "X-Accel-Buffering": "no"})
        self._readers.add(task)
        try:
            await response.prepare(request)
            await self._tell(request, response)
        except (ConnectionResetError, asyncio.TimeoutError):
            # The page was closed, or takes nothing any more.
            response.force_close()
        finally:
            self._readers.discard(task)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        await response.write(f"retry: {_RETRY_MS}\n\n".encode())
        sent: dict[tuple[str, str], Station] = {}
        version = -1
        while self._is_let_in(request) and not self._is_ending:
            if await self._board.newer(version, BEAT_S):
                version = self._board.version
                stations = self._board.stations()
                now = {(each.account, each.cpid): each for each in stations}
                changed = [each for key, each in now.items() if sent.get(key) != each]
                gone = [key for key in sent if key not in now]
                if changed or gone:
                    await _send(response, "stations", {"changed": changed, "gone": gone})
                sent = now
            await _send(response, "state", self._board.state())


async def _send(response: web.StreamResponse, name: str, content: object) -> None:
    data = b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(content))
    await asyncio.wait_for(response.write(data), _STALLED_S)
