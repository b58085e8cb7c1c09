"""The control API: HTTP and JSON behind a token, on loopback, or by HTTPS beyond it. For scripts
and conformance kits."""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from chargepoint_driver.backends.ocpp.control_api.event_buffer import EventBuffer
from chargepoint_driver.backends.ocpp.control_api.http_central import CentralDocument
from chargepoint_driver.backends.ocpp.control_api.http_routes import ROUTES, Route, document
from chargepoint_driver.backends.ocpp.csms.csms import Csms
from chargepoint_driver.backends.ocpp.model.authorization import key_of, tag_of
from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.operations import commands
from chargepoint_driver.backends.ocpp.operations.charger_access import ChargerAccess, LocalChargers
from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.backends.ocpp.transport.authentication import tls_context
from chargepoint_driver.backends.ocpp.transport.own_calls import CallRefusedError
from chargepoint_driver.config.ocpp import Tls, parse_address
from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidValueError,
    NotFoundError,
)
from chargepoint_driver.http_server import (
    FailedLogins,
    Key,
    Listener,
    answering,
    json_answer,
    let_in,
    read_json,
    shown,
)
from chargepoint_driver.http_server.answers import json_pages, long_answer, refusal

__all__ = ["TOKEN", "HttpApi"]

TOKEN = "CHARGEPOINT_CONTROL_TOKEN"  # noqa: S105 - the variable's name
_MAX_BYTES = 262_144
# Points of a whole account.
_MAX_ACCOUNT_BYTES = 64 * 2**20
_MAX_WAIT_S = 300.0
_FOLLOW_S = 25.0
_MAX_FOLLOW_S = 60.0
_MIN_TOKEN_CHARS = 16


