"""Handlers of requests, shared by all protocol versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chargepoint_driver.backends.ocpp.model.bounds import MAX_CONNECTORS
from chargepoint_driver.backends.ocpp.model.metering import Sample, grouped, sample
from chargepoint_driver.backends.ocpp.model.timestamps import historic, iso, parse
from chargepoint_driver.backends.ocpp.protocol.charger_reports import take_boot
from chargepoint_driver.backends.ocpp.protocol.dispatch import Handler, Request
from chargepoint_driver.backends.ocpp.protocol.events import Booted
from chargepoint_driver.backends.ocpp.wire.framing import WireError

__all__ = [
    "Handlers",
    "accept_boot",
    "begin_register",
    "connector_if_known",
    "connector_in",
    "connector_number",
    "heartbeat",
    "message_time",
    "needed",
    "recorded",
    "register_in",
    "samples_of",
]

_MAX_CONNECTORS = 1_000
# A register beyond this, in Wh, is not a register.
_MAX_WH = 1e15


class Handlers(dict[str, Handler]):
    """Handlers by action."""

    def on(self, action: str) -> Callable[[Handler], Handler]:
        """Make a function the handler of an action."""

        def register(handler: Handler) -> Handler:
            self[action] = handler
            return handler

        return register


def message_time(request: Request, text: object) -> float:
    """Return the time of a message for the record: that of its receipt where it has none."""
    time_s = parse(text)
    if time_s is None and text is not None:
        request.context.count(request.point, "unreadable_times", request.action)
        request.point.forgive("time", request.action)
    return historic(time_s, request.received_s)


def accept_boot(request: Request, event: Booted, payload: dict[str, Any]) -> dict[str, Any]:
    """Take the boot data, and accept the charger."""
    take_boot(request, event, payload)
    request.context.record_event(request, None, request.received_s, payload)
    return {
        "status": "Accepted",
        "currentTime": iso(request.received_s),
        "interval": request.context.heartbeat_s,
    }


def heartbeat(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
    """Tell the time."""
    request.context.record_event(request, None, request.received_s, payload)
    return {"currentTime": iso(request.received_s)}


def recorded(answer: dict[str, Any] | None = None) -> Handler:
    """Return a handler that records the message, by its own time where it has one, and no more."""

    def handler(request: Request, payload: dict[str, Any]) -> dict[str, Any]:
        time_s = message_time(request, payload.get("timestamp"))
        request.context.record_event(request, None, time_s, payload)
        return dict(answer or {})

    return handler


def needed(payload: dict[str, Any], name: str) -> Any:
    """Return a field that a message is useless without. Raises WireError."""
    if name not in payload:
        raise WireError("ProtocolError", f"{name}: is required")
    return payload[name]


def connector_in(request: Request, payload: dict[str, Any], name: str) -> int:
    """Return the connector (or EVSE) of a message; without a number the only one there is.
    Raises WireError where it is unknown."""
    found = connector_if_known(request, payload, name)
    if found is None:
        raise WireError("ProtocolError", f"{name}: is required")
    return found


def connector_if_known(
    request: Request, payload: dict[str, Any], name: str, running: str | None = None
) -> int | None:
    """Return the connector (or EVSE) of a message. Without a number it is the one on which the
    transaction `running` runs, else the only one; None where there is neither."""
    point = request.point
    if name in payload:
        if point.is_strict or 0 <= payload[name] <= _MAX_CONNECTORS:
            number = connector_number(payload[name], name)
            known = point.connectors
            if number not in known and len(known) >= MAX_CONNECTORS:
                request.context.count(point, "too_many_connectors", f"{name} {number}")
                raise WireError("PropertyConstraintViolation", f"{name}: too many are known")
            return number
        point.forgive("unusable", f"{request.action}.{name}")
    found = None if running is None else point.running(running)
    if found is not None:
        return found.connector_id
    real = [number for number in point.connectors if number]
    return real[0] if len(real) == 1 else None


def register_in(request: Request, payload: dict[str, Any], name: str) -> float | None:
    """Return the register of a message in Wh, None where it has none that can be one.
    Strict: raises WireError for that."""
    found = payload.get(name)
    if found is None:
        return None
    if abs(found) > _MAX_WH:
        if request.point.is_strict:
            raise WireError("PropertyConstraintViolation", f"{name}: beyond any register")
        request.point.forgive("unusable", f"{request.action}.{name}")
        return None
    return float(found)


def connector_number(number: int, name: str) -> int:
    """Return the number of a connector, or EVSE. Raises WireError when it cannot be one."""
    if not 0 <= number <= _MAX_CONNECTORS:
        raise WireError("PropertyConstraintViolation", f"{name}: there is no such one")
    return int(number)


def samples_of(
    request: Request, moments: list[tuple[float, list[Any]]], *, ending: bool = False
) -> list[tuple[float, Sample]]:
    """Return the samples of a message: sampled values with their times, as they came."""
    supply = request.point.electrical
    if len(moments) > 1:
        moments = grouped(moments)
    return [(at, sample(values, supply, ending=ending)) for at, values in moments]


def begin_register(request: Request, moments: list[tuple[float, list[Any]]]) -> float | None:
    """Return the register that a message gives for the begin of its session, in Wh; None without.

    Some chargers give it with the end only (context Transaction.Begin)."""
    begins = [
        (at, [value for value in values if value.context == "Transaction.Begin"])
        for at, values in moments
    ]
    registers = (it.energy_wh for _, it in samples_of(request, begins))
    return next((wh for wh in registers if wh is not None), None)
