"""`GET /metrics` of the page's server: the metrics of its accounts, for Prometheus."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from chargepoint_driver.errors import ConfigurationError
from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.metrics import Exposition, of_service
from chargepoint_driver.metrics.server import PATH, answer
from chargepoint_driver.process.loop_delay import LoopDelay
from chargepoint_driver.service import Accounts

__all__ = ["Metrics"]


class Metrics:
    """Belongs to the server's loop, whose delay it measures."""

    def __init__(self, accounts: Accounts) -> None:
        self._delay = LoopDelay()
        self._task: asyncio.Task[None] | None = None
        self._why = ""
        self._exposition: Exposition | None = None
        try:
            self._exposition = Exposition(
                lambda: [of_service(name, service) for name, service in accounts.services()],
                {"web": lambda: self._delay},
            )
        except ConfigurationError as error:
            # The page works without it.
            self._why = str(error)

    def add_to(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(PATH, self._answer)

    def start(self) -> None:
        """Measure the loop from now on."""
        if self._exposition is not None:
            self._task = asyncio.create_task(self._delay.measure())

    async def stop(self) -> None:
        """Measure no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _answer(self, request: web.Request) -> web.Response:
        del request
        if self._exposition is None:
            return refusal("bad_configuration", self._why, 501)
        return await answer(self._exposition)
