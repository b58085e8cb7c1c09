"""The control API: HTTP and JSON on loopback, behind a token. For scripts and conformance kits."""

from __future__ import annotations

import ipaddress
import os
import secrets
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from chargepoint_driver.backends.ocpp import commands
from chargepoint_driver.backends.ocpp.csms import Csms
from chargepoint_driver.backends.ocpp.model.authorization import key_of, tag_of
from chargepoint_driver.backends.ocpp.model.timestamps import iso, parse
from chargepoint_driver.backends.ocpp.storage import queries
from chargepoint_driver.backends.ocpp.transport.connection import CallRefused
from chargepoint_driver.config.ocpp import parse_address
from chargepoint_driver.errors import BadConfiguration, BadValue, ChargePointError, NothingThere
from chargepoint_driver.http import (
    FailedLogins,
    Key,
    Listener,
    answering,
    json_answer,
    let_in,
    read_json,
    shown,
)
from chargepoint_driver.http.answers import refusal

__all__ = ["TOKEN", "Control"]

TOKEN = "CHARGEPOINT_CONTROL_TOKEN"  # noqa: S105 - the variable's name
_MOST_BYTES = 262_144
_LONGEST_WAIT_S = 300.0


class Control:
    """The API of one central system, on its loop."""

    def __init__(self, csms: Csms, listen: str, token: str | None = None) -> None:
        """Without a token given, or in the environment, nobody gets in."""
        self._csms = csms
        self._key = Key(token or os.environ.get(TOKEN) or secrets.token_hex(32))
        try:
            address = parse_address(listen)
        except ValueError as error:
            raise BadConfiguration(f"control: {error}") from None
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise BadConfiguration("control: only loopback, like 127.0.0.1:0")
        self._listener = Listener(address, "control")
        self._failed = FailedLogins(self._listener.log)

    @property
    def url(self) -> str:
        """Where it listens; '' before."""
        return self._listener.url

    async def start(self) -> None:
        """Listen. Raises BadConfiguration."""
        app = web.Application(
            middlewares=[answering(_shown), self._guard], client_max_size=_MOST_BYTES
        )
        app.router.add_get("/charge-points", self._points)
        app.router.add_get("/charge-points/{id}", self._point)
        app.router.add_post("/charge-points/{id}/reservations", self._reserve)
        app.router.add_delete("/charge-points/{id}/reservations/{number}", self._cancel)
        app.router.add_post("/charge-points/{id}/{action}", self._call)
        app.router.add_get("/reservations", self._reservations)
        app.router.add_get("/id-tags", self._tags)
        app.router.add_post("/id-tags", self._add_tag)
        app.router.add_get("/id-tags/{tag}", self._tag)
        app.router.add_put("/id-tags/{tag}", self._put_tag)
        app.router.add_delete("/id-tags/{tag}", self._remove_tag)
        app.router.add_get("/transactions", self._transactions)
        app.router.add_get("/events", self._events)
        app.router.add_get("/counters", self._counters)
        app.router.add_get("/health", self._health)
        app.router.add_get("/settings", self._settings)
        await self._listener.start(app)

    async def stop(self) -> None:
        """Stop listening."""
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
        del request
        csms = self._csms
        return json_answer([csms.view(point) for _, point in sorted(csms.points.items())])

    async def _point(self, request: web.Request) -> web.Response:
        csms = self._csms
        return json_answer(csms.view(csms.point(request.match_info["id"])))

    async def _call(self, request: web.Request) -> web.Response:
        csms = self._csms
        point = csms.point(request.match_info["id"])
        payload = await read_json(request, dict[str, Any], "the payload of the request")
        limit_s = _number(request, "timeout", csms.config.call_timeout_s, _LONGEST_WAIT_S)
        answer = await csms.call(point, request.match_info["action"], payload, limit_s)
        return json_answer(answer)

    async def _reservations(self, request: web.Request) -> web.Response:
        csms = self._csms
        return json_answer(csms.store.reservations(csms.now(), request.query.get("charge_point")))

    async def _reserve(self, request: web.Request) -> web.Response:
        csms = self._csms
        point = csms.point(request.match_info["id"])
        body = await _fields(request, "connector", "id_tag", "expires", "minutes")
        connector, minutes = body.get("connector"), body.get("minutes")
        expires_s = parse(body.get("expires"))
        if _is_number(minutes) and "expires" not in body:
            expires_s = csms.now() + minutes * 60
        if expires_s is None:
            raise BadValue("give expires, a time like 2026-12-31T00:00:00Z, or minutes")
        if connector is not None and not (_is_number(connector) and connector == int(connector)):
            raise BadValue("connector: must be a whole number, or left out for any")
        id_tag = str(body.get("id_tag") or "")
        row = await commands.reserve(csms, point, int(connector or 0) or None, id_tag, expires_s)
        return json_answer(row)

    async def _cancel(self, request: web.Request) -> web.Response:
        csms = self._csms
        point, number = csms.point(request.match_info["id"]), request.match_info["number"]
        if not number.isdecimal() or len(number) > 18:
            raise NothingThere(f"{point.station_id} has no reservation {number[:32]}")
        return json_answer(await commands.cancel_reservation(csms, point, int(number)))

    async def _tags(self, request: web.Request) -> web.Response:
        del request
        return json_answer(commands.id_tags(self._csms))

    async def _tag(self, request: web.Request) -> web.Response:
        id_tag = request.match_info["tag"]
        for row in commands.id_tags(self._csms):
            if key_of(row["id_tag"]) == key_of(id_tag):
                return json_answer(row)
        raise NothingThere(f"no idTag {id_tag[:64]!r}")

    async def _add_tag(self, request: web.Request) -> web.Response:
        body = await read_json(request, dict[str, Any], "the idTag")
        id_tag = body.pop("id_tag", None)
        tag = tag_of(id_tag, body)
        if self._csms.tags.find(tag.id_tag) is not None:
            raise BadValue(f"{tag.id_tag} is there already; change it by PUT /id-tags/<idTag>")
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
        await self._csms.stored()
        rows = queries.transactions(self._csms.config.database, month)
        if request.query.get("format") == "csv":
            return web.Response(text=queries.transactions_csv(rows), content_type="text/csv")
        return json_answer(rows)

    async def _events(self, request: web.Request) -> web.Response:
        after = int(_number(request, "after", 0, float(1 << 62)))
        most = int(_number(request, "limit", 1_000, 1_000))
        await self._csms.stored()
        return json_answer(queries.events(self._csms.config.database, after, most))

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


async def _fields(request: web.Request, *known: str) -> dict[str, Any]:
    """The body, an object of these fields. Raises BadValue."""
    body: dict[str, Any] = await read_json(request, dict[str, Any], "the request")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise BadValue(f"{unknown[0]}: unknown; give {', '.join(known)}")
    return body


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1 << 31


def _number(request: web.Request, name: str, default: float, most: float) -> float:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise BadValue(f"{name} must be a number from 0 to {most:g}")
    return number


def _with_whole_paths(content: Any) -> Any:
    """Settings as JSON has them; whoever reads them may work in another folder."""
    if isinstance(content, dict):
        return {key: _with_whole_paths(value) for key, value in content.items()}
    return str(content.expanduser().absolute()) if isinstance(content, Path) else content


def _shown(error: ChargePointError) -> dict[str, Any]:
    fields = shown(error)
    if isinstance(error, CallRefused):
        fields["ocpp"] = {
            "code": error.service_code,
            "description": error.description,
            "details": error.details,
        }
    return fields
