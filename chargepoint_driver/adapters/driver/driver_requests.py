"""Requests of OCPP as methods for the platform driver's `call`: any, and operations by name.

The host calls them as it calls those of `driver_commands`. Each is sent once to each charger that
the topics are of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chargepoint_driver.adapters.host.host_errors import answers_by_topic
from chargepoint_driver.backend import Target
from chargepoint_driver.errors import InvalidValueError

__all__ = ["REQUESTS"]

Method = Callable[..., tuple[dict[str, Any], dict[str, str]]]
_CALL_S = 30.0
# Those that are for a connector where the topic is of one.
_OF_CONNECTOR = {"reserve", "trigger"}


def _call(
    interface: Any,
    action: str,
    payload: dict[str, Any] | None = None,
    timeout: float = _CALL_S,
    *,
    topics: list[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """Send any request of OCPP; the payload of the answer by topic."""

    def ask(target: Target) -> dict[str, Any]:
        if not isinstance(action, str) or not isinstance(payload or {}, dict):
            raise InvalidValueError("call takes the name of a request and its payload, an object")
        return dict(interface.request(target, action, payload or {}, timeout))

    return _by_station(interface, "call", ask, topics)


def _operation(name: str, parameters: tuple[str, ...]) -> Method:
    """Return the method of one operation; `parameters` name its first arguments."""

    def method(
        interface: Any, *values: Any, topics: list[str], **arguments: Any
    ) -> tuple[dict[str, Any], dict[str, str]]:
        given = {**dict(zip(parameters, values, strict=False)), **arguments}

        def ask(target: Target) -> dict[str, Any]:
            if len(values) > len(parameters):
                raise InvalidValueError(
                    f"{name} takes {', '.join(parameters) or 'nothing'}; name the rest"
                )
            place = {}
            if name in _OF_CONNECTOR and target.port is not None and "connector" not in given:
                place = {"connector": target.port}
            return dict(interface.operate(target, name, {**given, **place}))

        return _by_station(interface, name, ask, topics)

    return method


def _by_station(
    interface: Any, name: str, ask: Callable[[Target], Any], topics: list[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (results, errors) by topic: each charger is asked once, whatever topics name it."""
    found: dict[str, tuple[set[int | None], list[str]]] = {}
    for topic in topics:
        device = interface.get_register_by_name(topic).device
        ports, named = found.setdefault(device.station_id, (set(), []))
        ports.add(device.port)
        named.append(topic)
    # Topics of several connectors are of the whole charger.
    targets = [
        (Target(station_id, next(iter(ports)) if len(ports) == 1 else None), named)
        for station_id, (ports, named) in found.items()
    ]
    return answers_by_topic(name, targets, ask)


REQUESTS: dict[str, Method] = {
    "call": _call,
    **{
        name: _operation(operation, parameters)
        for name, operation, parameters in (
            ("getSettings", "get_settings", ("keys",)),
            ("setSetting", "set_setting", ("key", "value")),
            ("trigger", "trigger", ("message",)),
            ("getDiagnostics", "get_diagnostics", ("location",)),
            ("getLog", "get_log", ("location", "kind")),
            ("updateFirmware", "update_firmware", ("location",)),
            ("reserve", "reserve", ("id_tag", "minutes")),
            ("cancelReservation", "cancel_reservation", ("reservation",)),
            ("listReservations", "list_reservations", ()),
            ("localListVersion", "local_list_version", ()),
            ("sendLocalList", "send_local_list", ("id_tags",)),
        )
    },
}
"""Name to method. Names are written as those of the commands."""
