"""Roles of requests, and an entry in the audit log for each command and each refusal."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from chargepoint_driver.errors import ChargePointError
from chargepoint_driver.http_server.answers import refusal, status_of
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger
from chargepoint_driver.web.access.access import CALLER, Caller, Proxy, is_loopback
from chargepoint_driver.web.access.masking import mask_secrets
from chargepoint_driver.web.api.route import Route
from chargepoint_driver.web.api.routes import operation_of
from chargepoint_driver.web.store.audit import DONE, Attempt, Audit

__all__ = ["Auditor"]

_log = get_logger(__name__)
_failures = RateLimitedLog(_log)
_MAX_ARGUMENTS = 8_000
_MAX_MESSAGE = 1_000
_MAX_WORD = 255
_WHERE = ("account", "cpid", "connectorId", "group")
# Entries a minute of requests without a key: the log of the process has the others.
_MAX_STRANGERS = 60
_MINUTE_S = 60.0
_REFUSALS = (401, 403)


class Auditor:
    """Lets requests through whose role suffices, and writes down all that are not for reading. A
    command goes on where the log cannot be written: the log of the process then has the entry."""

    def __init__(
        self,
        audit: Audit,
        executor: Executor,
        *,
        is_proxied: bool,
        account_of: Callable[[str | None, str | None, str | None], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_proxied`: a proxy on this machine logs users in, and names their address.
        `account_of` gives the account of (account, cpid, group), and raises ChargePointError."""
        self._audit = audit
        self._executor = executor
        self._is_proxied = is_proxied
        self._account_of = account_of
        self._clock = clock
        self._minute = (0.0, 0)

    def handler(self, route: Route, handle: Handler) -> Handler:
        """Return a handler that refuses lower roles than that of the route, and keeps record of
        commands."""
        is_command = route.method != "GET"

        async def checked(request: web.Request) -> web.StreamResponse:
            caller = request[CALLER]
            if not caller.may(route.least):
                answer = _role_refusal(route, request, caller)
                attempt = await self._attempt(request, caller, route.name)
                await self._write(lambda: self._audit.add(attempt, 403, *_said(answer)))
                return answer
            if not is_command:
                route.check(request.query)
                return await handle(request)
            return await self._carried_out(route, request, handle)

        return checked

    async def refused(
        self, request: web.Request, answer: web.Response, caller: Caller | None = None
    ) -> web.Response:
        """Write down a command that was refused before its handler; return the answer. `caller`:
        who sent it, None where nobody was let in."""
        if caller is None and not self._has_room():
            return answer
        name, role = (None, None) if caller is None else (caller.name, caller.role)
        attempt = Attempt(name, role, self._address(request), operation_of(request))
        await self._write(lambda: self._audit.add(attempt, answer.status, *_said(answer)))
        return answer

    async def logged(self, request: web.Request, command: str, caller: Caller) -> None:
        """Write down a login or a logout."""
        attempt = Attempt(caller.name, caller.role, self._address(request), command)
        await self._write(lambda: self._audit.add(attempt, 303, DONE, None))

    async def _carried_out(
        self, route: Route, request: web.Request, handle: Handler
    ) -> web.StreamResponse:
        attempt = await self._attempt(request, request[CALLER], route.name)
        number = await self._write(lambda: self._audit.begin(attempt))
        status, result, message = 500, "error", None
        try:
            answer = await handle(request)
            status = answer.status
            result, message = _said(answer)
            return answer
        except ChargePointError as error:
            status, result, message = status_of(error), error.code, str(error)
            raise
        except web.HTTPException as error:
            status, result, message = error.status, "http", error.reason
            raise
        except asyncio.CancelledError:
            # Nobody knows what comes of it: the entry has no result.
            number = None
            raise
        finally:
            if number is not None:
                said = None if message is None else message[:_MAX_MESSAGE]
                done = number
                await self._write(lambda: self._audit.end(done, status, result, said))

    async def _write(self, write: Callable[[], Any]) -> Any:
        """Write to the database on a thread; None where that fails."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, write)
        except Exception as error:  # noqa: BLE001 - logged; the command goes on
            _failures.error("audit_entries", reason=f"{type(error).__name__}: {error}")
            return None

    async def _attempt(self, request: web.Request, caller: Caller, command: str) -> Attempt:
        """Return what a request wants, as far as its body can be read."""
        fields = {**_object(await request.read()), **request.match_info}
        account, cpid, group = (_word(fields.get(name)) for name in ("account", "cpid", "group"))
        try:
            if cpid or group:
                account = self._account_of(account, cpid, group)
        except ChargePointError:
            pass
        port = fields.get("connectorId")
        rest = mask_secrets({name: each for name, each in fields.items() if name not in _WHERE})
        if len(json.dumps(rest)) > _MAX_ARGUMENTS:
            rest = {"bytes": len(json.dumps(rest)), "names": [name[:80] for name in rest][:50]}
        return Attempt(
            caller.name,
            caller.role,
            self._address(request),
            command,
            account,
            cpid,
            port if isinstance(port, int) and abs(port) < 2**31 else None,
            group,
            rest or None,
        )

    def _address(self, request: web.Request) -> str:
        if self._is_proxied and is_loopback(request.remote):
            return Proxy.address(request)
        return request.remote or ""

    def _has_room(self) -> bool:
        """Count an entry of a stranger; False where this minute has had enough of them."""
        now_s, (begun_s, number) = self._clock(), self._minute
        if now_s - begun_s >= _MINUTE_S:
            begun_s, number = now_s, 0
        self._minute = begun_s, number + 1
        return number < _MAX_STRANGERS


def _role_refusal(route: Route, request: web.Request, caller: Caller) -> web.Response:
    return refusal(
        "not_permitted",
        f"{route.method} {request.path} needs the role {route.least}; {caller.name} has the role "
        f"{caller.role}. Nothing was sent",
        403,
        role=route.least,
    )


def _object(text: bytes) -> dict[str, Any]:
    """Return the object of a body; {} where it is something else."""
    try:
        found = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str | None:
    return value[:_MAX_WORD] if isinstance(value, str) and value else None


def _said(answer: web.StreamResponse) -> tuple[str, str | None]:
    """Return result and message of an answer: code and text of an error, else the status that a
    command's answer has."""
    body = answer.body if isinstance(answer, web.Response) else None
    try:
        content = json.loads(body) if isinstance(body, bytes) and len(body) < _MAX_ARGUMENTS else {}
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    if answer.status < 400:
        return DONE, _word(content.get("status"))
    error = content.get("error")
    if not isinstance(error, dict):
        # The form of the login is not JSON.
        return "not_permitted" if answer.status in _REFUSALS else "error", None
    return str(error.get("code")), _word(error.get("message"))
