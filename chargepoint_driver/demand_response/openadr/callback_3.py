"""The listener for notifications of a VTN of OpenADR 3.

Source: OpenADR 3.0.1 definition, subscriptions: the VTN calls `callbackUrl` with `bearerToken`.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from chargepoint_driver.demand_response.openadr.config import VtnConfig
from chargepoint_driver.http_server import Key, Listener, answering, let_in

__all__ = ["Callback"]

_MAX_NOTIFICATION_BYTES = 1_000_000
PATH = "/openadr3/notifications"


class Callback:
    """The listener for a VTN's notifications. One of them only wakes the poll: its
    content is read from the VTN."""

    def __init__(self, config: VtnConfig, token: str, woken: asyncio.Event) -> None:
        host, _, port = str(config.callback_listen).rpartition(":")
        self._listener = Listener((host.strip("[]"), int(port)), "callback_listen")
        self._url = config.callback_url
        self._key = Key(token)
        self._woken = woken

    @property
    def url(self) -> str:
        """Return what the VTN is to call."""
        return self._url or f"{self._listener.url}{PATH}"

    async def start(self) -> None:
        """Listen. Raises ConfigurationError."""
        app = web.Application(middlewares=[answering()], client_max_size=_MAX_NOTIFICATION_BYTES)
        app.router.add_post("/{path:.*}", self._answer)
        await self._listener.start(app)

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._key.opens(request):
            raise web.HTTPUnauthorized(reason="the bearer token of the subscription is missing")
        let_in(request)
        self._woken.set()
        return web.Response()

    async def stop(self) -> None:
        """Stop listening. Safe to call more than once."""
        await self._listener.stop()
