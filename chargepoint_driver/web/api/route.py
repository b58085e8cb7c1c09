"""Kinds of entries in the table of the API: a request, and a parameter of its query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chargepoint_driver.config.web_keys import Role
from chargepoint_driver.errors import InvalidValueError

__all__ = ["BASE", "Query", "Route"]

BASE = "/api/v1"
_MAX_DIGITS = 19


@dataclass(frozen=True)
class Query:
    """A parameter of a request's query; `schema` is its JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]
    required: bool = False

    def check(self, text: str) -> None:
        """Raise InvalidValueError for a text that is not in the range or in the list of the
        schema. An empty text is as if it were not given."""
        if not text:
            return
        schema = self.schema
        if schema["type"] == "integer":
            least, most = schema.get("minimum"), schema.get("maximum")
            is_number = text.isascii() and text.isdecimal() and len(text) < _MAX_DIGITS
            if (
                not is_number
                or (least is not None and int(text) < least)
                or (most is not None and int(text) > most)
            ):
                span = f" from {least} to {most}" if most is not None else " above 0"
                raise InvalidValueError(f"{self.name}: must be a whole number{span}")
        allowed = [str(each) for each in schema.get("enum", ())]
        if allowed and text not in allowed:
            raise InvalidValueError(f"{self.name}: must be one of {', '.join(allowed)}")


@dataclass(frozen=True)
class Route:
    """One request, below `base`. `name` is that of its handler in `api` and of the operation;
    `answer` None stands for JSON of any shape, or for a stream. `role`: the lowest role that may
    send it; None: a viewer for reading, an operator for everything else."""

    method: str
    path: str
    name: str
    summary: str
    answer: type | None
    body: type | None = None
    queries: tuple[Query, ...] = ()
    content: str = "application/json"
    base: str = BASE
    role: Role | None = None

    @property
    def least(self) -> Role:
        """The lowest role that may send the request."""
        return self.role or ("viewer" if self.method == "GET" else "operator")

    def check(self, query: Mapping[str, str]) -> None:
        """Raise InvalidValueError for a query that has a wrong value of a parameter."""
        for parameter in self.queries:
            parameter.check(query.get(parameter.name, ""))