class HttpApi:
    """The API of one central system, on its loop."""

    def __init__(
        self,
        csms: Csms,
        listen: str,
        token: str | None = None,
        chargers: ChargerAccess | None = None,
        more: Sequence[tuple[Route, Handler]] = (),
    ) -> None:
        """`chargers` are by default those of the central system. `more` are further routes, with
        handlers. Without a token given, or in the environment, nobody gets in. Beyond loopback a
        token and the central system's `tls` are required. Raises ConfigurationError."""
        self._csms = csms
        self._chargers = LocalChargers(csms) if chargers is None else chargers
        self._more = more
        token = token or os.environ.get(TOKEN)
        self._key = Key(token or secrets.token_hex(32))
        try:
            address = parse_address(listen)
        except ValueError as error:
            raise ConfigurationError(f"control: {error}") from None
        context = None
        if not ipaddress.ip_address(address[0]).is_loopback:
            context = _context_beyond_loopback(listen, token, csms.config.tls)
        self._listener = Listener(address, "control", context)
        self._failed = FailedLogins(self._listener.log)
        self.central = CentralDocument(csms, self._chargers)
        self._newest = EventBuffer(self._chargers.listen, csms.now)

    @property
    def url(self) -> str:
        """Return where it listens; '' before."""
        return self._listener.url

    async def start(self) -> None:
        """Listen. Raises ConfigurationError."""
        app = web.Application(
            middlewares=[answering(_shown), self._guard],
            client_max_size=_MAX_ACCOUNT_BYTES if self._more else _MAX_BYTES,
        )
        for route in ROUTES:
            handler = getattr(self, f"_{route.handler}", None)
            if handler is None:
                handler = getattr(self.central, route.handler)
            app.router.add_route(route.method, route.path, handler)
            if route.path.endswith("/"):
                app.router.add_route(route.method, route.path.rstrip("/"), handler)
        for route, handler in self._more:
            app.router.add_route(route.method, route.path, handler)
        await self._listener.start(app)

    async def stop(self) -> None:
        """Stop listening."""
        self._newest.stop()
        await self._listener.stop()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._key.opens(request):
            if self._key.is_brought(request):
                await self._failed.wait(request)
            return refusal("not_permitted", "wrong token", 401)
        let_in(request)
        return await handler(request)

    async def _points(self, request: web.Request) -> web.Response:
        csms, nodes = self._csms, request.query.get("nodes")
        if nodes == "all":
            found = await self._chargers.charge_points()
            return await long_answer(found.views, "charge_points", without_node=found.without_node)
        if nodes is not None:
            raise InvalidValueError("nodes must be all, or left out for the chargers of this node")
        return json_answer([csms.view(point) for _, point in sorted(csms.points.items())])

    async def _point(self, request: web.Request) -> web.Response:
        return await self._ask(request, "view")

    async def _forget(self, request: web.Request) -> web.Response:
        return await self._ask(request, "forget")

    async def _call(self, request: web.Request) -> web.Response:
        payload = await read_json(request, dict[str, Any], "the payload of the request")
        limit_s = _number(request, "timeout", self._csms.config.call_timeout_s, _MAX_WAIT_S)
        action = request.match_info["action"]
        return await self._ask(request, "call", action=action, payload=payload, timeout_s=limit_s)

    async def _ask(self, request: web.Request, name: str, **fields: Any) -> web.Response:
        return json_answer(await self._chargers.ask(request.match_info["id"], name, fields))

    async def _reservations(self, request: web.Request) -> web.Response:
        of = request.query.get("charge_point")
        return json_answer(await commands.all_reservations(self._csms, of))

    async def _operate(self, request: web.Request) -> web.Response:
        """The operation that the last part of the path names."""
        return await self._carry_out(request, request.path.rpartition("/")[2])

    async def _reserve(self, request: web.Request) -> web.Response:
        return await self._carry_out(request, "reserve")

    async def _carry_out(self, request: web.Request, name: str) -> web.Response:
        arguments = await read_json(request, dict[str, Any], "an object of arguments")
        return await self._ask(request, "operate", operation=name, arguments=arguments)

    async def _cancel(self, request: web.Request) -> web.Response:
        number = request.match_info["number"]
        if not number.isdecimal() or len(number) > 18:
            raise NotFoundError(f"{request.match_info['id']} has no reservation {number[:32]}")
        return await self._ask(request, "cancel_reservation", reservation=int(number))

    async def _tags(self, request: web.Request) -> web.Response:
        del request
        return json_answer(commands.id_tags(self._csms))

    async def _tag(self, request: web.Request) -> web.Response:
        id_tag = request.match_info["tag"]
        for row in commands.id_tags(self._csms):
            if key_of(row["id_tag"]) == key_of(id_tag):
                return json_answer(row)
        raise NotFoundError(f"no idTag {id_tag[:64]!r}")

    async def _add_tag(self, request: web.Request) -> web.Response:
        body = await read_json(request, dict[str, Any], "the idTag")
        id_tag = body.pop("id_tag", None)
        tag = tag_of(id_tag, body)
        if self._csms.tags.find(tag.id_tag) is not None:
            raise InvalidValueError(
                f"{tag.id_tag} is there already; change it by PUT /id-tags/<idTag>"
            )
        return json_answer(await commands.put_tag(self._csms, tag))

    async def _put_tag(self, request: web.Request) -> web.Response:
        """Add or change one. A field that is left out stays as it is."""
        csms = self._csms
        body = await read_json(request, dict[str, Any], "the idTag")
        id_tag = request.match_info["tag"]
        known = csms.tags.find(id_tag)
        before: dict[str, Any] = {}
        if known is not None:
            before = {
                "status": known.status,
                "expires": iso(known.expires_s),
                "max_concurrent": known.max_concurrent,
            }
        tag = tag_of(id_tag if known is None else known.id_tag, {**before, **body})
        return json_answer(await commands.put_tag(csms, tag))

    async def _remove_tag(self, request: web.Request) -> web.Response:
        await commands.remove_tag(self._csms, request.match_info["tag"])
        return json_answer({})

    async def _transactions(self, request: web.Request) -> web.Response:
        month = request.query.get("month", "")
        of, is_csv = self._csms.queries, request.query.get("format") == "csv"
        return await self._table(
            lambda: of.transactions(month), queries.transactions_csv if is_csv else None
        )

    async def _running(self, request: web.Request) -> web.Response:
        csms, of = self._csms, request.query.get("charge_point")
        return await self._table(lambda: csms.queries.running(of))

    async def _usage(self, request: web.Request) -> web.Response:
        of, month = self._csms.queries, request.query.get("month", "")
        is_csv = request.query.get("format") == "csv"
        return await self._table(lambda: of.usage(month), queries.usage_csv if is_csv else None)

    async def _table(
        self, rows: Callable[[], list[Any]], as_csv: Callable[[list[Any]], str] | None = None
    ) -> web.Response:
        """Answer with many rows: read and written on a thread, in pages."""
        if as_csv is None:
            body = await self._csms.read(lambda: json_pages(rows()))
            return web.Response(body=body, content_type="application/json")
        text = await self._csms.read(lambda: as_csv(rows()))
        return web.Response(text=text, content_type="text/csv")

    async def _openapi(self, request: web.Request) -> web.Response:
        del request
        return json_answer(document(route for route, _ in self._more))

    async def _events(self, request: web.Request) -> web.Response:
        after = int(_number(request, "after", 0, float(1 << 62)))
        most = int(_number(request, "limit", 1_000, 1_000))
        csms = self._csms
        return await self._table(lambda: csms.queries.events(after, most))

    async def _follow(self, request: web.Request) -> web.Response:
        most = int(_number(request, "limit", 1_000, 1_000))
        wait_s = _number(request, "wait", _FOLLOW_S, _MAX_FOLLOW_S)
        return json_answer(await self._newest.after(request.query.get("after"), wait_s, most or 1))

    async def _live_status(self, request: web.Request) -> web.Response:
        of = request.query.get("charge_point_id")
        if of is not None:
            return json_answer([await self._chargers.ask(of, "live_status", {})])
        return await long_answer(await self._chargers.live_status())

    async def _sinks(self, request: web.Request) -> web.Response:
        del request
        return json_answer(self._csms.sinks())

    async def _counters(self, request: web.Request) -> web.Response:
        del request
        return json_answer(self._csms.all_counters())

    async def _health(self, request: web.Request) -> web.Response:
        """Sockets at present, and what was refused since the start: at the port, and here."""
        del request
        csms = self._csms
        connected = sum(point.connected for point in list(csms.points.values()))
        return json_answer(
            {
                "connected": connected,
                "connections": csms.connections(),
                "counters": csms.all_counters(),
                "refused": self._listener.counts(),
            }
        )

    async def _settings(self, request: web.Request) -> web.Response:
        del request
        csms = self._csms
        given = csms.config.model_dump(exclude_defaults=True)
        always = {
            # The port that was really taken, where any free one was asked for.
            "listen": urlsplit(csms.url).netloc,
            "charge_points": given.get("charge_points", "*"),
        }
        return json_answer(_with_whole_paths({**given, **always}))


