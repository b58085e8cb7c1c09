"""An HTTP listener for metrics alone, on a loop and a thread of its own (needs aiohttp)."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from chargepoint_driver.errors import TransientError
from chargepoint_driver.http_server import Listener, answering, let_in
from chargepoint_driver.metrics.exposition import CONTENT_TYPE, Exposition
from chargepoint_driver.process.loop_thread import NativeLoop, off_loop

__all__ = ["PATH", "MetricsServer", "answer"]

PATH = "/metrics"
_START_S = 30.0


async def answer(exposition: Exposition) -> web.Response:
    """Return the answer to a scrape. It is made on a thread: a large site takes a moment."""
    body = await off_loop(exposition.text)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


class MetricsServer:
    """Serves `/metrics` from `start` to `stop`; `url` is known then."""

    def __init__(self, address: tuple[str, int], exposition: Exposition) -> None:
        """Port 0 takes any free one."""
        self._exposition = exposition
        self._listener = Listener(address, "--metrics")
        self._loop = NativeLoop("metrics")

    @property
    def url(self) -> str:
        """Return where the metrics are."""
        return f"{self._listener.url}{PATH}"

    def start(self) -> MetricsServer:
        """Serve from now on. Raises ConfigurationError, and then nothing is left running."""
        self._loop.start()
        try:
            self._loop.run(self._begin, _START_S)
        except BaseException:
            self.stop()
            raise
        return self

    async def _begin(self) -> None:
        app = web.Application(middlewares=[answering()])
        app.router.add_get(PATH, self._answer)
        await self._listener.start(app)

    async def _answer(self, request: web.Request) -> web.Response:
        let_in(request)
        return await answer(self._exposition)

    def stop(self) -> None:
        """End every connection. Safe to call more than once."""
        with suppress(TransientError):
            self._loop.run(self._listener.stop, _START_S)
        self._loop.stop()
