"""Actions on a twin, by name: the one table behind Python, HTTP and scenarios."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...faults import Parameter
from ..power.connector import Fault
from ..power.station import NotNowError
from ..power.vehicle import Vehicle
from ..protocol.charge_point import Charger
from ..transport import wire
from ..transport.message import Message, Reply
from .state_json import vehicle_truth

# The default idTag that a driver presents.
USUAL_ID_TAG = "TWIN0001"

ERROR_CODES = (
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "NoError",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
)

VEHICLE_KEYS: Mapping[str, tuple[float, float]] = {
    "battery_kwh": (1, 2_000),
    "soc_percent": (0, 100),
    "target_soc_percent": (1, 100),
    "max_ac_kw": (0.1, 100),
    "max_dc_kw": (0.1, 2_000),
    "ac_phases": (1, 3),
}

Result = dict[str, Any]


@dataclass(frozen=True)
class Action:
    """A row: its parameters, and what it does."""

    effect: str
    run: Callable[..., Awaitable[Result] | Result]
    parameters: Mapping[str, Parameter]


def _is_vehicle(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, Mapping) or set(value) - {*VEHICLE_KEYS, "name"}:
        return False
    return isinstance(value.get("name", ""), str) and all(
        type(value[key]) in (int, float) and least <= value[key] <= most
        for key, (least, most) in VEHICLE_KEYS.items()
        if key in value
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 500


def _may_be_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 500


_CONNECTOR = Parameter(lambda value: type(value) is int and value >= 1, "a connector's number", 1)
_ANY_CONNECTOR = Parameter(
    lambda value: type(value) is int and value >= 0, "a connector's number or 0", 1
)
_ID_TAG = Parameter(_is_text, "a text", USUAL_ID_TAG)
_VEHICLE = Parameter(
    _is_vehicle,
    "null or an object of "
    + ", ".join(f"{key} ({least:g} to {most:g})" for key, (least, most) in VEHICLE_KEYS.items())
    + ", name",
    None,
)


def read_vehicle(given: Mapping[str, Any] | None) -> Vehicle | None:
    """Return a vehicle from its description; None for None (one of the fleet)."""
    if given is None:
        return None
    default = Vehicle()
    return Vehicle(
        battery_kwh=given.get("battery_kwh", default.battery_kwh),
        soc=given.get("soc_percent", 100 * default.soc) / 100,
        target_soc=given.get("target_soc_percent", 100) / 100,
        max_ac_kw=given.get("max_ac_kw", default.max_ac_kw),
        max_dc_kw=given.get("max_dc_kw", default.max_dc_kw),
        ac_phases=int(given.get("ac_phases", default.ac_phases)),
        name=given.get("name", default.name),
    )


def action_faults(name: object, given: Any) -> list[str]:
    """All that is wrong with an action and its parameters."""
    if not isinstance(name, str) or name not in ACTIONS:
        return [f"unknown action {name!r}: use one of {', '.join(sorted(ACTIONS))}"]
    if not isinstance(given, Mapping):
        return [f"{name}: parameters must be an object"]
    known = ACTIONS[name].parameters
    faults = [
        f"{name}: no parameter {key!r} (it takes: {', '.join(known) or 'none'})"
        for key in given
        if key not in known
    ]
    for key, row in known.items():
        value = given.get(key, row.default)
        if value is ...:
            faults.append(f"{name}: needs {key}: {row.wanted}")
        elif not row.check(value):
            faults.append(f"{name}: {key} must be {row.wanted}, not {value!r}")
    return faults


async def act(point: Charger, name: str, given: Mapping[str, Any]) -> Result:
    """Do it. Raises ValueError for parameters that make no sense, NotNowError, ConnectionError."""
    faults = action_faults(name, given)
    if faults:
        raise ValueError("; ".join(faults))
    row = ACTIONS[name]
    complete = {key: given.get(key, one.default) for key, one in row.parameters.items()}
    done = row.run(point, **complete)
    return done if isinstance(done, dict) else await done


def _plug(point: Charger, connector: int, vehicle: Any) -> Result:
    point.plug(connector, read_vehicle(vehicle))
    return {"vehicle": vehicle_truth(point.connector(connector).charge)}


def _demand(point: Charger, connector: int, kw: float) -> Result:
    point.demand(connector, kw)
    return {}


def _unplug(point: Charger, connector: int) -> Result:
    point.unplug(connector)
    return {}


async def _authorize(point: Charger, connector: int | None, id_tag: str) -> Result:
    if connector is not None:
        return await _start_at(point, connector, id_tag)
    decided: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    point.authorize(id_tag, _settle(decided))
    return {"status": await decided}


async def _start(point: Charger, connector: int, id_tag: str, vehicle: Any) -> Result:
    if point.connector(connector).charge is None:
        point.plug(connector, read_vehicle(vehicle))
    return await _start_at(point, connector, id_tag)


async def _start_at(point: Charger, connector: int, id_tag: str) -> Result:
    decided: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    point.start(connector, id_tag, _settle(decided))
    return {"status": await decided}


def _stop(point: Charger, connector: int, reason: str) -> Result:
    point.stop(connector, reason)
    return {}


def _fault(
    point: Charger, connector: int, error_code: str, info: str, vendor_error_code: str
) -> Result:
    point.set_fault(connector, Fault(error_code, info, vendor_error_code))
    return {}


def _clear_fault(point: Charger, connector: int) -> Result:
    point.set_fault(connector, None)
    return {}


def _availability(point: Charger, connector: int, operative: bool) -> Result:
    return {"scheduled": not point.change_availability(connector, operative)}


def _offline(point: Charger) -> Result:
    point.go_offline()
    return {}


def _online(point: Charger) -> Result:
    point.go_online()
    return {}


def _drop(point: Charger) -> Result:
    point.link.drop()
    return {}


def _reboot(point: Charger, reason: str) -> Result:
    point.reboot(reason)
    return {}


def _plug_on_remote_start(point: Charger, on: bool, vehicle: Any) -> Result:
    point.plugs_on_remote_start = on
    point.arriving_vehicle = read_vehicle(vehicle)
    return {}


def _sample(point: Charger, connector: int) -> Result:
    one = point.connector(connector)
    if one.transaction is None:
        raise NotNowError(f"no transaction at connector {connector}")
    point.begin()
    point.send_sample(one, one.transaction)
    return {}


def _quirk(point: Charger, name: str, parameters: Any) -> Result:
    point.set_quirk(name, parameters)
    return {"quirks": point.quirks.as_json()}


def _quirk_off(point: Charger, name: str) -> Result:
    point.set_quirk(name, None)
    return {"quirks": point.quirks.as_json()}


def _send(point: Charger, frame: Any) -> Result:
    point.link.send_text(frame if isinstance(frame, str) else json.dumps(frame))
    return {}


async def _call(point: Charger, action: str, payload: Any) -> Result:
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    point.link.send(Message(action, lambda: dict(payload), _settle(answered)))
    reply = await answered
    if isinstance(reply, wire.CallErrorReply):
        return {"error": {"code": reply.code, "text": reply.text}}
    return {"payload": dict(reply)}


def _settle(future: asyncio.Future[Any]) -> Callable[[Any], None]:
    def settle(value: Any) -> None:
        if not future.done():
            future.set_result(value)

    return settle


_QUIRK_NAME = Parameter(_is_text, "a quirk's name")

ACTIONS: Mapping[str, Action] = {
    "plug": Action("plug a vehicle in", _plug, {"connector": _CONNECTOR, "vehicle": _VEHICLE}),
    "demand": Action(
        "have the vehicle take at most so much, kW",
        _demand,
        {
            "connector": _CONNECTOR,
            "kw": Parameter(
                lambda value: type(value) in (int, float) and 0 <= value <= 2_000, "kW, 0 to 2000"
            ),
        },
    ),
    "unplug": Action("take the vehicle away", _unplug, {"connector": _CONNECTOR}),
    "authorize": Action(
        "present an idTag; at a connector it also starts (connector null: only asks)",
        _authorize,
        {
            "connector": Parameter(
                lambda value: value is None or (type(value) is int and value >= 1),
                "a connector's number or null",
                None,
            ),
            "id_tag": _ID_TAG,
        },
    ),
    "start": Action(
        "plug in where nothing is, authorise, charge",
        _start,
        {"connector": _CONNECTOR, "id_tag": _ID_TAG, "vehicle": _VEHICLE},
    ),
    "stop": Action(
        "end the transaction",
        _stop,
        {"connector": _CONNECTOR, "reason": Parameter(_is_text, "OCPP's reason", "Local")},
    ),
    "fault": Action(
        "break a connector, or (0) the charge point",
        _fault,
        {
            "connector": _ANY_CONNECTOR,
            "error_code": Parameter(
                lambda value: value in ERROR_CODES, f"one of {', '.join(ERROR_CODES)}", "OtherError"
            ),
            "info": Parameter(_may_be_text, "a text", ""),
            "vendor_error_code": Parameter(_may_be_text, "a text", ""),
        },
    ),
    "clear_fault": Action("fix it", _clear_fault, {"connector": _ANY_CONNECTOR}),
    "availability": Action(
        "take into or out of service on site",
        _availability,
        {
            "connector": _ANY_CONNECTOR,
            "operative": Parameter(lambda value: isinstance(value, bool), "true or false"),
        },
    ),
    "offline": Action("lose the network", _offline, {}),
    "online": Action("get it back", _online, {}),
    "drop": Action("cut the connection; it comes back automatically", _drop, {}),
    "reboot": Action(
        "restart", _reboot, {"reason": Parameter(_is_text, "OCPP's reason", "PowerLoss")}
    ),
    "plug_on_remote_start": Action(
        "plug in a vehicle for each remote start; it leaves after the transaction",
        _plug_on_remote_start,
        {
            "on": Parameter(lambda value: isinstance(value, bool), "true or false", True),
            "vehicle": _VEHICLE,
        },
    ),
    "sample": Action("send meter values now", _sample, {"connector": _CONNECTOR}),
    "quirk": Action(
        "switch a quirk on",
        _quirk,
        {
            "name": _QUIRK_NAME,
            "parameters": Parameter(lambda value: isinstance(value, Mapping), "an object", {}),
        },
    ),
    "quirk_off": Action("switch a quirk off", _quirk_off, {"name": _QUIRK_NAME}),
    "send": Action(
        "send a frame as it is",
        _send,
        {"frame": Parameter(lambda value: value is not None, "a text, or JSON to be one")},
    ),
    "call": Action(
        "send a CALL and wait for its answer",
        _call,
        {
            "action": Parameter(_is_text, "an action"),
            "payload": Parameter(lambda value: isinstance(value, Mapping), "an object", {}),
        },
    ),
}
