"""Accounts of the fleet on the control API of a node, for platforms and scripts.

The answer of a method is that of `service.Accounts`. With the header `X-Progress: 1` a request has
always status 200 and {"answer"} or {"error"}, and a blank comes each second before it: the
requester can tell a node that works on it from one that is frozen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from chargepoint_driver.backends.ocpp.control_api.http_routes import Route
from chargepoint_driver.errors import (
    ChargePointError,
    InvalidValueError,
    NotFoundError,
    StoreError,
    TransientError,
    error_from_dict,
)
from chargepoint_driver.fleet.account_requests import AccountRequests, method_of
from chargepoint_driver.fleet.interface import NodeAccounts
from chargepoint_driver.fleet.news import News
from chargepoint_driver.http_server import json_answer, read_json, shown
from chargepoint_driver.http_server.answers import status_of
from chargepoint_driver.messaging.interface import Messaging
from chargepoint_driver.text import get_logger

__all__ = ["AccountApi"]

_log = get_logger(__name__)

_BEAT_S = 1.0
_MAX_WAIT_S = 60.0
_MAX_LIMIT_S = 400.0

_ONE = "/accounts/{account}"


class AccountApi:
    """See the module. On the node's loop; `routes` are for its control API."""

    def __init__(self, accounts: NodeAccounts, now: Callable[[], float] = time.time) -> None:
        self._accounts = accounts
        self._now = now
        # None: the node only starts.
        self._requests: AccountRequests | None = None
        self._news: News | None = None
        self._is_ending = asyncio.Event()

    @property
    def routes(self) -> Sequence[tuple[Route, Handler]]:
        """Return what the control API serves, with handlers."""
        limit = (("limit_s", "seconds that the answer may take"),)
        after = (
            ("after", "id of the answer before; without it news from now on"),
            ("wait_s", "seconds to wait for news, up to 60"),
        )
        return (
            (Route("GET", "/accounts", "", "The accounts of the fleet"), self._list),
            (Route("GET", _ONE, "", "An account and the node that holds it"), self._one),
            (
                Route("GET", f"{_ONE}/changes", "", "Stations with news", queries=after),
                self._changes,
            ),
            (
                Route(
                    "POST",
                    f"{_ONE}/{{method}}",
                    "",
                    "Call a method of the account, like read or write, with its arguments",
                    takes_object=True,
                    queries=limit,
                ),
                self._method,
            ),
        )

    async def start(self, messaging: Messaging | None, run: int, fleet: str) -> None:
        """Answer requests, those of other nodes too, and take their news. `run` is that of this
        node, `fleet` which fleet it is. Without `messaging` it serves the accounts that it
        holds."""
        requests = AccountRequests(self._accounts, messaging, run, self._now)
        news = News(self._accounts, messaging, run)
        await requests.serve(fleet)
        await news.start(fleet)
        self._requests, self._news = requests, news

    async def end(self) -> None:
        """Take no more requests of other nodes, and end long polls."""
        self._is_ending.set()
        if self._requests is not None:
            await self._requests.end()
        if self._news is not None:
            await self._news.end()

    # ---- routes --------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        del request
        return json_answer({"accounts": [await self._shown(name) for name in self._backends]})

    async def _one(self, request: web.Request) -> web.StreamResponse:
        account = self._account_of(request)

        async def look() -> dict[str, Any]:
            return {"answer": await self._shown(account)}

        return await self._respond(request, account, look())

    async def _method(self, request: web.Request) -> web.StreamResponse:
        account, name = self._account_of(request), request.match_info["method"]
        if self._requests is None:
            raise TransientError("this node only starts; ask another one")
        method = method_of(name)
        arguments = await read_json(request, dict[str, Any], "an object of arguments")
        limit_s = _seconds(request, "limit_s", method.limit_s, _MAX_LIMIT_S)
        if not method.is_read and not _is_open(request):
            # The node was frozen, and the requester has gone.
            raise TransientError("nobody waits for the answer any more; nothing was sent")
        asking = self._requests.ask(account, name, arguments, limit_s)
        return await self._respond(request, account, asking)

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        account = self._account_of(request)
        log = None if self._news is None else self._news.log_of(account)
        if log is None:
            raise TransientError("this node only starts; ask another one")
        wait_s = _seconds(request, "wait_s", 0.0, _MAX_WAIT_S)
        after = request.query.get("after")

        async def wait() -> dict[str, Any]:
            waiting = asyncio.ensure_future(log.after(after, wait_s))
            ending = asyncio.ensure_future(self._is_ending.wait())
            try:
                await asyncio.wait({waiting, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    raise TransientError("this node ends; ask another one")
                return {"answer": waiting.result()}
            finally:
                waiting.cancel()
                ending.cancel()

        return await self._respond(request, account, wait())

    # ---- inside --------------------------------------------------------------------------

    @property
    def _backends(self) -> list[str]:
        return list(self._accounts.backends)

    def _account_of(self, request: web.Request) -> str:
        account = request.match_info["account"]
        if account not in self._accounts.backends:
            known = ", ".join(self._accounts.backends) or "none"
            raise NotFoundError(f"no account {account[:64]!r}; this node knows {known}")
        return account

    async def _shown(self, account: str) -> dict[str, Any]:
        try:
            holder = await self._accounts.holder(account)
        except StoreError as error:
            raise TransientError(f"account {account}: its holder is not known ({error})") from None
        return {
            "name": account,
            "backend": self._accounts.backends[account],
            "holder": None if holder is None else {"node": holder.node, "epoch": holder.epoch},
        }

    async def _respond(
        self, request: web.Request, account: str, work: Awaitable[dict[str, Any]]
    ) -> web.StreamResponse:
        """Answer with what the work brings: {"answer"} or {"failed": error of the account}."""
        headers = {"X-Account-Backend": self._accounts.backends[account]}
        if request.headers.get("X-Progress") != "1":
            answer = await work
            if "failed" in answer:
                error = error_from_dict(answer["failed"])
                plain = json_answer({"error": shown(error)}, status_of(error))
            else:
                plain = json_answer(answer["answer"])
            plain.headers.update(headers)
            return plain
        running = asyncio.ensure_future(_described(work))
        response = web.StreamResponse(
            headers={**headers, "Content-Type": "application/json", "Cache-Control": "no-store"}
        )
        try:
            await asyncio.wait({running}, timeout=_BEAT_S)
            await response.prepare(request)
            while not running.done():
                await response.write(b" ")
                await asyncio.wait({running}, timeout=_BEAT_S)
            await response.write(running.result())
            await response.write_eof()
        finally:
            # A write that was begun goes on: its requester may be gone.
            if request.method == "GET":
                running.cancel()
        return response


async def _described(work: Awaitable[dict[str, Any]]) -> bytes:
    """Return the body of an answer with progress."""
    try:
        answer = await work
        if "failed" in answer:
            answer = {"error": {**answer["failed"], "of_account": True}}
        return msgspec.json.encode(answer)
    except ChargePointError as error:
        return msgspec.json.encode({"error": shown(error)})
    except Exception as error:  # noqa: BLE001 - the requester must know that it failed
        _log.exception("a request to an account failed")
        said = {"code": "error", "message": f"failed here ({type(error).__name__}); see the log"}
        return msgspec.json.encode({"error": said})


def _is_open(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and not transport.is_closing()


def _seconds(request: web.Request, name: str, default: float, most: float) -> float:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise InvalidValueError(f"{name} must be a number of seconds from 0 to {most:g}")
    return number
