"""What the handlers of requests do alike in every protocol version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chargepoint_driver.backends.ocpp.model.timestamps import iso
from chargepoint_driver.backends.ocpp.protocol.dispatch import Handler, Request
from chargepoint_driver.backends.ocpp.protocol.transactions import message_time
from chargepoint_driver.backends.ocpp.wire.framing import WireError

__all__ = ["Handlers", "booted", "connector_number", "heartbeat", "noted", "phases_of"]

_MOST_CONNECTORS = 1_000


class Handlers(dict[str, Handler]):
    """Handlers by action."""

    def on(self, action: str) -> Callable[[Handler], Handler]:
        """Make a function the handler of an action."""

        def register(handler: Handler) -> Handler:
            self[action] = handler
            return handler

        return register


def booted(request: Request, payload: dict[str, Any], boot: dict[str, Any]) -> dict[str, Any]:
    """Take the boot data, and accept the charge point."""
    point, desk = request.point, request.desk
    point.boot = {**boot, "raw": payload}
    desk.note(request, None, request.received_s, payload)
    request.after.append(lambda: desk.booted(point))
    return {
        "status": "Accepted",
        "currentTime": iso(request.received_s),
        "interval": desk.heartbeat_s,
    }


def heartbeat(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    """Tell the time."""
    request.desk.note(request, None, request.received_s, payload)
    return {"currentTime": iso(request.received_s)}


def noted(answer: dict[str, Any] | None = None) -> Handler:
    """A handler that records the message, by its own time where it has one, and no more."""

    def handler(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        time_s = message_time(request, payload.get("timestamp"))
        request.desk.note(request, None, time_s, payload)
        return dict(answer or {})

    return handler


def connector_number(number: int, name: str) -> int:
    """The number of a connector, or EVSE. Raises WireError when it cannot be one."""
    if not 0 <= number <= _MOST_CONNECTORS:
        raise WireError("PropertyConstraintViolation", f"{name}: there is no such one")
    return int(number)


def phases_of(request: Request) -> int:
    """The phases that a connector uses; what DC is fed from does not show there."""
    electrical = request.point.electrical
    return 1 if electrical.is_dc else electrical.phases
