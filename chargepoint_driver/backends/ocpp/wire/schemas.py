"""The JSON schemas of the `ocpp` package, compiled, and the actions of each version.

What comes in is made usable (`take_request`, `take_answer`), or held to its schema but for
`_FORGIVEN` where a charger is set to `strict`. What goes out is always held to its schema.
"""

from __future__ import annotations

import difflib
import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from chargepoint_driver.backends.ocpp.wire.framing import WireError
from chargepoint_driver.backends.ocpp.wire.leniency import (
    Departures,
    Node,
    compile_schema,
    make_usable,
)

__all__ = [
    "actions",
    "check_incoming",
    "check_outgoing",
    "faults",
    "take_answer",
    "take_request",
    "versions",
]

_FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
_CODES = {
    "type": "TypeConstraintViolation",
    "maxLength": "TypeConstraintViolation",
    "required": "ProtocolError",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
    "enum": "PropertyConstraintViolation",
}
# (keyword of the schema, path in the payload): a fault that is counted, not refused.
_FORGIVEN = [
    ("additionalProperties", re.compile(r".*")),
    (
        "maxLength",
        re.compile(
            r".*(info|vendor\w*|\w*[sS]erial\w*|firmwareVersion|iccid|imsi|"
            r"meterType|chargePoint\w+|model|statusInfo|data)$"
        ),
    ),
    ("enum", re.compile(r".*(sampledValue|sampled_value)\.\d+\.\w+$")),
    ("enum", re.compile(r"(reason|transactionInfo\.stoppedReason|triggerReason|errorCode)$")),
    ("type", re.compile(r".*sampledValue\.\d+\.(value|unit|phase)$")),
    ("type", re.compile(r"(meterValue|transactionData)$")),
    ("type", re.compile(r"configurationKey\.\d+\.(value|readonly)$")),
    ("enum", re.compile(r"(status|readonly)$")),
    ("minItems", re.compile(r".*(sampledValue|meterValue|transactionData)$")),
]
# Messages of 2.1 that have no answer (SEND); their schemas have no ending.
_SENT = {"NotifyPeriodicEventStream"}
# An unknown status of a connector means nothing to us, so there it is refused.
_NEVER_FORGIVEN = {("StatusNotification", "status")}


@lru_cache(maxsize=1)
def versions() -> tuple[str, ...]:
    """Return the versions that the installed package has schemas of: 2.1 came late to it."""
    return tuple(version for version in _FOLDERS if _folder(version).is_dir())


@lru_cache(maxsize=8)
def actions(version: str) -> frozenset[str]:
    """Every action of the version, either direction."""
    names = {
        entry.name.removesuffix(".json")
        for entry in _folder(version).iterdir()
        if entry.name.endswith(".json")
    }
    ending = "Response"
    requests = {name.removesuffix("Request") for name in names if not name.endswith(ending)}
    return frozenset(requests)


def named(version: str, action: str) -> str:
    """Return the action, or `other` for one that the version does not have."""
    return action if action in actions(version) else "other"


def take_request(
    version: str, action: str, payload: Any, departures: Departures, *, strict: bool = False
) -> dict[str, Any]:
    """Return the payload of a charge point's request as handlers use it.

    Lenient: required fields may be absent in it. Raises WireError for a payload that is not an
    object; strict: for the first fault that is not forgiven.
    """
    if strict:
        departures.found += [
            ("forgiven", each) for each in check_incoming(version, action, payload)
        ]
        return dict(payload)
    if payload is None and not _node(version, action, answer=False).required:
        departures.add("null", "")
        payload = {}
    if action == "DataTransfer" and not isinstance(payload, dict):
        departures.add("shape", "")
        payload = {"data": payload}
    if not isinstance(payload, dict):
        raise WireError("FormatViolation", "the payload of a CALL is an object")
    return _usable(version, action, payload, departures, answer=False)


