"""docs/reference/configuration.md: every key of every config, read from the config models."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from chargepoint_driver.config import AgentAccount, DeviceConfig, OcppAccount, OcppDevice
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
        "The `driver_config` of a station, with `portNumber` of one port of it, with "
        "`stationGroup` of a station group. Devices that name the same account share one set of "
        "calls.",
        DeviceConfig,
    ),
    Section(
        "A device that connects directly",
        'The `driver_config` of a charge point or connector, with `"backend": "ocpp"`. Without '
        "`cache_agent` the keys of the central system stand beside these, the same in every "
        "device of it.",
        OcppDevice,
    ),
    Section(
        "An account of the caching agent",
        "One entry of `accounts` in the config of the [caching agent](agent.md). An entry with "
        '`"backend": "ocpp"` is a central system, with the keys below.',
        AgentAccount,
    ),
    Section(
        "The OCPP central system",
        "Also what `chargepoint-driver csms --config FILE` reads, without `backend`, `allow_call`, "
        "`bus_events` and `command_file`; see [the guide](ocpp.md).",
        OcppAccount,
    ),
)

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "path": "path",
    "password": "text, kept secret",
}

_HEAD = """# Configuration reference

Every key of every config, made from the models that check them. A key that is not here is
refused, with the one that is nearest to it; all faults of a config are told at once. `required`
means that there is no usual value.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    shown: set[str] = set()
    for section in SECTIONS:
        schema = section.model.model_json_schema(by_alias=True)
        inner = schema.pop("$defs", {})
        parts.append(f"\n## {section.title}\n\n{section.words}\n\n{_keys(schema)}")
        for name, part in inner.items():
            if name not in shown and "properties" in part:
                shown.add(name)
                parts.append(f"\n### {name}\n\n{_words(part)}\n\n{_keys(part)}")
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
