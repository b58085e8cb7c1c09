"""docs/reference/configuration.md: every key of every config, read from the config models."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from pydantic import BaseModel

from chargepoint_driver.config import (
    AgentAccount,
    BillingConfig,
    DeviceConfig,
    FleetAccountConfig,
    FleetDevice,
    OcppAccount,
    OcppDevice,
    WebConfig,
)
from chargepoint_driver.config.fleet import NodeConfig
from docs.generators.table import table


@dataclass(frozen=True)
class Section:
    """A model and what it is the config of."""

    title: str
    words: str
    model: type[BaseModel]


SECTIONS = (
    Section(
        "A device of ChargePoint's web services",
        "The `driver_config` of a station. With `portNumber` the device is one port of it; rows of "
        "port attributes then need no `Port #`. With `stationGroup` the device is a station group: "
        "its `allowedLoad` is a total. Devices of one account share one cache and its calls.",
        DeviceConfig,
    ),
    Section(
        "A device that connects directly",
        'The `driver_config` of a charger or connector, with `"backend": "ocpp"`. Without '
        "`cache_agent` it also has the keys of the central system, the same in every device of it.",
        OcppDevice,
    ),
    Section(
        "A device of a fleet",
        'The `driver_config` of a device whose account nodes of a fleet hold, with `"backend": '
        '"fleet"`. See [platforms as clients](../explanation/fleet.md#platforms-as-clients).',
        FleetDevice,
    ),
    Section(
        "An account of the caching agent",
        "One entry of `accounts` in the config of the [caching agent](agent.md). An entry with "
        '`"backend": "ocpp"` is a central system, with the keys of a section below. One with '
        '`"backend": "fleet"` has the keys of the next section.',
        AgentAccount,
    ),
    Section(
        "An account of a fleet",
        "One entry of `accounts` in the config of the caching agent, for an account that nodes of "
        "a fleet hold.",
        FleetAccountConfig,
    ),
    Section(
        "The OCPP central system",
        "`chargepoint-driver csms --config FILE` reads the same keys, without `backend`, "
        "`allow_call`, `bus_events` and `command_file`. See [OCPP](ocpp.md).",
        OcppAccount,
    ),
    Section(
        "A node",
        "The config of `chargepoint-driver node`, a central system whose records are in "
        "PostgreSQL. `chargepoint-driver fleet` reads its key `postgres`. See "
        "[the fleet](../explanation/fleet.md).",
        NodeConfig,
    ),
    Section(
        "The page",
        "The section `web` of an accounts file, next to `accounts`. `chargepoint-driver web` reads "
        "it. The caching agent takes it too, and does not use it. See [the page](web.md).",
        WebConfig,
    ),
    Section(
        "Costs",
        "The section `billing` of an accounts file, next to `accounts`. `chargepoint-driver web`, "
        "`sessions --costs` and `report` read it. The caching agent takes it too, and does not use "
        "it. See [costs of sessions](../how-to/costs.md).",
        BillingConfig,
    ),
)

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "date": "date",
    "path": "path",
    "password": "text, kept secret",
}

_HEAD = """# Configuration

Every key of every config, made from the models that check them. An unknown key is refused, with
the nearest known key. All errors of a config are reported at once.

An entry `devices/...` of the config store has the keys of VOLTTRON's platform driver:

<!-- load device -->
```json
{
    "driver_config": {
        "username": "api-user",
        "password_env": "CHARGEPOINT_PASSWORD",
        "stationID": "1:34003",
        "portNumber": 1
    },
    "driver_type": "chargepoint",
    "registry_config": "config://chargepoint-port.csv",
    "interval": 60,
    "publish_depth_first_all": true,
    "all_publish_interval": 60
}
```

Set the last two keys for a device that a SQL historian records: it stores `/all` messages only. The
[registry](points.md#the-registry) names the points. The tables below list the keys of
`driver_config` and of the other configs. `required` means that there is no default.
"""


# Models whose keys another section has.
_ELSEWHERE = {
    "AgentAccount": "[account](#an-account-of-the-caching-agent)",
    "OcppConfig": "[keys](#the-ocpp-central-system) of the central system",
}


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    shown = set(_ELSEWHERE)
    for section in SECTIONS:
        schema = section.model.model_json_schema(by_alias=True)
        inner = schema.pop("$defs", {})
        parts.append(f"\n## {section.title}\n\n{fill(section.words, 99)}\n\n{_keys(schema)}")
        for name, part in inner.items():
            if name not in shown and "properties" in part:
                shown.add(name)
                parts.append(f"\n### {name}\n\n{fill(_words(part), 99)}\n\n{_keys(part)}")
    return "".join(parts)


def models() -> Iterator[type[BaseModel]]:
    """The models that have a section of their own."""
    return (section.model for section in SECTIONS)


def _keys(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = (
        (
            f"`{key}`",
            words_of(part),
            "required" if key in required else default_of(part),
            part.get("description", ""),
        )
        for key, part in schema["properties"].items()
    )
    return table(("Key", "Value", "Default", "Meaning"), rows)


def _words(schema: dict[str, Any]) -> str:
    return " ".join(inspect.cleandoc(schema.get("description", "")).split())


def default_of(part: Mapping[str, Any]) -> str:
    """The value where the key is not given, as JSON; '' for none."""
    if "default" not in part:
        return ""
    value = part["default"]
    return "" if value is None or value == "" else f"`{json.dumps(value)}`"


def words_of(part: Mapping[str, Any]) -> str:
    """What the value may be, in words."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        if name in _ELSEWHERE:
            return _ELSEWHERE[name]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in part:
        kinds = [words_of(one) for one in part["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in part or "const" in part:
        return ", ".join(f"`{json.dumps(one)}`" for one in part.get("enum", [part.get("const")]))
    inner = {
        "array": ("list of {}", "items"),
        "object": ("object of name to {}", "additionalProperties"),
    }
    if part.get("type") in inner:
        words, key = inner[part["type"]]
        return words.format(words_of(part.get(key, {})))
    return f"{_WORDS.get(part.get('format', part.get('type')), 'anything')}{_bounds(part)}"


def _bounds(part: Mapping[str, Any]) -> str:
    """The bounds of a number, '' without any."""
    below = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    said = [f"{sign} {part[key]:g}" for key, sign in below.items() if key in part]
    return f" {', '.join(said)}" if said else ""
