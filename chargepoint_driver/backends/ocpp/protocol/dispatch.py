"""The incoming request, and the services that its handler may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from chargepoint_driver.backends.ocpp.model.charger import Charger
from chargepoint_driver.backends.ocpp.storage.store import Store

if TYPE_CHECKING:
    from chargepoint_driver.backends.ocpp.model.authorization import IdTags

__all__ = ["Handler", "HandlerContext", "ProtocolVersion", "Request"]


class HandlerContext(Protocol):
    """Services of the central system that a handler may use."""

    store: Store
    tags: IdTags

    @property
    def heartbeat_s(self) -> int: ...

    def record_event(
        self, request: Request, connector: int | None, time_s: float, data: Any
    ) -> None:
        """Record the message as an event, normalised, and tell those who listen."""

    async def booted(self, point: Charger) -> None:
        """Put limits back after a (re)start of the charger, and read what is not known."""

    async def ask_status(self, point: Charger, is_needed: Callable[[], bool] | None = None) -> None:
        """See `set_up.SetUp.ask_status`."""

    async def began(self, point: Charger, connector_id: int) -> None:
        """Put limits back after the begin of a transaction."""

    def count(self, point: Charger | None, name: str, detail: str = "") -> None:
        """Count what was out of order."""


@dataclass(slots=True)
class Request:
    """One request of a charge point. `after` is begun when the answer has been sent.
    `as_received` has values as they came where they were read as something else, by place."""

    context: HandlerContext
    point: Charger
    action: str
    received_s: float
    after: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    as_received: dict[str, Any] | None = None


Handler = Callable[[Request, dict[str, Any]], dict[str, Any]]
"""Takes a request and its payload, returns the payload of the answer; WireError refuses."""


@dataclass(frozen=True)
class ProtocolVersion:
    """One protocol version. `fast` are requests that are read into types of their own:
    (decoder, handler); what does not fit those goes the common way."""

    version: str
    handlers: dict[str, Handler]
    fast: dict[str, tuple[Any, Callable[[Request, Any], dict[str, Any]]]]
    whole: tuple[bytes, Any] | None = None
    """(what the head of a frame has, decoder of the whole frame) of the request that comes most
    often: it is read in one pass."""
