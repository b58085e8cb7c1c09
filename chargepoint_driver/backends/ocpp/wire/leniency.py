"""Messages that break their schema, made usable: a value that means one thing becomes that.

Nothing is guessed: a text stays as it came, a word that OCPP does not know stays that word, and
what means nothing is left out, as if it were absent. Each departure is counted by its kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

__all__ = ["KINDS", "Departures", "Node", "compile_schema", "make_usable", "number_of"]

KINDS: Mapping[str, str] = {
    "null": "null, which counts as absent",
    "missing": "a required field is absent",
    "unknown_field": "a field that OCPP does not have; kept in the record",
    "field_name": "a field name in another spelling",
    "too_long": "a text beyond its length; kept as it came",
    "spelling": "case of a word, or blanks in it",
    "unknown_word": "a word that OCPP does not have; kept as it came",
    "number_as_text": "a text where a number belongs",
    "text_as_number": "a number or truth value where a text belongs",
    "fraction": "a fraction where a whole number belongs",
    "boolean_as_text": "a text or number where a truth value belongs",
    "shape": "an object, a list or a text where another of them belongs",
    "unusable": "a value without meaning there; left out",
    "time": "a time that cannot be read; the time of receipt counts",
    "message_id": "a number for a message id",
}
"""Kind of a departure: what it is."""

MAX_RAW = 20
MAX_RAW_LENGTH = 200
# A register may have a fraction although OCPP 1.6 has whole Wh.
_FRACTIONS = {"meterStart", "meterStop"}
# Some chargers name transactions by texts where numbers belong.
_NAMES = {"transactionId"}
# What a bare value stands for where an object belongs: the field that names it.
_NAMED_BY = {
    "idToken": "idToken",
    "idTagInfo": "status",
    "idTokenInfo": "status",
    "evse": "id",
    "unitOfMeasure": "unit",
    "component": "name",
    "variable": "name",
    "chargingStation": "model",
}
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_BETWEEN = re.compile(r"[\s\x00_-]+")
_ABSENT = object()


@dataclass(slots=True)
class Departures:
    """Deviations from the standard in one message: (kind, place), and short values as they came."""

    found: list[tuple[str, str]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def add(self, kind: str, place: str, raw: Any = _ABSENT) -> None:
        self.found.append((kind, place))
        if raw is not _ABSENT and len(self.raw) < MAX_RAW:
            try:
                text = raw if isinstance(raw, str) else json.dumps(raw, default=str)
            except (RecursionError, ValueError):
                text = "?" * (MAX_RAW_LENGTH + 1)
            self.raw[place] = raw if len(text) <= MAX_RAW_LENGTH else text[:MAX_RAW_LENGTH]


@dataclass(slots=True)
class Node:
    """A place of a schema. `kind` is object, array, enum, string, integer, number, boolean, any."""

    kind: str
    name: str = ""
    fields: dict[str, Node] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    item: Node | None = None
    words: dict[str, str] = field(default_factory=dict)
    max_length: int | None = None


def compile_schema(schema: Mapping[str, Any]) -> Node:
    """Return the places of a JSON schema of OCPP (draft 4 or 6, local definitions)."""
    return _compile(schema, schema, "", 0)


def _compile(schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> Node:
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if depth > 20:
        return Node("any", name)
    if "enum" in schema:
        return Node("enum", name, words={_folded(word): word for word in schema["enum"]})
    kind = schema.get("type", "any")
    if kind == "array" and isinstance(schema.get("items"), Mapping):
        return Node("array", name, item=_compile(schema["items"], root, name, depth + 1))
    if kind == "object" and "properties" in schema:
        fields = {
            each: _compile(inner, root, each, depth + 1)
            for each, inner in schema["properties"].items()
            if each != "customData"
        }
        names = {_folded(each): each for each in fields}
        return Node("object", name, fields, names, tuple(schema.get("required", ())))
    if kind not in _READERS:
        return Node("any", name)
    return Node(kind, name, max_length=schema.get("maxLength"))


def make_usable(node: Node, payload: Any, departures: Departures) -> Any:
    """Return the payload as far as it can be used; {} where nothing of it can."""
    found = _read(node, payload, "", departures)
    return {} if found is _ABSENT else found


def number_of(text: str) -> float | None:
    """Return the finite number of a text, blanks around it aside; None for any other text.

    A comma counts as a decimal point unless it may separate thousands.
    """
    text = text.strip(" \t\r\n\0")
    if not _NUMBER.fullmatch(text):
        return None
    whole, comma, fraction = text.partition(",")
    if comma:
        if len(fraction) == 3 and whole.lstrip("+-") not in {"", "0"}:
            return None
        text = f"{whole}.{fraction}"
    number = float(text)
    return number if abs(number) < 1e300 else None


def _read(node: Node, value: Any, place: str, departures: Departures) -> Any:
    return _READERS[node.kind](node, value, place, departures)


def _any(node: Node, value: Any, place: str, departures: Departures) -> Any:
    del node, place, departures
    return value


def _object(node: Node, value: Any, place: str, departures: Departures) -> Any:
    if not isinstance(value, dict):
        value = _as_object(node, value, place, departures)
        if value is _ABSENT:
            return value
    kept: dict[str, Any] = {}
    for given, inner in value.items():
        name = _name(node, given, value)
        where = f"{place}.{name}" if place else name
        if inner is None:
            departures.add("null", where)
            continue
        if name != given:
            departures.add("field_name", where)
        if name not in node.fields:
            if name != "customData":
                departures.add("unknown_field", where if name.isidentifier() else f"{place}.?")
            kept[name] = inner
            continue
        found = _read(node.fields[name], inner, where, departures)
        if found is not _ABSENT:
            kept[name] = found
    for name in node.required:
        if name not in kept:
            departures.add("missing", f"{place}.{name}" if place else name)
    return kept


def _name(node: Node, given: str, value: dict[str, Any]) -> str:
    """Return the field that a key means: itself, or the one that it spells in another way."""
    if given in node.fields:
        return given
    meant = node.names.get(_folded(given), given)
    return given if meant in value else meant


def _as_object(node: Node, value: Any, place: str, departures: Departures) -> Any:
    """Return the object that something else stands for."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        departures.add("shape", place)
        return value[0]
    if isinstance(value, list) and not value:
        departures.add("shape", place)
        return {}
    key = _NAMED_BY.get(node.name)
    if key is not None and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        departures.add("shape", place, value)
        return {key: value}
    departures.add("unusable", place, value)
    return _ABSENT


