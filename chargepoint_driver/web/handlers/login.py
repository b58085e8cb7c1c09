"""Login: requests with a key, browsers that gave one once, and users of a reverse proxy.

The cookie is a random number that only this process knows; the key itself never leaves the
login form.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from chargepoint_driver.config.web_keys import AccessKey
from chargepoint_driver.errors import InvalidValueError, RefusedError
from chargepoint_driver.http_server import FailedLogins, brought, let_in
from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.metrics.server import PATH as METRICS
from chargepoint_driver.web.access.access import CALLER, Caller, Keys, Proxy, caller_of
from chargepoint_driver.web.access.audit import Auditor
from chargepoint_driver.web.api.route import BASE
from chargepoint_driver.web.api.routes import LIVE_STATUS
from chargepoint_driver.web.static_files import Files

__all__ = ["Login"]

_LASTS_S = 12 * 3600
_MAX_SESSIONS = 1_000
_SAFE = {"GET", "HEAD"}
_OTHER_PAGE = "this came from another page"


class Login:
    """The door of the page and the API."""

    def __init__(
        self,
        keys: Keys,
        files: Files,
        *,
        is_tls: bool,
        failed: FailedLogins,
        auditor: Auditor,
        proxy: Proxy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`proxy` knows the users of a reverse proxy; None: there is no such proxy."""
        self._keys = keys
        self._files = files
        self._is_tls = is_tls
        self._failed = failed
        self._auditor = auditor
        self._proxy = proxy
        self._clock = clock
        self._sessions: dict[str, tuple[float, AccessKey]] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/login", self._show)
        app.router.add_post("/login", self._log_in)
        app.router.add_post("/logout", self._log_out)

    def is_let_in(self, request: web.Request) -> bool:
        """Return True if the request comes with a key, from a browser that was logged in, or from a
        user of the proxy."""
        try:
            return self.caller(request) is not None
        except RefusedError:
            return False

    def caller(self, request: web.Request) -> Caller | None:
        """Return who sends a request, None for nobody. A key that is brought counts before a
        cookie, and a cookie before the proxy. Raises RefusedError (see `Proxy.caller`)."""
        secret = brought(request)
        if secret is not None:
            return self._keys.caller(self._keys.find(secret))
        end_s, key = self._sessions.get(request.cookies.get(self._cookie(request), ""), (0.0, None))
        if key is not None and self._clock() < end_s:
            caller = self._keys.caller(key)
            if caller is not None:
                return caller
        return None if self._proxy is None else self._proxy.caller(request)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody gets past without key, cookie or proxy; without a key nothing is changed for a
        page of somebody else's."""
        if request.path == "/login" or request.path in self._files.public:
            if request.method not in _SAFE and not _is_own(request):
                return await self._refused(request, _OTHER_PAGE, 403)
            return await handler(request)
        secret = brought(request)
        try:
            caller = self.caller(request)
        except RefusedError as error:
            return await self._refused(request, str(error), 403)
        if caller is None:
            if secret is not None:
                await self._failed.wait(request)
            if request.path.startswith((BASE, METRICS, LIVE_STATUS)) or request.method not in _SAFE:
                return await self._refused(request, self._why_not(secret), 401)
            raise web.HTTPSeeOther("/login")
        let_in(request)
        request[CALLER] = caller
        if secret is None and request.method not in _SAFE and not _is_own(request):
            return await self._refused(request, _OTHER_PAGE, 403, caller)
        return await handler(request)

    async def _refused(
        self, request: web.Request, why: str, status: int, caller: Caller | None = None
    ) -> web.Response:
        """Return the answer to a request that is not let through; commands are written down."""
        answer = refusal("not_permitted", why, status)
        if request.method in _SAFE:
            return answer
        return await self._auditor.refused(request, answer, caller)

    def _why_not(self, secret: str | None) -> str:
        """Return why a secret opens nothing. Only the owner of a key learns that it has expired."""
        key = None if secret is None else self._keys.find(secret)
        if key is None or not self._keys.is_over(key):
            return "no key, or a wrong one"
        return f"the key {key.name} expired ({key.expires}); ask an administrator for another one"

    async def _show(self, request: web.Request) -> web.StreamResponse:
        if self.is_let_in(request):
            raise web.HTTPSeeOther("/")
        return self._files.login(request)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        try:
            form = await request.post()
        except (ValueError, LookupError) as error:
            raise InvalidValueError(f"the form cannot be read ({type(error).__name__})") from None
        given = form.get("token", "")
        key = self._keys.find(given) if isinstance(given, str) else None
        caller = self._keys.caller(key)
        if key is None or caller is None:
            await self._failed.wait(request)
            answer = self._files.login(request, "wrong" if key is None else "expired")
            return await self._auditor.refused(request, answer)
        now_s = self._clock()
        self._sessions = {name: each for name, each in self._sessions.items() if each[0] > now_s}
        while len(self._sessions) >= _MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        name = secrets.token_urlsafe(32)
        self._sessions[name] = now_s + _LASTS_S, key
        await self._auditor.logged(request, "log_in", caller)
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(
            self._cookie(request),
            name,
            max_age=_LASTS_S,
            httponly=True,
            samesite="Strict",
            secure=self._is_tls,
            path="/",
        )
        return answer

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        cookie = self._cookie(request)
        self._sessions.pop(request.cookies.get(cookie, ""), None)
        await self._auditor.logged(request, "log_out", caller_of(request))
        answer = web.Response(status=303, headers={"Location": "/login"})
        answer.del_cookie(cookie, path="/")
        return answer

    def _cookie(self, request: web.Request) -> str:
        """Cookies know no ports: two of these on one machine need names of their own."""
        if self._is_tls:
            return "__Host-chargepoint"
        return f"chargepoint_{request.url.port}"


def _is_own(request: web.Request) -> bool:
    """Return True if the request was made by a page of ours. Another port of the same host is
    another page, although cookies go there too. The browser's own header shows it, also where a
    proxy changes the host."""
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.host
