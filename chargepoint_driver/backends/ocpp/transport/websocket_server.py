"""The port: handshakes, subprotocols, the newest socket of each charge point, pings."""

from __future__ import annotations

import asyncio
import http
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from chargepoint_driver.backends.ocpp.transport.authentication import (
    certificate_is_of,
    password_is_right,
    station_id_of,
    tls_context,
)
from chargepoint_driver.backends.ocpp.transport.listener import Handshake, WebSocketListener
from chargepoint_driver.backends.ocpp.transport.revocations import Revocations
from chargepoint_driver.backends.ocpp.transport.throttle import Allowance, ThrottledConnection
from chargepoint_driver.backends.ocpp.wire import schemas
from chargepoint_driver.config.ocpp import ChargerConfig, OcppConfig
from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.process import descriptors
from chargepoint_driver.process.acceptor import ConnectionLimits
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["WebSocketServer", "every", "peer_of"]

_log = get_logger(__name__)
# Sockets before the end of their handshake.
_MAX_UNAUTHENTICATED = 1_000
_WRONG_PASSWORD_S = 0.5
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


class _Socket(ThrottledConnection):
    """A connection that remembers how far its handshake got."""

    station_id = ""
    is_refused = False
    is_unsupported = False
    offered: tuple[str, ...] = ()
    is_heard = False
    count: Callable[..., None]

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
            reason = "the peer hung up" if exc is None else type(exc).__name__
            self.count("failed_handshakes", reason, peer_of(self))


