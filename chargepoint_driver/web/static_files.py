"""The files of the page, and the headers that keep it to them."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

__all__ = ["Files", "add_headers"]

_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
_WRONG = b"<!-- wrong -->"
_WRONG_WORDS = (
    b'<p class="fault" role="alert" id="wrong">That is not the token. It is the one that the '
    b"command printed when it started, or that its environment holds.</p>"
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Without a referrer browsers also hide the Origin of forms, which is looked at.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Files:
    """Read once; there are few."""

    def __init__(self) -> None:
        folder = files("chargepoint_driver.web") / "page"
        self._files = {item.name: item.read_bytes() for item in folder.iterdir() if item.is_file()}
        self.public = {"/page/style.css", "/page/icon.svg"}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self._page)
        app.router.add_get("/page/{name}", self._file)

    def login(self, *, wrong: bool) -> web.Response:
        """The form that asks for the token."""
        text = self._files["login.html"]
        if wrong:
            text = text.replace(_WRONG, _WRONG_WORDS)
        return web.Response(
            body=text, content_type="text/html", charset="utf-8", status=401 if wrong else 200
        )

    async def _page(self, request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=self._files["index.html"], content_type="text/html", charset="utf-8"
        )

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        kind = _TYPES.get(name.rpartition(".")[2])
        if name not in self._files or kind is None:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8")


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Say to browsers, of every answer, that nothing of elsewhere belongs here."""
    del request
    response.headers.update(_HEADERS)
