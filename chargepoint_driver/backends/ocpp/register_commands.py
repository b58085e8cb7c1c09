"""Commands of the catalogue's CommandRegister, from any valid value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chargepoint_driver.backend import Target
from chargepoint_driver.backends.ocpp.central_system import CentralSystem
from chargepoint_driver.errors import InvalidValueError

__all__ = ["ORDERS"]

_MAX_TAG = 36
_ON = {"1", "true", "operative"}
_OFF = {"0", "false", "inoperative"}
_HARD = {"soft": False, "hard": True, "1": False, "true": False}

Order = Callable[[CentralSystem, Target, object], str]
"""Takes the value of the write; the charge point's answer, '' when nothing was to be done."""


def _remote_start(system: CentralSystem, target: Target, value: object) -> str:
    tag = value.strip() if isinstance(value, str) else ""
    if not 0 < len(tag) <= _MAX_TAG or not tag.isprintable():
        raise InvalidValueError(
            f"{target}: remoteStart takes an idTag, 1 to {_MAX_TAG} printable characters"
        )
    system.remote_start(target.station_id, target.port, tag)
    return "Accepted"


def _remote_stop(system: CentralSystem, target: Target, value: object) -> str:
    if not _boolean(target, "remoteStop", value):
        return ""
    system.remote_stop(target.station_id, target.port)
    return "Accepted"


def _availability(system: CentralSystem, target: Target, value: object) -> str:
    operative = _boolean(target, "availability", value)
    return system.availability(target.station_id, target.port or 0, operative)


def _reset(system: CentralSystem, target: Target, value: object) -> str:
    hard = _HARD.get(_text(value))
    if hard is None:
        raise InvalidValueError(f"{target}: reset takes Soft or Hard")
    system.reset(target.station_id, hard)
    return "Accepted"


def _unlock(system: CentralSystem, target: Target, value: object) -> str:
    if not _boolean(target, "unlock", value):
        return ""
    port = target.port
    if port is None:
        real = [number for number in system.charge_point(target.station_id).connectors if number]
        if len(real) != 1:
            raise InvalidValueError(f"{target}: unlock is for one connector; name it")
        (port,) = real
    system.unlock(target.station_id, port)
    return "Accepted"


def _charging_plan(system: CentralSystem, target: Target, value: object) -> str:
    return system.put_plan(target.station_id, target.port or 0, value)


ORDERS: Mapping[str, Order] = {
    "remoteStart": _remote_start,
    "remoteStop": _remote_stop,
    "availability": _availability,
    "reset": _reset,
    "unlock": _unlock,
    "chargingPlan": _charging_plan,
}


def _boolean(target: Target, name: str, value: object) -> bool:
    text = _text(value)
    if text in _ON:
        return True
    if text in _OFF:
        return False
    raise InvalidValueError(f"{target}: {name} takes 1 or 0")


def _text(value: object) -> str:
    """Return a value as a word; 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().lower() if isinstance(value, (str, int, bool)) else ""
