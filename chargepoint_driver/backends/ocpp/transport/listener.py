"""The OCPP port: connections within limits, and their handshakes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chargepoint_driver.process.acceptor import Acceptor, ConnectionLimits
from chargepoint_driver.rate_limited_log import RateLimitedLog

__all__ = ["Handshake", "WebSocketListener"]

_CLOSE_S = 2.0
_MAX_QUEUE = 8
_GOING_AWAY = 1001


@dataclass(frozen=True)
class Handshake:
    """Decides about a handshake, and receives its socket."""

    make: Callable[..., ServerConnection]
    admit: Callable[[ServerConnection, Request], Response | Awaitable[Response | None] | None]
    choose: Callable[[ServerConnection, Sequence[Subprotocol]], Subprotocol | None]
    handle: Callable[[ServerConnection], Awaitable[None]]
    max_frame_bytes: int


class WebSocketListener:
    """Stands where websockets has its server, whose own accepts without limits."""

    def __init__(
        self,
        address: tuple[str, int],
        limits: ConnectionLimits,
        handshake: Handshake,
        log: RateLimitedLog,
        logger: logging.Logger,
        tls: SSLContext | None,
    ) -> None:
        """Binds the address, without accepting. Raises OSError."""
        self._handshake = handshake
        self._logger = logger
        self._connections: set[ServerConnection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        # websockets puts the tasks of its connections there.
        self.handler_tasks: set[asyncio.Task[None]] = set()
        self.acceptor = Acceptor(address, self._make, limits, log, tls)

    def start(self) -> None:
        """Accept from now on."""
        self.acceptor.start()

    async def close(self) -> None:
        """Accept no more, close every socket, and wait until their handlers have ended."""
        self.acceptor.close()
        await asyncio.gather(
            *(each.close(_GOING_AWAY) for each in list(self._connections)),
            return_exceptions=True,
        )
        await self.acceptor.wait_closed()
        for task in self._opening:
            task.cancel()
        left = set(self.handler_tasks)
        if left:
            # One that waits for its rate may have much to read; nobody gets an answer any more.
            _, left = await asyncio.wait(left, timeout=_CLOSE_S)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # ---- what websockets asks of its server ----------------------------------------------

    def is_serving(self) -> bool:
        return self.acceptor.is_open

    def start_connection_handler(self, connection: ServerConnection) -> None:
        """Begin with a connection (websockets before 16)."""
        task = connection.loop.create_task(self.handler(connection))
        self.handler_tasks.add(task)

    async def handler(self, connection: ServerConnection) -> None:
        """Serve a connection from its first byte to its end."""
        handshake, task = self._handshake, asyncio.current_task()
        assert task is not None
        self._opening.add(task)
        try:
            # The acceptor ends it where it takes too long.
            try:
                await connection.handshake(handshake.admit, None, None)
            finally:
                self._opening.discard(task)
            if connection.state is not State.OPEN:
                connection.transport.abort()
                return
            self._connections.add(connection)
            try:
                await handshake.handle(connection)
            except Exception:
                connection.logger.error("connection handler failed", exc_info=True)
            finally:
                self._connections.discard(connection)
                await connection.close()
        except Exception:  # noqa: BLE001 - a handshake without end; counted when the socket ends
            connection.transport.abort()
        finally:
            self.handler_tasks.discard(task)

    def _make(self) -> ServerConnection:
        made: list[ServerConnection] = []

        def choose(protocol: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
            del protocol
            return self._handshake.choose(made[0], offered)

        protocol = ServerProtocol(
            select_subprotocol=choose,
            max_size=self._handshake.max_frame_bytes,
            logger=self._logger,
        )
        server: Any = self
        connection = self._handshake.make(
            protocol,
            server,
            ping_interval=None,
            close_timeout=_CLOSE_S,
            max_queue=_MAX_QUEUE,
        )
        made.append(connection)
        return connection
