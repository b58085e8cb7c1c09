"""JSON bodies and answers, and the HTTP status of each error of the tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chargepoint_driver.errors import (
    ChargePointError,
    ConfigurationError,
    InvalidReplyError,
    InvalidValueError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransientError,
    WriteRejectedError,
)
from chargepoint_driver.process.loop_thread import off_loop
from chargepoint_driver.rate_limited_log import RateLimitedLog
from chargepoint_driver.text import get_logger, visible

__all__ = [
    "STATUSES",
    "answering",
    "json_answer",
    "json_pages",
    "long_answer",
    "read_json",
    "refusal",
    "shown",
    "status_of",
]

_log = get_logger(__name__)
_PAGE = 500
_failures = RateLimitedLog(_log)

_KINDS = {
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "text/json",
    "text/plain",
}
_CHARSETS = {"ascii", "us-ascii", "utf-8", "utf8"}
_ENCODINGS = {"deflate", "gzip", "identity"}

# The first class that fits counts.
STATUSES: tuple[tuple[type[ChargePointError], int, str], ...] = (
    (InvalidValueError, 400, "the request is invalid; nothing was sent"),
    (ConfigurationError, 400, "the request names what is not configured; nothing was sent"),
    (NotFoundError, 404, "no such station, port or record"),
    (RefusedError, 409, "refused; the same request will be refused again"),
    (WriteRejectedError, 502, "the service or the charger did not carry it out"),
    (InvalidReplyError, 502, "the answer of the service or the charger cannot be understood"),
    (OutcomeUnknownError, 504, "sent, and no answer came: it may have been carried out"),
    (TransientError, 503, "out of reach at present; nothing was sent"),
)


def shown(error: ChargePointError) -> dict[str, Any]:
    """Return the error as answers carry it."""
    return error.to_dict()


def status_of(error: ChargePointError) -> int:
    """Return the HTTP status of an error."""
    return next((code for cls, code, _ in STATUSES if isinstance(error, cls)), 500)


def json_answer(content: object, status: int = 200) -> web.Response:
    """Return an answer with this content as JSON. None becomes null, and so do NaN and infinity."""
    return web.Response(
        body=msgspec.json.encode(content), status=status, content_type="application/json"
    )


def json_pages(rows: list[Any]) -> bytes:
    """Return rows as one JSON array, encoded page by page: others run in between."""
    pages = (
        msgspec.json.encode(rows[first : first + _PAGE])[1:-1]
        for first in range(0, len(rows), _PAGE)
    )
    return b"[" + b",".join(pages) + b"]"


async def long_answer(rows: list[Any], name: str | None = None, **more: Any) -> web.Response:
    """Return an answer of many rows, encoded on a thread: the rows alone, or under a name with
    `more`."""

    def body() -> bytes:
        pages = json_pages(rows)
        return pages if name is None else msgspec.json.encode({name: msgspec.Raw(pages), **more})

    return web.Response(body=await off_loop(body), content_type="application/json")


def refusal(code: str, message: str, status: int, **more: object) -> web.Response:
    """The answer to a request that was not let through, or not understood. `more` are further
    fields of the error."""
    error = {"code": code, "message": message, "service_code": None, "retry_after_s": None, **more}
    return json_answer({"error": error}, status)


async def read_json(request: web.Request, kind: Any, what: str) -> Any:
    """Return the body as that type (see msgspec); an empty body counts as {}. Raises
    InvalidValueError that names what is wrong, and HTTPUnsupportedMediaType where the headers say
    that it is not JSON."""
    text = await request.read()
    if text and not _may_be_json(request):
        kinds = request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", "")
        given = " with ".join(each[:80] for each in kinds if each)
        raise web.HTTPUnsupportedMediaType(
            reason=f"the body must be JSON in UTF-8 (application/json), not {visible(given)}",
            headers={"Accept": "application/json"},
        )
    try:
        return msgspec.json.decode(text if text.strip() else b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise InvalidValueError(f"the body must be {what}: {error}") from None
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise InvalidValueError(f"the body must be {what}, as JSON") from None


def answering(
    describe: Callable[[ChargePointError], dict[str, Any]] = shown,
) -> Middleware:
    """Return the middleware that turns whatever goes wrong into a JSON answer."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _has_host(request):
            return refusal("bad_value", "the header Host is missing or wrong", 400)
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except web.HTTPException as error:
            return _refused_by_http(request, error)
        except ChargePointError as error:
            return json_answer({"error": describe(error)}, status_of(error))
        except asyncio.CancelledError:
            raise
        except ConnectionError:
            # It went away meanwhile: nobody reads this.
            return refusal("error", "the connection has ended", 400)
        except Exception as error:  # noqa: BLE001 - logged; the others go on
            if _failures.error("failed_requests", name=request.path, reason=type(error).__name__):
                _log.exception("%s failed", request.path)
            return refusal("error", "failed here; see the log", 500)

    return answer


def _refused_by_http(request: web.Request, error: web.HTTPException) -> web.Response:
    """Return the answer to a request that no handler takes, with the headers that say what would
    be taken."""
    words = error.reason
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        words = f"{error.method} is not for {visible(request.path)[:200]}; it takes {allowed}"
    elif isinstance(error, web.HTTPNotFound):
        words = f"there is nothing at {visible(request.path)[:200]}"
    answer = refusal("http", words, error.status)
    for name in ("Allow", "Accept"):
        if name in error.headers:
            answer.headers[name] = error.headers[name]
    return answer


def _may_be_json(request: web.Request) -> bool:
    """Return True unless the headers declare another type of body. `curl -d` declares each body a
    form, and some programs declare nothing."""
    kind = request.content_type
    return (
        (kind in _KINDS or kind.endswith("+json"))
        and (request.charset or "utf-8").lower() in _CHARSETS
        and request.headers.get("Content-Encoding", "identity").lower() in _ENCODINGS
    )


def _has_host(request: web.Request) -> bool:
    """Return True if the request names a host. Without one aiohttp would ask the system's
    resolver."""
    if not request.headers.get("Host"):
        return False
    try:
        return bool(request.url.host) and request.url.port is not None
    except ValueError:
        return False
