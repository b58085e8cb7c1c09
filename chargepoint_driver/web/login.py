"""Login: requests with the key, and browsers that gave it once.

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

from chargepoint_driver.errors import InvalidValueError
from chargepoint_driver.http_server import FailedLogins, Key, let_in
from chargepoint_driver.http_server.answers import refusal
from chargepoint_driver.metrics.server import PATH as METRICS
from chargepoint_driver.web.routes import BASE, LIVE_STATUS
from chargepoint_driver.web.static_files import Files

__all__ = ["Login"]

_LASTS_S = 12 * 3600
_MAX_SESSIONS = 1_000
_SAFE = {"GET", "HEAD"}


class Login:
    """The door of the page and the API."""

    def __init__(
        self,
        key: Key,
        files: Files,
        *,
        is_tls: bool,
        failed: FailedLogins,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = key
        self._files = files
        self._is_tls = is_tls
        self._failed = failed
        self._clock = clock
        self._ends_s: dict[str, float] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/login", self._show)
        app.router.add_post("/login", self._log_in)
        app.router.add_post("/logout", self._log_out)

    def is_let_in(self, request: web.Request) -> bool:
        """Return True if the request comes with the key, or from a browser that was logged in."""
        if self._key.is_brought(request):
            return self._key.opens(request)
        end_s = self._ends_s.get(request.cookies.get(self._cookie(request), ""))
        return end_s is not None and self._clock() < end_s

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody gets past without key or cookie; with a cookie alone nothing is changed for a
        page of somebody else's."""
        if request.path == "/login" or request.path in self._files.public:
            if request.method not in _SAFE and not _is_own(request):
                return refusal("not_permitted", "this came from another page", 403)
            return await handler(request)
        if not self.is_let_in(request):
            if self._key.is_brought(request):
                await self._failed.wait(request)
            if request.path.startswith((BASE, METRICS, LIVE_STATUS)) or request.method not in _SAFE:
                return refusal("not_permitted", "no key, or a wrong one", 401)
            raise web.HTTPSeeOther("/login")
        let_in(request)
        if (
            not self._key.is_brought(request)
            and request.method not in _SAFE
            and not _is_own(request)
        ):
            return refusal("not_permitted", "this came from another page", 403)
        return await handler(request)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        if self.is_let_in(request):
            raise web.HTTPSeeOther("/")
        return self._files.login(request, wrong=False)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        try:
            form = await request.post()
        except (ValueError, LookupError) as error:
            raise InvalidValueError(f"the form cannot be read ({type(error).__name__})") from None
        given = form.get("token", "")
        if not isinstance(given, str) or not self._key.is_right(given):
            await self._failed.wait(request)
            return self._files.login(request, wrong=True)
        now_s = self._clock()
        self._ends_s = {name: end_s for name, end_s in self._ends_s.items() if end_s > now_s}
        while len(self._ends_s) >= _MAX_SESSIONS:
            del self._ends_s[next(iter(self._ends_s))]
        name = secrets.token_urlsafe(32)
        self._ends_s[name] = now_s + _LASTS_S
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
        self._ends_s.pop(request.cookies.get(cookie, ""), None)
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
    another page, although cookies go there too. A browser says it itself, also where a proxy
    changes the host."""
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.host