def _array(node: Node, value: Any, place: str, departures: Departures) -> Any:
    assert node.item is not None
    if not isinstance(value, list):
        departures.add("shape", place)
        value = [value]
    kept = []
    for each in value:
        if each is None:
            departures.add("null", place)
            continue
        found = _read(node.item, each, place, departures)
        if found is not _ABSENT:
            kept.append(found)
    return kept


def _enum(node: Node, value: Any, place: str, departures: Departures) -> Any:
    if not isinstance(value, str):
        departures.add("unusable", place, value)
        return _ABSENT
    folded = _folded(value)
    if not folded:
        departures.add("unusable", place, value)
        return _ABSENT
    word = node.words.get(folded)
    if word is None:
        departures.add("unknown_word", place, value)
        return value
    if word != value:
        departures.add("spelling", place, value)
    return word


def _string(node: Node, value: Any, place: str, departures: Departures) -> Any:
    if node.name == "data" and not isinstance(value, str):
        departures.add("shape", place)
        return value
    if isinstance(value, bool):
        departures.add("text_as_number", place, value)
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        departures.add("text_as_number", place, value)
        return str(value)
    if not isinstance(value, str):
        departures.add("unusable", place, value)
        return _ABSENT
    if node.max_length is not None and len(value) > node.max_length:
        departures.add("too_long", place)
    return value


def _number(node: Node, value: Any, place: str, departures: Departures) -> Any:
    if isinstance(value, str):
        number = number_of(value)
        if number is not None:
            departures.add("number_as_text", place, value)
            value = number
        elif node.name in _NAMES and value.strip():
            departures.add("number_as_text", place)
            return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        departures.add("unusable", place, value)
        return _ABSENT
    if node.kind == "number" or isinstance(value, int):
        return value
    if value.is_integer():
        departures.add("fraction", place, value)
        return int(value)
    if node.name in _FRACTIONS:
        departures.add("fraction", place, value)
        return value
    departures.add("unusable", place, value)
    return _ABSENT


def _boolean(node: Node, value: Any, place: str, departures: Departures) -> Any:
    del node
    if isinstance(value, bool):
        return value
    found = _TRUTH.get(str(value).strip().casefold()) if isinstance(value, (str, int)) else None
    departures.add("unusable" if found is None else "boolean_as_text", place, value)
    return _ABSENT if found is None else found


@lru_cache(maxsize=4096)
def _folded(word: str) -> str:
    """Return a word without case, blanks, hyphens and underscores."""
    return _BETWEEN.sub("", word[:200]).casefold()


_READERS: dict[str, Callable[[Node, Any, str, Departures], Any]] = {
    "any": _any,
    "object": _object,
    "array": _array,
    "enum": _enum,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
}
