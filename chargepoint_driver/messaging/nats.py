"""Messages over NATS: core request and reply, nothing stored.

A client of the library serves one connection only. After a loss a new one connects: what the old
one still had to send is never sent late.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from chargepoint_driver.config.sinks import NatsConnectionConfig
from chargepoint_driver.errors import (
    ConfigurationError,
    InvalidValueError,
    OutcomeUnknownError,
    TransientError,
)
from chargepoint_driver.messaging.interface import (
    Handler,
    RequestTasks,
    decode_answer,
    encode_error,
    encode_fields,
)
from chargepoint_driver.process.tls import context_of
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger

__all__ = ["NatsMessaging"]

_log = get_logger(__name__)
_CONNECT_S = 5.0
_RETRY_S = 0.5
_CLOSE_S = 5.0
# A server that does not answer two of these is replaced.
_PING_S = 2
_ERRORS = (nats.errors.Error, OSError, asyncio.TimeoutError)


@dataclass(eq=False)
class _Served:
    """A handler of a subject, and its subscription on the connection of the moment."""

    subject: str
    handler: Handler
    subscription: Any = None
    has_ended: bool = False


class NatsMessaging:
    """See `interface.Messaging`. `open` first."""

    def __init__(self, config: NatsConnectionConfig, name: str) -> None:
        """`name` is what the server shows for the connection."""
        self._config = config
        self._name = name
        self._lines = RateLimitedLog(_log)
        self._handlers: list[_Served] = []
        self._client: Client | None = None
        self._lost: asyncio.Future[None] | None = None
        self._tasks = RequestTasks()
        self._replies: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        """Return True while a server answers."""
        return self._client is not None and self._client.is_connected

    async def open(self, limit_s: float = 0.0) -> None:
        """Connect to one of the servers, and stay connected from now on. Returns when it is
        connected, or when the first server did not answer and `limit_s` have passed. Raises
        ConfigurationError."""
        self._options()  # secrets and certificates that cannot be read
        tried, connected = asyncio.Event(), asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(tried, connected))
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(connected.wait(), limit_s)
        await tried.wait()

    async def close(self) -> None:
        """See `interface.Messaging`."""
        await self._tasks.end()
        await asyncio.gather(*self._replies, return_exceptions=True)
        client = self._client
        if client is not None and client.is_connected:
            with suppress(*_ERRORS):
                await _flush(client)
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def request(
        self, subject: str, fields: Mapping[str, Any], limit_s: float
    ) -> dict[str, Any]:
        """See `interface.Messaging`."""
        data = encode_fields(fields)
        client, lost = self._connected(subject)
        if len(data) > client.max_payload:
            raise InvalidValueError(
                f"the request has {len(data)} bytes, and the NATS server takes "
                f"{client.max_payload}; nothing was sent"
            )
        asking = asyncio.ensure_future(client.request(subject, data, timeout=limit_s))
        try:
            # The library does not end a request when its connection is lost.
            await asyncio.wait({asking, lost}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                if lost.done():
                    raise OutcomeUnknownError(f"NATS was lost before the answer from {subject}")
                raise OutcomeUnknownError(f"no answer from {subject} within {limit_s:g} s")
            message: Msg = asking.result()
        except nats.errors.NoRespondersError:
            raise TransientError(f"nobody serves {subject}; nothing was sent") from None
        except (nats.errors.TimeoutError, asyncio.TimeoutError):
            raise OutcomeUnknownError(f"no answer from {subject} within {limit_s:g} s") from None
        except _ERRORS as error:
            raise OutcomeUnknownError(f"{subject}: {type(error).__name__}: {error}") from None
        finally:
            asking.cancel()
        return decode_answer(subject, message.data)

    async def serve(self, subject: str, handler: Handler) -> Callable[[], Awaitable[None]]:
        """See `interface.Messaging`. Goes on with each new connection."""
        place = _Served(subject, handler)
        self._handlers.append(place)
        client = self._client
        if client is not None:
            with suppress(*_ERRORS):  # the next connection has it
                await self._subscribe(client, place)
                await _flush(client)

        async def end() -> None:
            # Before the server knows: what still arrives is answered, and not begun.
            place.has_ended = True
            if place in self._handlers:
                self._handlers.remove(place)
            if place.subscription is not None:
                with suppress(*_ERRORS):
                    await place.subscription.drain()

        return end

    async def publish(self, subject: str, fields: Mapping[str, Any]) -> None:
        """See `interface.Messaging`."""
        data = encode_fields(fields)
        client, _ = self._connected(subject)
        try:
            await client.publish(subject, data)
        except _ERRORS as error:
            raise TransientError(f"{subject}: {type(error).__name__}: {error}") from None

    # ---- inside --------------------------------------------------------------------------

    def _connected(self, subject: str) -> tuple[Client, asyncio.Future[None]]:
        client, lost = self._client, self._lost
        if client is None or lost is None or lost.done() or not client.is_connected:
            raise TransientError(f"NATS is not connected; nothing was sent to {subject}")
        return client, lost

    async def _keep(self, tried: asyncio.Event, connected: asyncio.Event) -> None:
        for server in itertools.cycle(self._config.servers):
            lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            client = Client()
            try:
                await self._connect(client, server, lost)
                self._client, self._lost = client, lost
                self._lines.info("nats connected", name=server, reason="requests go over it")
                tried.set()
                connected.set()
                await lost
                self._lines.warning("nats lost", name=server, reason="connects again")
            except (*_ERRORS, ConfigurationError) as error:
                what = f"{type(error).__name__}: {error}"
                self._lines.warning("nats not connected", name=server, reason=what)
            finally:
                self._client = None
                if not lost.done():
                    lost.set_result(None)
                with suppress(Exception):
                    await asyncio.wait_for(client.close(), _CLOSE_S)
            tried.set()
            await asyncio.sleep(_RETRY_S)

    async def _connect(self, client: Client, server: str, lost: asyncio.Future[None]) -> None:
        async def end() -> None:
            if not lost.done():
                lost.set_result(None)

        options = {**self._options(), "servers": [server]}
        connecting = client.connect(**options, disconnected_cb=end, closed_cb=end)
        await asyncio.wait_for(connecting, 2 * _CONNECT_S)
        for place in self._handlers:
            await self._subscribe(client, place)
        await _flush(client)

    def _options(self) -> dict[str, Any]:
        config = self._config
        options: dict[str, Any] = {
            "name": self._name,
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "connect_timeout": _CONNECT_S,
            "ping_interval": _PING_S,
            "max_outstanding_pings": 2,
            "error_cb": _log_quietly,
        }
        context = context_of(config)
        if context is not None:
            options["tls"] = context
        password, token = config.read_password(), config.read_token()
        if password is not None:
            options.update(user=config.username, password=password)
        if token is not None:
            options["token"] = token
        return options

    async def _subscribe(self, client: Client, place: _Served) -> None:
        async def take(message: Msg) -> None:
            # As a task: the library waits for this function before the next message.
            task = None if place.has_ended else self._tasks.begin(place.handler, message.data)
            if message.reply:
                reply = asyncio.create_task(self._reply(client, message, task, place))
                self._replies.add(reply)
                reply.add_done_callback(self._replies.discard)

        place.subscription = await client.subscribe(place.subject, cb=take)

    async def _reply(
        self, client: Client, message: Msg, task: asyncio.Task[bytes] | None, place: _Served
    ) -> None:
        if task is not None:
            data = await task
        elif place.has_ended:
            data = encode_error(TransientError(f"nobody serves {place.subject}; nothing was sent"))
        else:
            data = self._tasks.too_many()
        if len(data) > client.max_payload:
            data = encode_error(
                OutcomeUnknownError(
                    f"the answer has {len(data)} bytes, and the NATS server takes "
                    f"{client.max_payload}; raise max_payload"
                )
            )
        try:
            await message.respond(data)
        except _ERRORS as error:
            # The requester reports that the outcome is unknown.
            _log.debug("NATS: an answer was not sent: %s", error)


async def _flush(client: Client) -> None:
    """Wait until the server has everything. The library's PING overtakes what waits in its
    buffer, which is sent by the time that the PONG comes: so the second PING comes after it."""
    for _ in range(2):
        await client.flush(int(_CONNECT_S))


async def _log_quietly(error: Exception) -> None:
    """Do not log: `_keep` logs that a server is away."""
    _log.debug("NATS: %s", error)
