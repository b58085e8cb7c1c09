"""The device model over the wire: GetVariables, SetVariables, reports."""

from __future__ import annotations

from typing import Any

from ..protocol.handlers import Handler
from ..protocol.payload_reader import Fault as Wrong
from ..protocol.payload_reader import Fields, RefusalError
from .charge_point import Charger201
from .variables import data_type

ATTRIBUTES = ("Actual", "Target", "MinSet", "MaxSet")
ITEMS_PER_REPORT = 20


def handlers(point: Charger201) -> dict[str, Handler]:
    """Actions and what answers them."""
    return {
        "GetVariables": lambda fields: get_variables(point, fields),
        "SetVariables": lambda fields: set_variables(point, fields),
        "GetBaseReport": lambda fields: get_base_report(point, fields),
        "GetReport": lambda fields: get_report(point, fields),
    }


def _named(fields: Fields, name: str) -> dict[str, Any]:
    given = fields.object(name)
    found: dict[str, Any] = {"name": given.text("name", 50)}
    instance = given.maybe_text("instance", 50)
    if instance is not None:
        found["instance"] = instance
    evse = given.maybe_object("evse") if name == "component" else None
    if evse is not None:
        found["evse"] = {"id": evse.integer("id", least=0)}
        connector_id = evse.maybe_integer("connectorId", least=0)
        if connector_id is not None:
            found["evse"]["connectorId"] = connector_id
        evse.done()
    given.done()
    return found


def _unknown(point: Charger201, component: dict[str, Any], name: str) -> str | None:
    if name in point.settings:
        return None
    prefix = f"{component['name']}."
    known = any(one.startswith(prefix) for one in point.settings.names())
    return "UnknownVariable" if known else "UnknownComponent"


def get_variables(point: Charger201, fields: Fields) -> dict[str, Any]:
    """GetVariables."""
    results = []
    wanted = fields.objects("getVariableData")
    most = point.quirks.get("max_keys", "keys", 50)
    if len(wanted) > most:
        raise RefusalError(Wrong.TOO_MANY, f"getVariableData: more than {most}")
    for one in wanted:
        attribute = one.maybe_choice("attributeType", ATTRIBUTES) or "Actual"
        component, variable = _named(one, "component"), _named(one, "variable")
        one.done()
        name = f"{component['name']}.{variable['name']}"
        status = _unknown(point, component, name)
        if status is None and attribute != "Actual":
            status = "NotSupportedAttributeType"
        result: dict[str, Any] = {
            "attributeStatus": status or "Accepted",
            "attributeType": attribute,
            "component": component,
            "variable": variable,
        }
        if status is None:
            result["attributeValue"] = value_of(point, name)
        results.append(result)
    return {"getVariableResult": results}


def value_of(point: Charger201, name: str) -> str:
    """Return the value of a variable, quirks considered."""
    value = point.settings[name]
    quirks = point.quirks
    if name == "SmartChargingCtrlr.RateUnit":
        return str(
            quirks.get("rate_unit_spelling", "text", quirks.get("limit_unit", "unit", value))
        )
    if name == "SmartChargingCtrlr.ProfileStackLevel":
        return str(quirks.get("max_stack_level", "level", value))
    return value


def set_variables(point: Charger201, fields: Fields) -> dict[str, Any]:
    """SetVariables."""
    wanted = []
    for one in fields.objects("setVariableData"):
        attribute = one.maybe_choice("attributeType", ATTRIBUTES) or "Actual"
        value = one.text("attributeValue", 1_000)
        wanted.append((attribute, value, _named(one, "component"), _named(one, "variable")))
        one.done()
    fields.done()
    results = []
    for attribute, value, component, variable in wanted:
        name = f"{component['name']}.{variable['name']}"
        status = _unknown(point, component, name)
        if status is None and attribute != "Actual":
            status = "NotSupportedAttributeType"
        if status is None:
            status = "Accepted" if point.change_setting(name, value) else "Rejected"
        results.append(
            {
                "attributeStatus": status,
                "attributeType": attribute,
                "component": component,
                "variable": variable,
            }
        )
    return {"setVariableResult": results}


def get_base_report(point: Charger201, fields: Fields) -> dict[str, Any]:
    """GetBaseReport, answered by NotifyReport in parts."""
    request_id = fields.integer("requestId")
    base = fields.choice(
        "reportBase", ("ConfigurationInventory", "FullInventory", "SummaryInventory")
    )
    names = point.settings.names()
    if base == "ConfigurationInventory":
        names = [name for name in names if not point.settings.is_readonly(name)]
    elif base == "SummaryInventory":
        names = [name for name in names if name.startswith("ChargingStation.")]
    point.then(lambda: _report(point, request_id, names))
    return {"status": "Accepted"}


def get_report(point: Charger201, fields: Fields) -> dict[str, Any]:
    """GetReport by components and variables."""
    request_id = fields.integer("requestId")
    wanted = []
    for one in fields.maybe_objects("componentVariable") or []:
        component = _named(one, "component")["name"]
        variable = one.maybe_object("variable")
        name = None if variable is None else variable.text("name", 50)
        wanted.append((component, name))
        one.done()
    criteria = fields.maybe_texts("componentCriteria")
    if criteria is not None and not set(criteria) & {"Active", "Available", "Enabled"}:
        return {"status": "EmptyResultSet"}
    names = [
        name
        for name in point.settings.names()
        if not wanted
        or any(
            name == f"{component}.{variable}" if variable else name.startswith(f"{component}.")
            for component, variable in wanted
        )
    ]
    if not names:
        return {"status": "EmptyResultSet"}
    point.then(lambda: _report(point, request_id, names))
    return {"status": "Accepted"}


def _report(point: Charger201, request_id: int, names: list[str]) -> None:
    parts = [names[at : at + ITEMS_PER_REPORT] for at in range(0, len(names), ITEMS_PER_REPORT)]
    for number, part in enumerate(parts):
        payload = {
            "requestId": request_id,
            "generatedAt": point.stamp(point.begin()),
            "seqNo": number,
            "tbc": number + 1 < len(parts),
            "reportData": [_row(point, name) for name in part],
        }
        point.send_message("NotifyReport", payload)


def _row(point: Charger201, name: str) -> dict[str, Any]:
    component, _, variable = name.partition(".")
    readonly = point.settings.is_readonly(name)
    row = point.settings.rows.get(name)
    return {
        "component": {"name": component},
        "variable": {"name": variable},
        "variableAttribute": [
            {
                "type": "Actual",
                "value": value_of(point, name),
                "mutability": "ReadOnly" if readonly else "ReadWrite",
            }
        ],
        "variableCharacteristics": {
            "dataType": "string" if row is None else data_type(row),
            "supportsMonitoring": False,
        },
    }
