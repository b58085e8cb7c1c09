"""`/health` of a node, for the check of a load balancer."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from chargepoint_driver.config.common import parse_address
from chargepoint_driver.http_server import Listener, answering, let_in

__all__ = ["PATH", "HealthServer"]

PATH = "/health"


class HealthServer:
    """Answers 200 where new chargers are welcome, else 503 with the reason; `url` is known after
    `start`. On the loop of the central system."""

    def __init__(self, address: str, refusal: Callable[[], str | None]) -> None:
        """`refusal` returns why no new charger is welcome; None where they are."""
        self._refusal = refusal
        self._listener = Listener(parse_address(address), "health")

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"{self._listener.url}{PATH}"

    async def start(self) -> None:
        """Listen. Raises ConfigurationError."""
        app = web.Application(middlewares=[answering()])
        app.router.add_get(PATH, self._answer)
        await self._listener.start(app)

    async def stop(self) -> None:
        """End every connection. Safe to call more than once."""
        await self._listener.stop()

    async def _answer(self, request: web.Request) -> web.Response:
        let_in(request)
        refusal = self._refusal()
        return web.Response(text=f"{refusal or 'ok'}\n", status=200 if refusal is None else 503)
