"""Quirks that change a message on its way out. What the twin means stays right.

A row changes the payload of a request of the twin, or the text of its answer to a request. Each
row works on a copy, and several rows may be on at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...faults import Parameter
from .kinds import Kind, choice, flag, is_count, is_text, texts

Payload = dict[str, Any]
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Mutation(Kind):
    """A row: `change` takes the action, a payload of its own, and the parameters."""

    change: Callable[[str, Payload, Parameters], None]


# ---- where things are in a message -------------------------------------------------------------

# Optional fields that chargers are known to send as null, by action; the field tells the version.
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "BootNotification": ("chargeBoxSerialNumber", "iccid", "imsi", "meterSerialNumber"),
    "StatusNotification": ("info", "vendorId", "vendorErrorCode"),
    "StartTransaction": ("reservationId",),
    "StopTransaction": ("transactionData", "idTag"),
    "MeterValues": ("transactionId",),
    "TransactionEvent": (
        "cableMaxCurrent",
        "idToken",
        "meterValue",
        "numberOfPhasesUsed",
        "reservationId",
    ),
}
NESTED: Mapping[str, tuple[str, ...]] = {
    "chargingStation": ("firmwareVersion", "modem", "serialNumber"),
    "transactionInfo": ("remoteStartId", "stoppedReason", "timeSpentCharging"),
}
OF_VERSION: Mapping[str, frozenset[str]] = {
    "BootNotification": frozenset({"chargingStation"}),
    "StatusNotification": frozenset({"connectorStatus"}),
    "MeterValues": frozenset({"evseId"}),
}
TEXTS = frozenset(
    {
        "chargePointSerialNumber",
        "firmwareVersion",
        "idTag",
        "idToken",
        "info",
        "meterType",
        "serialNumber",
        "techInfo",
        "vendorErrorCode",
    }
)
WORDS = frozenset(
    {
        "chargingState",
        "connectorStatus",
        "context",
        "errorCode",
        "eventType",
        "location",
        "measurand",
        "phase",
        "reason",
        "status",
        "stoppedReason",
        "triggerReason",
        "unit",
    }
)
TIME = "timestamp"
CASES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "as_is": str}


def _objects(value: Any) -> Iterator[Payload]:
    """All objects in a payload, itself first."""
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _sampled(payload: Payload) -> Iterator[Payload]:
    for one in _objects(payload):
        if isinstance(values := one.get("sampledValue"), list):
            yield from values


# ---- changes -----------------------------------------------------------------------------------


def _nulls(action: str, payload: Payload, _: Parameters) -> None:
    if not OF_VERSION.get(action, frozenset()) & set(payload):
        for name in OPTIONAL.get(action, ()):
            payload.setdefault(name, None)
    for part, names in NESTED.items():
        if isinstance(inner := payload.get(part), dict):
            for name in names:
                inner.setdefault(name, None)
    for one in _sampled(payload):
        one.setdefault("phase", None)
        one.setdefault("format" if isinstance(one["value"], str) else "signedMeterValue", None)


def _long(_: str, payload: Payload, parameters: Parameters) -> None:
    for one in _objects(payload):
        for name in TEXTS & set(one):
            if isinstance(one[name], str) and one[name]:
                one[name] = f"{one[name]}-".ljust(parameters["characters"], "x")


def _numbers(_: str, payload: Payload, parameters: Parameters) -> None:
    form = parameters["form"]
    if form == "blanks":
        for one in _sampled(payload):
            one["value"] = f" {one['value']} "
        return
    for one in _objects(payload):
        for name, value in one.items():
            if type(value) is int:
                half = 0.5 if name in ("meterStart", "meterStop") else 0.0
                one[name] = str(value) if form == "text" else value + half


def _times(action: str, payload: Payload, parameters: Parameters) -> None:
    actions = parameters["actions"]
    if actions and action not in actions:
        return
    for one in _objects(payload):
        if TIME in one:
            _set_time(one, parameters["form"])


def _set_time(one: Payload, form: str) -> None:
    if form == "missing":
        del one[TIME]
        return
    text = str(one[TIME])
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    one[TIME] = {
        "null": None,
        "unreadable": "today",
        "hours": f"{seconds}.{fraction}+00",
        "compact": re.sub("[-:]", "", seconds) + "Z",
        "comma": f"{seconds},{fraction}Z",
        "no_zone": seconds,
        "epoch": str(int(datetime.fromisoformat(f"{seconds}+00:00").timestamp())),
    }[form]


def _words(_: str, payload: Payload, parameters: Parameters) -> None:
    for one in _objects(payload):
        for name in WORDS & set(one):
            if isinstance(one[name], str):
                word = CASES[parameters["case"]](one[name])
                one[name] = f" {word} " if parameters["blanks"] else word


def _line_breaks(_: str, payload: Payload, _parameters: Parameters) -> None:
    for one in _sampled(payload):
        if isinstance(one.get("measurand"), str):
            one["measurand"] += "\n"


def _split(_: str, payload: Payload, _parameters: Parameters) -> None:
    for name in ("meterValue", "transactionData"):
        if isinstance(entries := payload.get(name), list):
            payload[name] = [
                {**entry, "sampledValue": [value]}
                for entry in entries
                for value in entry["sampledValue"]
            ]


def _location(_: str, payload: Payload, parameters: Parameters) -> None:
    for one in _sampled(payload):
        if one.get("location") == "Outlet":
            one["location"] = parameters["location"]


def _status(action: str, payload: Payload, parameters: Parameters) -> None:
    name = "connectorStatus" if "connectorStatus" in payload else "status"
    if action != "StatusNotification" or payload.get("connectorId") == 0:
        return
    if parameters["instead_of"] in (None, payload.get(name)):
        payload[name] = parameters["word"]


def _first_evse_only(action: str, payload: Payload, _: Parameters) -> None:
    if action == "TransactionEvent" and payload.get("eventType") != "Started":
        payload.pop("evse", None)


def _no_token(action: str, payload: Payload, _: Parameters) -> None:
    if action == "TransactionEvent":
        payload.pop("idToken", None)
    elif action in ("StartTransaction", "StopTransaction"):
        payload["idTag"] = ""


def _no_reason(action: str, payload: Payload, _: Parameters) -> None:
    if action == "StopTransaction":
        payload.pop("reason", None)
    elif isinstance(info := payload.get("transactionInfo"), dict):
        info.pop("stoppedReason", None)


MUTATIONS: Mapping[str, Mutation] = {
    "null_fields": Mutation("sends null for optional fields", {}, _nulls),
    "long_texts": Mutation(
        "texts (idTag, info, serial number) are longer than OCPP allows",
        {"characters": Parameter(is_count, "how long at least", 60)},
        _long,
    ),
    "number_format": Mutation(
        "whole numbers as text or as fractions (meterStart 1000.5); values with blanks around",
        {"form": choice("text", "fraction", "blanks", default="text")},
        _numbers,
    ),
    "timestamp_form": Mutation(
        "timestamps are missing, null, unreadable, or written in an unusual form",
        {
            "form": choice(
                "missing",
                "null",
                "unreadable",
                "hours",
                "compact",
                "comma",
                "no_zone",
                "epoch",
                default="missing",
            ),
            "actions": texts("actions; empty: all", []),
        },
        _times,
    ),
    "word_form": Mutation(
        "words of enumerations in another case, or with blanks around",
        {"case": choice("lower", "upper", "as_is", default="lower"), "blanks": flag(False)},
        _words,
    ),
    "measurand_line_break": Mutation("measurands end with a line break", {}, _line_breaks),
    "split_moments": Mutation(
        "each value in an entry of its own, all with one timestamp", {}, _split
    ),
    "value_location": Mutation(
        "values come from this location instead of Outlet",
        {"location": choice("Body", "Cable", "Inlet", default="Body")},
        _location,
    ),
    "unknown_status": Mutation(
        "a status word that OCPP does not have",
        {
            "word": Parameter(is_text, "the word", "Occupied.Paused"),
            "instead_of": Parameter(
                lambda value: value is None or is_text(value),
                "the status that it replaces, or null (every one)",
                None,
            ),
        },
        _status,
    ),
    "evse_only_at_start": Mutation(
        "only the first TransactionEvent names the EVSE (2.0.1)", {}, _first_evse_only
    ),
    "no_stop_reason": Mutation("the end of a transaction has no reason", {}, _no_reason),
    "no_id_token": Mutation(
        "TransactionEvent without idToken (2.0.1), an empty idTag (1.6)", {}, _no_token
    ),
}


def shaped(active: Mapping[str, Parameters], action: str, payload: Payload) -> Payload:
    """Return the payload of a request as the twin writes it; `active` are the quirks that are
    on."""
    chosen = [name for name in MUTATIONS if name in active] if active else []
    if not chosen:
        return payload
    payload = deepcopy(payload)
    for name in chosen:
        MUTATIONS[name].change(action, payload, active[name])
    return payload


BROKEN = ("cut", "leading_comma", "bare_word", "short_error", "only_id", "no_frame")
BROKEN_ANSWERS = Kind(
    "answers are broken JSON, or a CALLERROR that is too short",
    {
        "form": choice(*BROKEN, default="cut"),
        "actions": texts("actions; empty: all", []),
    },
)


def broken(form: str, text: str, unique_id: str) -> str:
    """Return the text of an answer, broken."""
    key = json.dumps(unique_id)
    return {
        "cut": text[:-2],
        "leading_comma": text.replace("{", "{,", 1),
        "bare_word": f'[3,{key},{{"status":Accepted}}]',
        "short_error": f"[4,{key}]",
        "only_id": f"[3,{key}",
        "no_frame": "Accepted",
    }[form]
