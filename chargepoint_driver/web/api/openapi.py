"""The OpenAPI 3.1 document, made of the table of routes."""

from __future__ import annotations

from typing import Any

import msgspec

from chargepoint_driver import __version__
from chargepoint_driver.http_server.answers import STATUSES
from chargepoint_driver.web.api.operations import DESCRIPTIONS, EXAMPLES, TAGS, tag_of
from chargepoint_driver.web.api.route import Route
from chargepoint_driver.web.api.routes import ROUTES
from chargepoint_driver.web.api.schemas import Error

__all__ = ["document"]

_REF = "#/components/schemas/{name}"
_ALSO = (
    (401, "no key, a wrong one, or one that has expired"),
    (403, "the role may not send it (`role` is the lowest that may), or it came from another page"),
    (500, "failed here"),
)
_OF_BODIES = (
    (408, "the body did not come in time"),
    (413, "the body is too large"),
    (415, "the body is not JSON in UTF-8"),
)
_CODES = {401: "not_permitted", 403: "not_permitted", 408: "bad_value", 413: "http", 415: "http"}


def document() -> dict[str, Any]:
    """The document; its server is the one that it is read from."""
    types = [t for route in ROUTES for t in (route.body, route.answer) if t is not None]
    types = list(dict.fromkeys([*types, Error]))
    found, components = msgspec.json.schema_components(types, ref_template=_REF)
    components = _without_false(components)
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
            "value is not reported; 0 is a measurement. Times are ISO 8601 in UTC, power is kW, "
            "energy Wh. Lists have pages: `limit`, and `after` with the `after` of the answer "
            "before. Each operation names the lowest role that may send it: viewer, operator or "
            "administrator.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"bearer": []}],
        "tags": [{"name": tag, "description": words} for tag, (words, _) in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _without_false(schema: Any) -> Any:
    """Return a schema with `maxItems` in place of `items: false`, which generators of clients do
    not know."""
    if isinstance(schema, list):
        return [_without_false(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _without_false(each) for name, each in schema.items()}
    if made.get("items") is False and "prefixItems" in made:
        del made["items"]
        made["maxItems"] = len(made["prefixItems"])
    return made


def _operation(route: Route, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {route.content: {}}
    if route.content != "application/json":
        content = {route.content: {"schema": {"type": "string"}}}
    elif route.answer is not None:
        content = {route.content: {"schema": schemas[route.answer]}}
    body, answer = EXAMPLES.get(route.name, (None, None))
    if answer is not None:
        content[route.content]["example"] = answer
    words = DESCRIPTIONS.get(route.name, "")
    operation: dict[str, Any] = {
        "operationId": route.name if route.base else f"document_{route.name}",
        "tags": [tag_of(route.name)],
        "summary": route.summary,
        "description": f"{words} Needs the role {route.least}.".lstrip(),
        "responses": {
            "200": {"description": "done", "content": content},
            **_errors(route, schemas),
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[route.body], "example": body}},
        }
    if route.queries:
        operation["parameters"] = [
            {
                "name": query.name,
                "in": "query",
                "required": query.required,
                "description": query.description,
                "schema": query.schema,
            }
            for query in route.queries
        ]
    return operation


def _errors(route: Route, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    """Every status that an error may have, in words."""
    words: dict[int, list[str]] = {}
    of_bodies = () if route.body is None else _OF_BODIES
    for status, meaning in (*((code, text) for _, code, text in STATUSES), *_ALSO, *of_bodies):
        words.setdefault(status, []).append(meaning)
    codes = {status: cls.code for cls, status, _ in reversed(STATUSES)} | _CODES
    answers = {}
    for status, meanings in sorted(words.items()):
        error = {
            "code": codes.get(status, "error"),
            "message": meanings[0],
            "service_code": None,
            "retry_after_s": None,
        }
        content = {"schema": schemas[Error], "example": {"error": error}}
        answers[str(status)] = {
            "description": "; or ".join(meanings),
            "content": {"application/json": content},
        }
    return answers
