"""Kinds of entries in the table of the API: a request, and a parameter of its query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chargepoint_driver.config.web_keys import Role

__all__ = ["BASE", "Query", "Route"]

BASE = "/api/v1"


@dataclass(frozen=True)
class Query:
    """A parameter of a request's query; `schema` is its JSON Schema."""

    name: str
    description: str
    schema: dict[str, Any]


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
