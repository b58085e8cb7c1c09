"""An application on a socket of its own."""

from __future__ import annotations

import socket
from ssl import SSLContext

from aiohttp import web

from chargepoint_driver.errors import BadConfiguration

__all__ = ["Listener"]


class Listener:
    """Serves an application on a loop, from `start` to `stop`; `url` is known then."""

    def __init__(
        self, address: tuple[str, int], setting: str, tls: SSLContext | None = None
    ) -> None:
        """`setting` is what the address is called in messages. Port 0 takes any free one."""
        self._address = address
        self._setting = setting
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, app: web.Application) -> None:
        """Listen. Raises BadConfiguration."""
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        host, port = self._address
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            await runner.cleanup()
            raise BadConfiguration(
                f"{self._setting}: {host}:{port} cannot be used ({error.strerror})"
            ) from None
        self._runner = runner
        await web.SockSite(runner, sock, ssl_context=self._tls).start()
        shown = f"[{host}]" if ":" in host else host
        scheme = "http" if self._tls is None else "https"
        self.url = f"{scheme}://{shown}:{sock.getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening and end every connection. Twice is once."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