def take_answer(
    version: str, action: str, payload: dict[str, Any], departures: Departures, *, strict: bool
) -> dict[str, Any]:
    """Return the payload of a charge point's answer: used whatever it is, and counted."""
    try:
        if strict:
            found = faults(version, action, payload, answer=True)
            departures.found += [("forgiven", path) for path, _, _ in found]
            return payload
        return _usable(version, action, payload, departures, answer=True)
    except (WireError, ValueError, RecursionError):
        departures.add("unusable", "")
        return payload


def _usable(
    version: str, action: str, payload: dict[str, Any], departures: Departures, *, answer: bool
) -> dict[str, Any]:
    try:
        if _validator(version, action, answer=answer).is_valid(payload):
            return payload
        found = make_usable(_node(version, action, answer=answer), payload, departures)
    except (ValueError, RecursionError):
        raise WireError("FormatViolation", "the payload is nested too deeply") from None
    assert isinstance(found, dict)
    return found


def check_incoming(version: str, action: str, payload: Any) -> list[str]:
    """Hold a request of a charge point to its schema. Returns the faults that were forgiven;
    raises WireError for the first one that cannot be."""
    if not isinstance(payload, dict):
        raise WireError("FormatViolation", "the payload of a CALL is an object")
    forgiven = []
    try:
        if _validator(version, action, answer=False).is_valid(payload):
            return []
        found = faults(version, action, payload)
    except (ValueError, RecursionError):
        raise WireError("FormatViolation", "the payload is nested too deeply") from None
    for path, keyword, message in found:
        if not _is_forgiven(action, keyword, path):
            code = _CODES.get(keyword, "PropertyConstraintViolation")
            raise WireError(code, f"{path or action}: {message}"[:255])
        forgiven.append(f"{path}:{keyword}")
    return forgiven


def check_outgoing(version: str, action: str, payload: Any) -> str | None:
    """Return what is wrong with a request of ours; None when it may be sent."""
    if action not in actions(version):
        near = difflib.get_close_matches(action, actions(version), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"OCPP {version} has no action {action[:64]}{hint}"
    if not isinstance(payload, dict):
        return "the payload must be an object"
    try:
        found = faults(version, action, payload)
    except (ValueError, RecursionError):
        return "the payload is nested too deeply"
    texts = (f"{path}: {message}" if path else message for path, _, message in found[:8])
    return "; ".join(texts) or None


def faults(
    version: str, action: str, payload: Any, *, answer: bool = False
) -> list[tuple[str, str, str]]:
    """Return (path, keyword of the schema, message) of each fault."""
    return [
        (
            ".".join(str(part) for part in error.instance_path),
            str(error.kind.name),
            error.message[:200],
        )
        for error in _validator(version, action, answer=answer).iter_errors(payload)
    ]


def _is_forgiven(action: str, keyword: str, path: str) -> bool:
    if (action, path) in _NEVER_FORGIVEN:
        return False
    return any(keyword == known and where.match(path) for known, where in _FORGIVEN)


def _folder(version: str) -> Any:
    return files("ocpp") / _FOLDERS[version] / "schemas"


@lru_cache(maxsize=512)
def _schema(version: str, action: str, *, answer: bool) -> dict[str, Any]:
    ending = "Response" if answer else "" if version == "1.6" or action in _SENT else "Request"
    text = _folder(version).joinpath(f"{action}{ending}.json").read_text(encoding="utf-8-sig")
    schema: dict[str, Any] = json.loads(text)
    return schema


@lru_cache(maxsize=512)
def _node(version: str, action: str, *, answer: bool) -> Node:
    return compile_schema(_schema(version, action, answer=answer))


@lru_cache(maxsize=512)
def _validator(version: str, action: str, *, answer: bool) -> Any:
    make = jsonschema_rs.Draft4Validator if version == "1.6" else jsonschema_rs.Draft6Validator
    return make(_schema(version, action, answer=answer), validate_formats=False)
