"""Commands to chargers as methods for the platform driver's `call`.

The host calls them with the interface, the caller's arguments, and `topics` by name, and wants
(results, errors) by topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chargepoint_driver.adapters.host.host_errors import answers_by_topic
from chargepoint_driver.backend import Target

__all__ = ["CALLS"]

Method = Callable[..., tuple[dict[str, Any], dict[str, str]]]
_MUST = object()


def _method(name: str, default: object) -> Method:
    """Return a method that carries out the command of that name; `default` is for no value."""

    def method(
        interface: Any, value: Any = default, *, topics: list[str]
    ) -> tuple[dict[str, Any], dict[str, str]]:
        def ask(target: Target) -> Any:
            if value is _MUST:
                raise TypeError(f"{name} needs a value")
            return interface.command(target, name, value)

        return answers_by_topic(name, _targets(interface, name, topics).items(), ask)

    return method


def _targets(interface: Any, name: str, topics: list[str]) -> dict[Target, list[str]]:
    """Return what a call is for: the points of this command where there are any among the topics,
    else each device that the topics are of, once."""
    registers = {topic: interface.get_register_by_name(topic) for topic in topics}
    own = {
        topic: register
        for topic, register in registers.items()
        if register.point.attribute.is_command and register.point.attribute.name == name
    }
    found: dict[Target, list[str]] = {}
    for topic, register in (own or registers).items():
        target = register.point.target if own else register.device
        found.setdefault(target, []).append(topic)
    return found


CALLS: dict[str, Method] = {
    name: _method(name, default)
    for name, default in {
        "remoteStart": _MUST,
        "remoteStop": 1,
        "availability": _MUST,
        "reset": "Soft",
        "unlock": 1,
    }.items()
}
