"""The OpenAPI 3.1 document, made of the table of routes."""

from __future__ import annotations

from typing import Any

import msgspec

from chargepoint_driver import __version__
from chargepoint_driver.http_server.answers import STATUSES
from chargepoint_driver.web.route import Route
from chargepoint_driver.web.routes import ROUTES
from chargepoint_driver.web.schemas import Error

__all__ = ["document"]

_REF = "#/components/schemas/{name}"
_ALSO = ((401, "no key, or a wrong one"), (500, "failed here"))


def document() -> dict[str, Any]:
    """The document; its server is the one that it is read from."""
    types = [t for route in ROUTES for t in (route.body, route.answer) if t is not None]
    types = list(dict.fromkeys([*types, Error]))
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    schemas = dict(zip(types, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        operation = _operation(route, schemas)
        paths.setdefault(route.base + route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ChargePoint driver",
            "version": __version__,
            "description": "Charging stations of the configured accounts. null means that a "
            "value is not reported; 0 is a measurement.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {route.content: {}}
    if route.content != "application/json":
        content = {route.content: {"schema": {"type": "string"}}}
    elif route.answer is not None:
        content = {route.content: {"schema": schemas[route.answer]}}
    operation: dict[str, Any] = {
        "operationId": route.name if route.base else f"document_{route.name}",
        "summary": route.summary,
        "responses": {"200": {"description": "done", "content": content}, **_errors(schemas)},
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[route.body]}},
        }
    if route.queries:
        operation["parameters"] = [
            {
                "name": query.name,
                "in": "query",
                "description": query.description,
                "schema": query.schema,
            }
            for query in route.queries
        ]
    return operation


def _errors(schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    """Every status that an error may have, in words."""
    words: dict[int, list[str]] = {}
    for status, meaning in (*((code, text) for _, code, text in STATUSES), *_ALSO):
        words.setdefault(status, []).append(meaning)
    content = {"application/json": {"schema": schemas[Error]}}
    return {
        str(status): {"description": "; or ".join(meanings), "content": content}
        for status, meanings in sorted(words.items())
    }