def _context_beyond_loopback(listen: str, token: str | None, tls: Tls | None) -> SSLContext:
    """Return the context of HTTPS for an address that others reach. Raises ConfigurationError
    with every fault."""
    faults = []
    if token is None or len(token) < _MIN_TOKEN_CHARS:
        faults.append(
            f"control: {listen} can be reached by others; set {TOKEN} to {_MIN_TOKEN_CHARS} "
            "characters or more"
        )
    if tls is None:
        faults.append(
            f"control: {listen} can be reached by others, who could read the token; give the "
            "central system tls (certificate, key), or listen on loopback, like 127.0.0.1:0"
        )
    if faults or tls is None:
        raise ConfigurationError("\n".join(faults))
    # Its users have the token; only chargers show certificates.
    return tls_context(tls.model_copy(update={"client_ca": None}))


def _number(request: web.Request, name: str, default: float, most: float) -> float:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise InvalidValueError(f"{name} must be a number from 0 to {most:g}")
    return number


def _with_whole_paths(content: Any) -> Any:
    """Return settings as JSON with absolute paths: the reader may run in another folder."""
    if isinstance(content, dict):
        return {key: _with_whole_paths(value) for key, value in content.items()}
    return str(content.expanduser().absolute()) if isinstance(content, Path) else content


def _shown(error: ChargePointError) -> dict[str, Any]:
    fields = shown(error)
    if isinstance(error, CallRefusedError):
        fields["ocpp"] = {
            "code": error.service_code,
            "description": error.description,
            "details": error.details,
        }
    return fields
