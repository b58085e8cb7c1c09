"""Handlers of requests, and chargers made with those of their version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from .payload_reader import Fields

Handler = Callable[[Fields], dict[str, Any]]


class _HasHandlers(Protocol):
    handlers: dict[str, Handler]


AnyCharger = TypeVar("AnyCharger", bound=_HasHandlers)


def factory(
    kind: Callable[..., AnyCharger], *handlers: Callable[[AnyCharger], Mapping[str, Handler]]
) -> Callable[..., AnyCharger]:
    """Return what makes chargers of a kind, with everything that answers their requests."""

    def make(*given: Any) -> AnyCharger:
        point = kind(*given)
        for each in handlers:
            point.handlers.update(each(point))
        return point

    return make
