"""Nodes on one loop: AccountApi in front of plain accounts, which one of them holds."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from aiohttp import web

from chargepoint_driver.fleet.account_api import AccountApi
from chargepoint_driver.fleet.interface import Holder, NotHolderError
from chargepoint_driver.http_server import Key, Listener, answering, let_in
from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.messaging.local import LocalMessaging
from chargepoint_driver.service import Accounts

__all__ = ["TOKEN", "PlainAccounts", "PlainFleet"]

TOKEN = "t" * 16
LIMIT_S = 30.0
_T = TypeVar("_T")


class PlainAccounts:
    """`NodeAccounts` of one node over accounts that all nodes share. `held` names the holders."""

    def __init__(self, accounts: Accounts, run: int, held: dict[str, Holder | None]) -> None:
        self._accounts = accounts
        self._run = run
        self.held = held
        self.followers: list[Callable[[str, list[str]], None]] = []
        self.begun: list[str] = []
        self.asked: list[dict[str, Any]] = []
        # Set to hold up what was begun.
        self.gate = threading.Event()
        self.gate.set()

    @property
    def backends(self) -> Mapping[str, str]:
        return dict.fromkeys(self.held, "chargepoint")

    async def request(self, account: str, method: str, arguments: dict[str, Any]) -> Any:
        holder = self.held[account]
        if holder is None or holder.run != self._run:
            raise NotHolderError(holder)
        self.begun.append(method)
        self.asked.append(arguments)

        def work() -> Any:
            assert self.gate.wait(LIMIT_S)
            if method in {"stats", "health"}:
                found = getattr(self._accounts, method)()
                return found[account] if method == "stats" else found["accounts"][account]
            return getattr(self._accounts, method)(**arguments, account=account)

        return await asyncio.get_running_loop().run_in_executor(None, work)

    async def holder(self, account: str) -> Holder | None:
        return self.held[account]

    def follow(self, callback: Callable[[str, list[str]], None]) -> Callable[[], None]:
        self.followers.append(callback)
        return lambda: self.followers.remove(callback)


class _Node:
    """One node: its API on a port of its own."""

    def __init__(self, accounts: PlainAccounts, messaging: LocalMessaging, run: int) -> None:
        self.accounts = accounts
        self.messaging = messaging
        self.api = AccountApi(accounts)
        self.run = run
        self.port = 0
        self.max_bytes = 64 * 2**20
        self.tls: ssl.SSLContext | None = None
        self.requests: list[str] = []
        self.on_request: Callable[[web.Request], None] = lambda _: None
        self._listener: Listener | None = None
        self._open: dict[int, web.Request] = {}

    @property
    def url(self) -> str:
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        await self.api.start(self.messaging, self.run, "f")
        await self.listen()

    async def listen(self) -> None:
        key = Key(TOKEN)

        @web.middleware
        async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
            if not key.opens(request):
                return refusal("not_permitted", "wrong token", 401)
            let_in(request)
            self.requests.append(f"{request.method} {request.path}")
            self._open[id(request)] = request
            try:
                self.on_request(request)
                return await handler(request)  # type: ignore[no-any-return]
            finally:
                self._open.pop(id(request), None)

        app = web.Application(middlewares=[answering(), guard], client_max_size=self.max_bytes)
        for route, handler in self.api.routes:
            app.router.add_route(route.method, route.path, handler)
        self._listener = Listener(("127.0.0.1", self.port), "control", self.tls)
        await self._listener.start(app)
        self.port = int(self._listener.url.rpartition(":")[2])

    async def kill(self) -> None:
        """Break every connection and stop listening, as a killed process."""
        for request in list(self._open.values()):
            if request.transport is not None:
                request.transport.abort()
        assert self._listener is not None
        await self._listener.stop()

    async def end(self) -> None:
        await self.api.end()
        if self._listener is not None:
            await self._listener.stop()


class PlainFleet:
    """Nodes on a loop of their own thread. The first one holds every account."""

    def __init__(self, accounts: Accounts, number: int = 2) -> None:
        self.accounts = accounts
        self.held: dict[str, Holder | None] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.messaging = LocalMessaging()
        self.hold(0)
        self.nodes = [
            _Node(PlainAccounts(accounts, run, self.held), self.messaging, run)
            for run in range(1, number + 1)
        ]
        for node in self.nodes:
            self.run(node.start())

    def hold(self, index: int | None, epoch: int = 1) -> None:
        """Have a node hold every account; None: nobody."""
        holder = None if index is None else Holder(f"node-{index + 1}", index + 1, epoch)
        for name in self.accounts.names:
            self.held[name] = holder

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something on the loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    def kill(self, index: int) -> None:
        self.run(self.nodes[index].kill())

    def close(self) -> None:
        for node in self.nodes:
            node.accounts.gate.set()
            self.run(node.end())
        self.run(self.messaging.close())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()
