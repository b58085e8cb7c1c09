"""The control API as a table: what is served, and its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from chargepoint_driver import __version__
from chargepoint_driver.backends.ocpp.control_api import http_central as central
from chargepoint_driver.backends.ocpp.operations.arguments import ReserveArguments
from chargepoint_driver.backends.ocpp.operations.operations import OPERATIONS
from chargepoint_driver.http_server.answers import STATUSES

__all__ = ["ROUTES", "Route", "document"]


@dataclass(frozen=True)
class Route:
    """One request. `handler` is the method that answers it. `body` None: no body, or with
    `takes_object` any JSON object. `queries` maps a parameter to what it means."""

    method: str
    path: str
    handler: str
    summary: str
    body: type[msgspec.Struct] | None = None
    takes_object: bool = False
    queries: tuple[tuple[str, str], ...] = ()


_ID = "/charge-points/{id}"
_OF_ONE = (("charge_point", "only of this charge point"),)
_ONE = (("charge_point_id", "only of this charge point"),)
_CPID = (("cpid", "only of this charger"),)
_MONTH = (("month", "YYYY-MM, UTC"), ("format", "csv: the same as CSV"))
_OLD = "/api/v1"

ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/charge-points",
        "points",
        "Every charge point",
        queries=(("nodes", "all: an object with those of all nodes; default: of this process"),),
    ),
    Route("GET", _ID, "point", "One charge point"),
    Route("DELETE", _ID, "forget", "Forget a charge point; its records stay"),
    Route("POST", f"{_ID}/reservations", "reserve", "Reserve a connector", ReserveArguments),
    Route("DELETE", f"{_ID}/reservations/{{number}}", "cancel", "End a reservation"),
    *(
        Route("POST", f"{_ID}/{name}", "operate", operation.summary, operation.arguments)
        for name, operation in OPERATIONS.items()
    ),
    Route(
        "POST",
        f"{_ID}/{{action}}",
        "call",
        "Send any request of OCPP, like GetConfiguration; the body is its payload",
        takes_object=True,
        queries=(("timeout", "seconds that the answer may take"),),
    ),
    Route("GET", "/reservations", "reservations", "All reservations", queries=_OF_ONE),
    Route("GET", "/id-tags", "tags", "Known idTags"),
    Route("POST", "/id-tags", "add_tag", "Add an idTag", takes_object=True),
    Route("GET", "/id-tags/{tag}", "tag", "One idTag"),
    Route("PUT", "/id-tags/{tag}", "put_tag", "Add or change an idTag", takes_object=True),
    Route("DELETE", "/id-tags/{tag}", "remove_tag", "Remove an idTag that was added here"),
    Route(
        "GET",
        "/transactions",
        "transactions",
        "The transactions that ended in a month",
        queries=_MONTH,
    ),
    Route("GET", "/transactions/running", "running", "The transactions that run", queries=_OF_ONE),
    Route(
        "GET",
        "/transactions/by-id-tag",
        "usage",
        "Sessions and energy of each idTag in a month",
        queries=_MONTH,
    ),
    Route(
        "GET",
        "/events",
        "events",
        "Stored events, oldest first",
        queries=(
            ("after", "only of higher ids"),
            ("limit", "the greatest number of events, up to 1000"),
        ),
    ),
    Route(
        "GET",
        "/events/follow",
        "follow",
        "Events as they happen, of all nodes: waits for the next ones",
        queries=(
            ("after", "`cursor` of the answer before; default: answer at once with a cursor"),
            ("wait", "seconds to wait at most, up to 60; default: 25"),
            ("limit", "the greatest number of events, up to 1000"),
        ),
    ),
    Route("GET", "/counters", "counters", "What was out of order, over all"),
    Route("GET", "/health", "health", "Sockets, and what was refused"),
    Route("GET", "/settings", "settings", "The settings that are not the default"),
    Route("GET", "/openapi.json", "openapi", "This document"),
    Route("POST", f"{_OLD}/start", "document_start", "Begin a session", central.StartBody),
    Route("POST", f"{_OLD}/stop", "document_stop", "End a session", central.StopBody),
    Route(
        "POST",
        f"{_OLD}/availability",
        "document_availability",
        "Take a connector in or out of service",
        central.AvailabilityBody,
    ),
    Route("POST", f"{_OLD}/reset", "document_reset", "Restart a charger", central.ResetBody),
    Route("POST", f"{_OLD}/release", "document_release", "Release the plug", central.ReleaseBody),
    Route("GET", f"{_OLD}/active", "document_active", "The sessions that run", queries=_CPID),
    Route(
        "GET",
        f"{_OLD}/history",
        "document_history",
        "The sessions of a time",
        queries=(*_CPID, ("start", "ISO 8601; by default 31 days ago"), ("end", "ISO 8601")),
    ),
    Route("GET", f"{_OLD}/status", "document_status", "Every connector", queries=_CPID),
    Route("GET", f"{_OLD}/stations", "document_stations", "Every charger"),
    Route("GET", f"{_OLD}/health", "document_health", "Whether this process works"),
    *(
        Route("GET", path, "live_status", "The latest status of every charge point", queries=_ONE)
        for path in (f"{_OLD}/live-status", "/charge_point_live_status/")
    ),
    Route("GET", "/sinks", "sinks", "How each sink of events stands"),
    Route("POST", "/charge/start", "document_start", "Begin a session", central.StartBody),
    Route(
        "POST",
        "/charge/stop",
        "document_charge_stop",
        "End what runs on a connector, if anything does",
        central.PlaceBody,
    ),
)


def document(more: Iterable[Route] = ()) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; its server is the one that it is read from. `more` are
    routes that it serves besides."""
    routes = (*ROUTES, *more)
    bodies = list(dict.fromkeys(route.body for route in routes if route.body is not None))
    found, components = msgspec.json.schema_components(
        bodies, ref_template="#/components/schemas/{name}"
    )
    schemas = dict(zip(bodies, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OCPP central system: control API",
            "version": __version__,
            "description": "Chargers that connect directly. null means that a value is not "
            "reported; 0 is a measurement.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "service_code": {"type": ["string", "null"]},
                "ocpp": {"type": "object", "description": "the CALLERROR of the charger"},
            },
        }
    },
}


def _operation(route: Route, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    words = re.findall(r"[A-Za-z0-9]+", f"{route.method.lower()} {route.path}")
    operation: dict[str, Any] = {
        "operationId": "_".join(words),
        "summary": route.summary,
        "responses": {
            "200": {"description": "done", "content": {"application/json": {}}},
            **_errors(),
        },
    }
    parameters = [
        {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
        for each in re.findall(r"{(\w+)}", route.path)
    ]
    parameters += [
        {"name": each, "in": "query", "description": words, "schema": {"type": "string"}}
        for each, words in route.queries
    ]
    if parameters:
        operation["parameters"] = parameters
    schema: dict[str, Any] | None = {"type": "object"} if route.takes_object else None
    if route.body is not None:
        schema = schemas[route.body]
    if schema is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _errors() -> dict[str, Any]:
    words: dict[int, list[str]] = {401: ["no token, or a wrong one"], 500: ["failed here"]}
    for _, status, meaning in STATUSES:
        words.setdefault(status, []).append(meaning)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        str(status): {"description": "; or ".join(meanings), "content": content}
        for status, meanings in sorted(words.items())
    }
