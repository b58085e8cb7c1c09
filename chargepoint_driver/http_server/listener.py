"""An application on a socket of its own, within limits."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from ssl import SSLContext

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.typedefs import Handler

from chargepoint_driver.errors import ConfigurationError, InvalidValueError
from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.process import descriptors
from chargepoint_driver.process.acceptor import Acceptor, ConnectionLimits
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["LIMITS", "Listener", "let_in"]

LIMITS = ConnectionLimits(
    max_connections=256, max_unauthenticated=256, max_per_address=128, open_timeout_s=10.0
)
_BODY_S = 10.0
_KEEP_ALIVE_S = 75.0
# For the rest of a body that nobody wants.
_LINGERING_S = 1.0

_log = get_logger(__name__)


class _Quiet(logging.Filter):
    """Counts what aiohttp would log with a traceback for each broken request."""

    def __init__(self, log: RateLimitedLog) -> None:
        super().__init__()
        self._log = log

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            error = record.exc_info[1] if record.exc_info else None
            self._log.warning("bad_requests", reason=type(error).__name__)
        return False


class Listener:
    """Serves an application on a loop, from `start` to `stop`; `url` is known then."""

    def __init__(
        self,
        address: tuple[str, int],
        setting: str,
        tls: SSLContext | None = None,
        limits: ConnectionLimits = LIMITS,
    ) -> None:
        """`setting` is what the address is called in messages. Port 0 takes any free one."""
        self._address = address
        self._setting = setting
        self._tls = tls
        self._limits = limits
        self._runner: web.AppRunner | None = None
        self._acceptor: Acceptor | None = None
        self.log = RateLimitedLog(_log)
        self.url = ""

    async def start(self, app: web.Application) -> None:
        """Listen. Raises ConfigurationError."""
        limits = self._within(descriptors.raise_soft_limit())
        app[_LISTENER] = self
        app.middlewares.append(_read_body)
        quiet = logging.Logger("chargepoint_driver.http_server.aiohttp", logging.ERROR)
        quiet.addFilter(_Quiet(self.log))
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=2.0,
            keepalive_timeout=_KEEP_ALIVE_S,
            logger=quiet,
            lingering_time=_LINGERING_S,
        )
        await runner.setup()
        server = runner.server
        assert server is not None
        host, port = self._address
        try:
            self._acceptor = Acceptor((host, port), server, limits, self.log, self._tls)
        except OSError as error:
            await runner.cleanup()
            raise ConfigurationError(
                f"{self._setting}: {host}:{port} cannot be used ({error.strerror})"
            ) from None
        self._runner = runner
        self._acceptor.start()
        shown = f"[{host}]" if ":" in host else host
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://{shown}:{self._acceptor.port}"

    def _within(self, descriptors_allowed: int) -> ConnectionLimits:
        """Return the limits for this number of open files."""
        wanted, share = self._limits, max(8, descriptors_allowed // 4)
        if wanted.max_connections > share:
            _log.warning(
                "%s: this process may open %d files, so %d connections at most; raise the limit "
                "(ulimit -n, LimitNOFILE)",
                self._setting,
                descriptors_allowed,
                share,
            )
        return replace(
            wanted,
            max_connections=min(wanted.max_connections, share),
            max_unauthenticated=min(wanted.max_unauthenticated, share),
        )

    async def stop(self) -> None:
        """Stop listening and end every connection. Safe to call more than once."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def counts(self) -> dict[str, int]:
        """Return what was refused or ended, by kind, since the start."""
        return self.log.counts()

    def let_in(self, request: web.Request) -> bool:
        """The connection of a request has logged in; False where too many have."""
        return self._acceptor is None or self._acceptor.authenticate(request.protocol)


_LISTENER: web.AppKey[Listener] = web.AppKey("listener", Listener)


def let_in(request: web.Request) -> None:
    """Count the connection of a request that was let in. Raises HTTPServiceUnavailable where
    there are as many as allowed."""
    listener = request.app.get(_LISTENER)
    if listener is not None and not listener.let_in(request):
        raise web.HTTPServiceUnavailable(reason="too many connections; close some")


@web.middleware
async def _read_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body within a time limit, after the login."""
    if request.can_read_body:
        try:
            await asyncio.wait_for(request.read(), _BODY_S)
        except asyncio.TimeoutError:
            answer = refusal("bad_value", f"no whole body within {_BODY_S:g} s", 408)
            answer.force_close()
            return answer
        except (web.RequestPayloadError, BadHttpMessage, ValueError) as error:
            raise InvalidValueError(f"the body cannot be read ({type(error).__name__})") from None
    return await handler(request)
