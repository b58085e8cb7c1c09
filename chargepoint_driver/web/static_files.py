"""The files of the page, and the headers that keep it to them."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import re
from importlib.resources import files
from typing import Any, Literal

from aiohttp import web

from chargepoint_driver.config import WebConfig
from chargepoint_driver.web.access.access import caller_of
from chargepoint_driver.web.api.routes import roles_of_routes
from chargepoint_driver.web.texts import COOKIE, Texts

__all__ = ["Files", "add_headers"]

_TYPES = {
    "css": "text/css",
    "html": "text/html",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
_IMAGES = {"image/jpeg", "image/png"}
_MIN_PACKED = 1_000
# Larger ones are packed when a browser asks for them: few do.
_MAX_PACKED = 150_000
_IMPORT = re.compile(rb'^import [^"]*"\./([a-z_]+\.js)";$', re.MULTILINE)
_HEADERS = {
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
    """The page's files. They are read once; there are few."""

    def __init__(self, config: WebConfig | None = None) -> None:
        """`config` has the site's title and time zone."""
        self._config = config or WebConfig.from_dict({})
        self._files = dict(_all(files("chargepoint_driver.web") / "page"))
        self._tags = {name: _tag(content) for name, content in self._files.items()}
        self._packed = {
            name: gzip.compress(content, 9, mtime=0)
            for name, content in self._files.items()
            if _MIN_PACKED < len(content) < _MAX_PACKED
        }
        self.texts = Texts(self._files)
        # Without these a browser finds each module only after the one that imports it.
        self._preloads = "".join(
            f'<link rel="modulepreload" href="/page/{name}">'
            for name in sorted(self._imported({"app.js"}))
        )
        self.public = {"/page/style.css", "/page/icon.svg"}

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self._page)
        app.router.add_get("/docs", self._docs)
        app.router.add_get("/page/{name:.+}", self._file)

    def login(
        self, request: web.Request, fault: Literal["", "wrong", "expired"] = ""
    ) -> web.Response:
        """Return the form that asks for a key. `fault`: why the one before was refused."""
        language = self._language(request)
        words = b""
        if fault:
            words = b'<p class="fault" role="alert" id="wrong">{{login.%b}}</p>' % fault.encode()
        filled = self.texts.fill(words, language, {}, {}).decode()
        return self._filled("login.html", language, 401 if fault else 200, wrong=filled)

    def _imported(self, names: set[str]) -> set[str]:
        """Return modules and what they import at once, directly or not."""
        more = {found.decode() for name in names for found in _IMPORT.findall(self._files[name])}
        return names if more <= names else self._imported(names | more)

    async def _page(self, request: web.Request) -> web.Response:
        language = self._language(request)
        caller = caller_of(request)
        site = {
            "user": caller.name,
            "role": caller.role,
            "roles": roles_of_routes(),
            "idTags": self._config.id_tags != "nobody" and caller.may(self._config.id_tags),
            "title": self._config.title,
            "timeZone": self._config.time_zone,
            "language": language,
            "languages": self.texts.languages,
        }
        # Inside a script element only < could end it.
        data = json.dumps(site).replace("<", "\\u003c")
        element = f'<script type="application/json" id="site">{data}</script>'
        preloads = (
            f'<link rel="preload" as="fetch" crossorigin href="/page/texts/{language}.json">'
            f"{self._preloads}"
        )
        return self._filled("index.html", language, 200, site=element, preloads=preloads)

    async def _docs(self, request: web.Request) -> web.Response:
        return self._filled("docs.html", self._language(request), 200)

    def _language(self, request: web.Request) -> str:
        accepted = request.headers.get("Accept-Language")
        return self.texts.choose(request.cookies.get(COOKIE), accepted)

    def _filled(self, name: str, language: str, status: int, **markup: str) -> web.Response:
        """Return a page in a language."""
        values = {"code": language}
        if self._config.title is not None:
            values["app.title"] = self._config.title
        body = self.texts.fill(self._files[name], language, values, markup)
        return web.Response(body=body, content_type="text/html", charset="utf-8", status=status)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        kind = _TYPES.get(name.rpartition(".")[2])
        if name not in self._files or kind is None:
            raise web.HTTPNotFound
        tag = self._tags[name]
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        body = self._files[name]
        if len(body) > _MIN_PACKED and "gzip" in request.headers.get("Accept-Encoding", ""):
            if name not in self._packed:
                self._packed[name] = await asyncio.to_thread(gzip.compress, body, 9, mtime=0)
            body, headers["Content-Encoding"] = self._packed[name], "gzip"
        charset = None if kind in _IMAGES else "utf-8"
        return web.Response(body=body, content_type=kind, charset=charset, headers=headers)


def _all(folder: Any, path: str = "") -> list[tuple[str, bytes]]:
    """Return name and content of each file below a folder."""
    found = []
    for item in folder.iterdir():
        if item.is_file():
            found.append((path + item.name, item.read_bytes()))
        elif item.is_dir():
            found += _all(item, f"{path}{item.name}/")
    return found


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:20]}"'


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Say to browsers, of every answer, that nothing of elsewhere belongs here."""
    del request
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.update(_HEADERS)