class WebSocketServer:
    """Listens, and hands over each socket that may come in: (socket, charge point id, version)."""

    def __init__(
        self,
        config: OcppConfig,
        take: Callable[[ThrottledConnection, str, str], Awaitable[None]],
        count: Callable[..., None],
    ) -> None:
        """`count` takes (kind, reason, address of the peer, id that it gave)."""
        self._config = config
        self._take = take
        self._count = count
        self._listener: WebSocketListener | None = None
        self._listener_log = RateLimitedLog(_log)
        self._revocations: Revocations | None = None
        self._sockets: set[_Socket] = set()
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()
        self._open = 0
        self.url = ""

    async def start(self) -> None:
        """Begin to listen. Raises ConfigurationError when the address cannot be used."""
        config = self._config
        host, port = config.address
        if not config.is_loopback and not config.is_authenticated:
            _log.warning(
                "OCPP listens on %s and asks no charge point for a password", config.listen
            )
        context = None if config.tls is None else tls_context(config.tls)
        self._revocations = Revocations(config)
        # A logger of its own, never below errors: frames and headers are not to be logged.
        quiet = logging.Logger("chargepoint_driver.ocpp.websockets", logging.ERROR)
        quiet.addFilter(_Quiet(self._count))
        handshake = Handshake(
            self._socket, self._admit, self._choose, self._handle, config.most_frame_bytes
        )
        try:
            self._listener = WebSocketListener(
                (host, port), self._limits(), handshake, self._listener_log, quiet, context
            )
        except OSError as error:
            raise ConfigurationError(
                f"listen: {config.listen} cannot be used ({error.strerror}); choose another"
            ) from None
        self._listener.start()
        shown = f"[{host}]" if ":" in host else host
        scheme = "ws" if context is None else "wss"
        self.url = f"{scheme}://{shown}:{self._listener.acceptor.port}/ocpp"

    def _limits(self) -> ConnectionLimits:
        """The limits that the open files of this process allow."""
        wanted = self._config.most_connections
        limit = descriptors.raise_soft_limit()
        fits = max(1, limit - descriptors.RESERVED - _MAX_UNAUTHENTICATED)
        if wanted > fits:
            _log.warning(
                "most_connections is %d, and this process may open %d files: connections beyond "
                "that wait; raise the limit (ulimit -n, LimitNOFILE)",
                wanted,
                limit,
            )
        return ConnectionLimits(
            max_connections=wanted,
            max_unauthenticated=min(_MAX_UNAUTHENTICATED, max(8, limit // 4)),
            max_per_address=self._config.max_connections_per_address or wanted,
            open_timeout_s=self._config.open_timeout_s,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Return what the port has refused below HTTP, by kind."""
        return self._listener_log.counts()

    @property
    def connections(self) -> dict[str, int]:
        """Connections now: `authenticated` and `unauthenticated`."""
        if self._listener is None:
            return {"authenticated": 0, "unauthenticated": 0}
        return self._listener.acceptor.counts()

    async def end_revoked(self) -> None:
        """Close the sockets that may no longer be open."""
        assert self._revocations is not None
        for socket in list(self._sockets):
            reason = self._revocations.why(socket, socket.station_id)
            if reason is not None:
                self._count("revoked", reason, peer_of(socket), socket.station_id)
                await socket.close(1008, "revoked")

    async def stop(self) -> None:
        """Close every socket, and stop listening."""
        if self._listener is not None:
            await self._listener.close()
            self._listener = None

    def _socket(self, *args: Any, **options: Any) -> _Socket:
        made = _Socket(*args, **options)
        made.count = self._count
        made.allowance = self._allowance()
        made.max_text_bytes = self._config.most_frame_bytes
        return made

    def _allowance(self) -> Allowance:
        loop = asyncio.get_running_loop()
        return Allowance(self._config.messages_per_second, loop.time)

    # ---- handshake -----------------------------------------------------------------------

    def _admit(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """None lets the request go on to become a socket."""
        station_id = station_id_of(request.path)
        if station_id is None:
            # Without the query, and without what may be a password.
            path = request.path.partition("?")[0]
            shown = "" if "@" in path else f" {path[:60]!r}"
            reason = f"there is no charge point id in the path{shown}; connect to {self._hint}"
            return self._refuse(connection, 404, "bad_ids", "", reason)
        if self._open >= self._config.most_connections:
            reason = f"{self._open} are open (most_connections); try again later"
            return self._refuse(connection, 503, "too_many_connections", station_id, reason)
        assert self._revocations is not None
        revoked = self._revocations.why(connection, station_id)
        if revoked is not None:
            return self._refuse(connection, 403, "revoked", station_id, revoked)
        config = self._config.of(station_id)
        if config is None:
            reason = "this id is not one of charge_points"
            return self._refuse(connection, 404, "unknown_charge_points", station_id, reason)
        return self._check_secrets(connection, request, station_id, config)

    def _check_secrets(
        self,
        connection: ServerConnection,
        request: Request,
        station_id: str,
        config: ChargerConfig,
    ) -> Response | Awaitable[Response] | None:
        tls = self._config.tls
        if tls is not None and tls.client_ca is not None:
            certificate = connection.transport.get_extra_info("peercert")
            if not certificate_is_of(station_id, certificate):
                reason = "the client certificate does not name this id"
                return self._refuse(connection, 403, "wrong_certificates", station_id, reason)
        if config.has_password and not self._knows_password(station_id, request):
            missing = "Authorization" not in request.headers
            reason = f"the password is {'missing' if missing else 'not that of this id'}"
            refused = self._refuse(connection, 401, "wrong_passwords", station_id, reason)
            refused.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
            return self._later(refused)
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
        except ConfigurationError as error:
            self._listener_log.error("unreadable_passwords", name=station_id, reason=str(error))
            return False

    @staticmethod
    async def _later(refused: Response) -> Response:
        """Answer a wrong password late: it is not to be guessed."""
        await asyncio.sleep(_WRONG_PASSWORD_S)
        return refused

    def _refuse(
        self, connection: ServerConnection, status: int, kind: str, name: str, reason: str
    ) -> Response:
        assert isinstance(connection, _Socket)
        connection.is_refused = True
        self._count(kind, reason, peer_of(connection), name)
        text = f"{http.HTTPStatus(status).phrase}: {reason}\n"
        return connection.respond(http.HTTPStatus(status), text)

    @property
    def _hint(self) -> str:
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://HOST:{rest.rpartition(':')[2]}/<id>"

    def _allowance_of(self, station_id: str) -> Allowance:
        """The same for each socket of a charge point: connecting again earns nothing."""
        found = self._allowances.pop(station_id, None) or self._allowance()
        self._allowances[station_id] = found
        if len(self._allowances) > self._config.max_charge_points:
            self._allowances.popitem(last=False)
        return found

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
            connection.offered = tuple(offered)
        return None

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, _Socket)
        station_id = connection.station_id
        if connection.is_unsupported:
            # The handshake ends without a subprotocol, then the socket, as OCPP-J wants it.
            offered = ", ".join(connection.offered)[:100]
            reason = f"offers {offered!r}, and none of {', '.join(self._config.subprotocols)}"
            self._count("wrong_subprotocols", reason, peer_of(connection), station_id)
            await connection.close(1002, "no common subprotocol")
            return
        version = _VERSIONS.get(connection.subprotocol or "ocpp1.6", "1.6")
        if self._listener is not None and not self._listener.acceptor.authenticate(connection):
            await connection.close(1013, "too many connections")
            return
        connection.allowance = self._allowance_of(station_id)
        address = peer_of(connection)
        connection.on_misuse = lambda kind, reason: self._count(kind, reason, address, station_id)
        self._open += 1
        self._sockets.add(connection)
        try:
            await self._take(connection, station_id, version)
        finally:
            self._open -= 1
            self._sockets.discard(connection)


def peer_of(connection: ServerConnection) -> str:
    """The address of the peer."""
    address = connection.remote_address
    return str(address[0]) if isinstance(address, tuple) and address else ""


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
