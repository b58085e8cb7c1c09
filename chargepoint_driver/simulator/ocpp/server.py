"""HTTP/1.1 on the event loop, as much of it as a JSON control on loopback needs."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Protocol

from chargepoint_driver.process.acceptor import Acceptor, ConnectionLimits
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

log = get_logger(__name__)

MAX_HEADERS = 100
MAX_BODY_BYTES = 1_000_000
IDLE_S = 60.0
# There is no login: a whole request is one.
LIMITS = ConnectionLimits(
    max_connections=512, max_unauthenticated=256, max_per_address=512, open_timeout_s=10.0
)


class Answers(Protocol):
    """Handler of requests."""

    async def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return the status and the content of an answer."""
        ...


class BadRequestError(Exception):
    """Not a request; the connection is closed after the answer."""


class Server:
    """Serves on 127.0.0.1 from `start` to `stop`."""

    def __init__(self, control: Answers) -> None:
        self._control = control
        self._acceptor: Acceptor | None = None
        self._connections: set[asyncio.Task[Any]] = set()
        self.url = ""

    async def start(self, port: int) -> None:
        """Bind the port (0: any free one). OSError when it is taken."""
        self._acceptor = Acceptor(("127.0.0.1", port), self._protocol, LIMITS, RateLimitedLog(log))
        self._acceptor.start()
        self.url = f"http://127.0.0.1:{self._acceptor.port}"

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        protocol: asyncio.StreamReaderProtocol

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._connected(protocol, reader, writer)

        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(), connected)
        return protocol

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._acceptor is None:
            return
        self._acceptor.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._acceptor.wait_closed()

    async def _connected(
        self,
        protocol: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._one(protocol, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            log.debug("a control connection ended early")
        except asyncio.CancelledError:
            log.debug("a control connection was closed")
        finally:
            self._connections.discard(task)
            writer.close()

    async def _one(
        self,
        protocol: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        try:
            request = await asyncio.wait_for(_read(reader), IDLE_S)
        except BadRequestError as error:
            await _write(writer, 400, {"error": str(error)}, stays=False)
            return False
        if request is None:
            return False
        if self._acceptor is None or not self._acceptor.authenticate(protocol):
            await _write(writer, 503, {"error": "too many connections"}, stays=False)
            return False
        method, path, body, stays = request
        try:
            status, content = await self._control.answer(method, path, body)
        except Exception as error:
            log.exception("%s %s failed", method, path)
            status, content = 500, {"error": repr(error)}
        await _write(writer, status, content, stays=stays)
        return stays


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, bytes, bool] | None:
    line = await _line(reader)
    if not line:
        return None
    words = line.split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequestError("not an HTTP/1.1 request")
    headers: dict[str, str] = {}
    while text := (await _line(reader)).strip():
        name, colon, value = text.partition(":")
        if not colon or len(headers) >= MAX_HEADERS:
            raise BadRequestError("a header makes no sense")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise BadRequestError("a Content-Length is needed")
    if len(length) > 9 or int(length) > MAX_BODY_BYTES:
        raise BadRequestError(f"at most {MAX_BODY_BYTES} bytes")
    body = await reader.readexactly(int(length))
    stays = words[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return words[0], words[1], body, stays


async def _line(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readline()).decode("latin-1")
    except ValueError:
        raise BadRequestError("a line is too long") from None


async def _write(
    writer: asyncio.StreamWriter, status: int, content: dict[str, Any], *, stays: bool
) -> None:
    body = json.dumps(content).encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
