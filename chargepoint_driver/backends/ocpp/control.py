"""The control API: HTTP and JSON on loopback, behind a token. For scripts and conformance kits."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import os
import secrets
import socket
from typing import Any

import msgspec
from aiohttp import web

from chargepoint_driver.backends.ocpp import questions
from chargepoint_driver.backends.ocpp.link import CallRefused
from chargepoint_driver.backends.ocpp.system import Csms
from chargepoint_driver.config.ocpp import parse_address
from chargepoint_driver.errors import (
    BadConfiguration,
    BadValue,
    ChargePointError,
    FateUnknown,
    NothingThere,
    TryLater,
    WriteRejected,
)

__all__ = ["TOKEN", "Control"]

_log = logging.getLogger(__name__)
TOKEN = "CHARGEPOINT_CONTROL_TOKEN"  # noqa: S105 - the variable's name
_STATUSES = (
    (BadValue, 400),
    (NothingThere, 404),
    (FateUnknown, 504),
    (TryLater, 503),
    (WriteRejected, 502),
)
_MOST_BYTES = 262_144
_LONGEST_WAIT_S = 300.0


class Control:
    """The API of one central system, on its loop."""

    def __init__(self, csms: Csms, listen: str, token: str | None = None) -> None:
        """Without a token given, or in the environment, nobody gets in."""
        self._csms = csms
        self._token = (token or os.environ.get(TOKEN) or secrets.token_hex(32)).encode()
        try:
            self._address = parse_address(listen)
        except ValueError as error:
            raise BadConfiguration(f"control: {error}") from None
        if not ipaddress.ip_address(self._address[0]).is_loopback:
            raise BadConfiguration("control: only loopback, like 127.0.0.1:0")
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen. Raises BadConfiguration."""
        app = web.Application(middlewares=[self._guard], client_max_size=_MOST_BYTES)
        app.router.add_get("/charge-points", self._points)
        app.router.add_get("/charge-points/{id}", self._point)
        app.router.add_post("/charge-points/{id}/{action}", self._call)
        app.router.add_get("/transactions", self._transactions)
        app.router.add_get("/events", self._events)
        app.router.add_get("/counters", self._counters)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
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
                f"control: {host}:{port} cannot be used ({error.strerror})"
            ) from None
        self._runner = runner
        await web.SockSite(runner, sock).start()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{sock.getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """The token, and errors as JSON."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token)
        if kind.lower() != "bearer" or not right:
            return _json({"error": {"code": "not_permitted", "message": "wrong token"}}, 401)
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            return _json({"error": {"code": "http", "message": error.reason}}, error.status)
        except ChargePointError as error:
            status = next((code for cls, code in _STATUSES if isinstance(error, cls)), 500)
            return _json({"error": _shown(error)}, status)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - logged; the others go on
            _log.exception("control API: %s failed", request.path)
            return _json({"error": {"code": "error", "message": "failed here"}}, 500)
        return response

    async def _points(self, request: web.Request) -> web.Response:
        del request
        csms = self._csms
        return _json([csms.view(point) for _, point in sorted(csms.points.items())])

    async def _point(self, request: web.Request) -> web.Response:
        csms = self._csms
        return _json(csms.view(csms.point(request.match_info["id"])))

    async def _call(self, request: web.Request) -> web.Response:
        csms = self._csms
        point = csms.point(request.match_info["id"])
        text = await request.read()
        try:
            payload = msgspec.json.decode(text) if text.strip() else {}
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise BadValue("the body must be the JSON payload of the request") from None
        if not isinstance(payload, dict):
            raise BadValue("the body must be a JSON object")
        limit_s = _number(request, "timeout", csms.config.call_timeout_s, _LONGEST_WAIT_S)
        answer = await csms.call(point, request.match_info["action"], payload, limit_s)
        return _json(answer)

    async def _transactions(self, request: web.Request) -> web.Response:
        month = request.query.get("month", "")
        self._csms.store.flush()
        rows = questions.transactions(self._csms.config.database, month)
        if request.query.get("format") == "csv":
            return web.Response(text=questions.transactions_csv(rows), content_type="text/csv")
        return _json(rows)

    async def _events(self, request: web.Request) -> web.Response:
        after = int(_number(request, "after", 0, float(1 << 62)))
        most = int(_number(request, "limit", 1_000, 1_000))
        self._csms.store.flush()
        return _json(questions.events(self._csms.config.database, after, most))

    async def _counters(self, request: web.Request) -> web.Response:
        del request
        return _json(dict(self._csms.counters))


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


def _shown(error: ChargePointError) -> dict[str, Any]:
    shown = error.to_dict()
    if isinstance(error, CallRefused):
        shown["ocpp"] = {
            "code": error.service_code,
            "description": error.description,
            "details": error.details,
        }
    return shown


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=status, content_type="application/json"
    )
