"""The port: handshakes, subprotocols, the newest socket of each charge point, pings."""

from __future__ import annotations

import asyncio
import http
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargepoint_driver.backends.ocpp.transport.authentication import (
    certificate_is_of,
    password_is_right,
    station_id_of,
    tls_context,
)
from chargepoint_driver.backends.ocpp.wire import schemas
from chargepoint_driver.config.ocpp import OcppConfig
from chargepoint_driver.errors import BadConfiguration

__all__ = ["Front"]

_log = logging.getLogger(__name__)
_VERSIONS = {"ocpp1.6": "1.6", "ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}


class _Quiet(logging.Filter):
    """Counts what the WebSocket library would log with tracebacks and, at lower levels, with
    headers that hold passwords."""

    def __init__(self, count: Callable[[str, str], None]) -> None:
        super().__init__()
        self._count = count

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            error = record.exc_info[1] if record.exc_info else None
            # What a handshake held may hold a secret.
            if "handshake" not in str(record.msg):
                self._count("broken_sockets", repr(error))
        return False


class _Socket(ServerConnection):
    """A connection that remembers how far its handshake got."""

    station_id = ""
    is_refused = False
    is_unsupported = False
    is_heard = False
    count: Callable[[str, str], None]

    def data_received(self, data: bytes) -> None:
        """Hang up at once on what is not HTTP (which begins with a letter): it might never
        send the end of a line, and would be waited for as long as a slow handshake is."""
        if not self.is_heard:
            self.is_heard = True
            if not data[:1].isalpha():
                self.transport.close()
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count a handshake that came to no end."""
        super().connection_lost(exc)
        is_open = self.response is not None and self.response.status_code == 101
        if not is_open and not self.is_refused:
            self.count("failed_handshakes", "" if exc is None else type(exc).__name__)


class Front:
    """Listens, and hands over each socket that may come in: (socket, charge point id, version)."""

    def __init__(
        self,
        config: OcppConfig,
        take: Callable[[ServerConnection, str, str], Awaitable[None]],
        count: Callable[[str, str], None],
    ) -> None:
        self._config = config
        self._take = take
        self._count = count
        self._server: Server | None = None
        self._open = 0
        self.url = ""

    async def start(self) -> None:
        """Begin to listen. Raises BadConfiguration when the address cannot be used."""
        config = self._config
        host, port = config.address
        if not config.is_loopback and not config.is_authenticated:
            _log.warning(
                "OCPP listens on %s and asks no charge point for a password", config.listen
            )
        context = None if config.tls is None else tls_context(config.tls)
        # A logger of its own, never below errors: frames and headers are not to be logged.
        quiet = logging.Logger("chargepoint_driver.ocpp.websockets", logging.ERROR)
        quiet.addFilter(_Quiet(self._count))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.listen(1024)
        except OSError as error:
            sock.close()
            raise BadConfiguration(
                f"listen: {config.listen} cannot be used ({error.strerror}); choose another"
            ) from None
        sock.setblocking(False)
        self._server = await serve(
            self._handle,
            sock=sock,
            ssl=context,
            compression=None,
            process_request=self._admit,
            select_subprotocol=self._choose,
            open_timeout=config.open_timeout_s,
            close_timeout=2,
            ping_interval=None,
            max_size=config.most_frame_bytes,
            max_queue=8,
            server_header=None,
            logger=quiet,
            create_connection=self._socket,  # type: ignore[arg-type]
        )
        number = sock.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'ws' if context is None else 'wss'}://{shown}:{number}/ocpp"

    async def stop(self) -> None:
        """Close every socket, and stop listening."""
        if self._server is not None:
            self._server.close(close_connections=True)
            await self._server.wait_closed()
            self._server = None

    def _socket(self, *args: Any, **options: Any) -> _Socket:
        made = _Socket(*args, **options)
        made.count = self._count
        return made

    # ---- handshake -----------------------------------------------------------------------

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the request go on to become a socket."""
        station_id = station_id_of(request.path)
        if station_id is None:
            return self._refuse(connection, 404, "bad_ids", repr(request.path[:60]))
        if self._open >= self._config.most_connections:
            return self._refuse(connection, 503, "too_many_connections", "")
        config = self._config.of(station_id)
        if config is None:
            return self._refuse(connection, 404, "unknown_charge_points", repr(station_id))
        tls = self._config.tls
        if tls is not None and tls.client_ca is not None:
            certificate = connection.transport.get_extra_info("peercert")
            if not certificate_is_of(station_id, certificate):
                return self._refuse(connection, 403, "wrong_certificates", repr(station_id))
        if config.has_password and not self._knows_password(station_id, request):
            refused = self._refuse(connection, 401, "wrong_passwords", repr(station_id))
            refused.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
            return refused
        assert isinstance(connection, _Socket)
        connection.station_id = station_id
        return None

    def _knows_password(self, station_id: str, request: Request) -> bool:
        config = self._config.of(station_id)
        headers = request.headers.get_all("Authorization")
        if config is None or len(headers) != 1:
            return False
        try:
            return password_is_right(station_id, headers[0], config)
        except BadConfiguration as error:
            _log.error("charge point %r cannot connect: %s", station_id, error)
            return False

    def _refuse(
        self, connection: ServerConnection, status: int, what: str, detail: str
    ) -> Response:
        assert isinstance(connection, _Socket)
        connection.is_refused = True
        self._count(what, detail)
        return connection.respond(http.HTTPStatus(status), http.HTTPStatus(status).phrase + "\n")

    def _choose(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        """The best that both know, by our order; a charge point that offers none speaks 1.6."""
        for name in self._config.subprotocols:
            if name in offered and _VERSIONS[name] in schemas.versions():
                return Subprotocol(name)
        if offered:
            assert isinstance(connection, _Socket)
            connection.is_unsupported = True
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, _Socket)
        station_id = connection.station_id
        if connection.is_unsupported:
            # The handshake ends without a subprotocol, then the socket, as OCPP-J wants it.
            self._count("wrong_subprotocols", repr(station_id))
            await connection.close(1002, "no common subprotocol")
            return
        version = _VERSIONS.get(connection.subprotocol or "ocpp1.6", "1.6")
        self._open += 1
        try:
            await self._take(connection, station_id, version)
        finally:
            self._open -= 1


async def every(seconds: float, work: Callable[[], Any]) -> None:
    """Do the work again and again until cancelled; an error in it does not end it."""
    while True:
        await asyncio.sleep(seconds)
        try:
            result = work()
            if asyncio.iscoroutine(result):
                await result
        except Exception:  # noqa: BLE001 - logged; the others go on
            _log.exception("a regular task failed")
