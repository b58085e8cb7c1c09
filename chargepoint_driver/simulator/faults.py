"""Switchable misbehaviour: which operations go wrong, how, and how often.

A fault is set for one operation or for all (`*`), for the next n calls or until it
is cleared. It happens every time: nothing is left to chance. What a kind means on
the wire is carried out in `server` and `soap`; its parameters are checked here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

EVERY_OPERATION = "*"

OPERATION_NAMES = frozenset(
    {
        "clearAlarms",
        "clearShedState",
        "createLoadShedEvent",
        "get15minChargingSessionData",
        "getAlarms",
        "getChargingSessionData",
        "getLoad",
        "getOrgsAndStationGroups",
        "getStationGroups",
        "getStationRights",
        "getStationStatus",
        "getStations",
        "getTransactionData",
        "removeLoadShedEvent",
        "shedLoad",
    }
)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a fault kind. `default` ... means it must be given."""

    check: Callable[[Any], bool]
    wanted: str
    default: Any = ...


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_span(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 3_600


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value is not True and 0 < value <= 1_024


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_url(value: Any) -> bool:
    return _is_text(value) and '"' not in value


def _is_optional_text(value: Any) -> bool:
    return value is None or _is_text(value)


_HTTP_STATUSES = (400, 401, 403, 404, 429, 500, 502, 503, 504)
_MEBIBYTES = "whole MiB, 1 to 1024"
_STATION = Parameter(_is_optional_text, "a station id or null (the first of the reply)", None)

KINDS: Mapping[str, Mapping[str, Parameter]] = {
    # Before the command is carried out.
    "delay": {"seconds": Parameter(_is_span, "0 to 3600 real seconds")},
    "http": {
        "status": Parameter(lambda value: value in _HTTP_STATUSES, f"one of {_HTTP_STATUSES}"),
        "retry_after_s": Parameter(
            lambda value: value is None or (isinstance(value, int) and 0 <= value <= 86_400),
            "whole seconds or null",
            None,
        ),
    },
    "soap_fault": {
        "http_status": Parameter(lambda value: value in (200, 500), "200 or 500", 500),
        "code": Parameter(_is_text, "a fault code", "soapenv:Server"),
        "text": Parameter(_is_text, "text", "Internal error"),
    },
    "refused": {
        "code": Parameter(_is_text, "a response code as text", "101"),
        "text": Parameter(_is_text, "text", "This call is not part of your API plan."),
    },
    "drop": {},
    # After the command is carried out: the reply is lost or damaged.
    "drop_reply": {},
    "drop_middle": {},
    "reset_middle": {},
    "truncated_xml": {},
    "malformed_xml": {},
    "empty_body": {},
    "wrong_namespace": {},
    "wrong_encoding": {},
    # The reply is an attack; the defaults exceed the limits of parsers.
    "huge_xml": {"mebibytes": Parameter(_is_size, _MEBIBYTES, 65)},
    "gzip_bomb": {"mebibytes": Parameter(_is_size, _MEBIBYTES, 256)},
    "deep_nesting": {
        "depth": Parameter(
            lambda value: isinstance(value, int) and 0 < value <= 1_000_000,
            "a whole number to 1000000",
            100_000,
        )
    },
    "giant_attribute": {"mebibytes": Parameter(_is_size, _MEBIBYTES, 11)},
    "giant_text": {"mebibytes": Parameter(_is_size, _MEBIBYTES, 11)},
    "entity_expansion": {},
    "external_entity": {
        "url": Parameter(_is_url, "a URL without quotes", "file:///etc/hostname"),
    },
    # Odd replies, as the live service gives them.
    "endless_more": {},
    "repeated_page": {},
    "reversed_order": {},
    "shuffled_elements": {},
    "unknown_elements": {},
    "empty_numbers": {},
    "no_coordinates": {"station": _STATION},
    "empty_station": {"station": _STATION},
    "missing_port": {
        "station": _STATION,
        "port": Parameter(
            lambda value: value is None or (isinstance(value, int) and value > 0),
            "a port number or null (the last one)",
            None,
        ),
    },
    "security_header": {},
    # The command is carried out, but not by everyone.
    "ignores_shed": {
        "station": Parameter(_is_optional_text, "a station id or null (all that it is for)", None),
        "obeys_after_s": Parameter(
            lambda value: value is None or (_is_number(value) and 0 < value <= 86_400),
            "simulated seconds until it obeys, or null (never)",
            None,
        ),
    },
    "clock_skew": {"seconds": Parameter(_is_number, "seconds, negative when behind")},
}


@dataclass
class Fault:
    """A fault that is switched on; `times_left` None means until cleared."""

    operation: str
    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    times_left: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fault as it would be given to the control interface."""
        return {
            "operation": self.operation,
            "kind": self.kind,
            "times": self.times_left,
            **self.params,
        }


class Faults:
    """The switchboard; safe to use from any thread."""

    def __init__(self) -> None:
        """Start with everything in order."""
        self._lock = Lock()
        self._active: dict[tuple[str, str], Fault] = {}

    def set(
        self,
        /,
        operation: str,
        kind: str,
        *,
        times: int | None = None,
        **params: Any,
    ) -> None:
        """Switch a fault on; the same kind for the same operation is replaced.

        `times` is the number of calls it spoils, None for all until cleared. Raises
        ValueError, naming what is wrong, for an unknown operation, kind or parameter.
        """
        if operation != EVERY_OPERATION and operation not in OPERATION_NAMES:
            raise ValueError(
                f"unknown operation {operation!r}: use '*' or one of "
                + ", ".join(sorted(OPERATION_NAMES))
            )
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}: use one of {', '.join(sorted(KINDS))}")
        if times is not None and (not isinstance(times, int) or times is True or times < 1):
            raise ValueError(f"times must be a positive whole number or null, not {times!r}")
        fault = Fault(operation, kind, _checked(kind, params), times)
        with self._lock:
            self._active[operation, kind] = fault

    def clear(self, operation: str | None = None, kind: str | None = None) -> None:
        """Switch off the faults of an operation, of a kind, or (both None) all."""
        with self._lock:
            self._active = {
                key: fault
                for key, fault in self._active.items()
                if (operation is not None and key[0] != operation)
                or (kind is not None and key[1] != kind)
            }

    def active(self) -> list[Fault]:
        """Return the faults switched on at the moment."""
        with self._lock:
            return list(self._active.values())

    def take(self, operation: str) -> FaultsOfCall:
        """The faults that hit this call; each is counted down.

        A fault set for the operation itself comes before one of the same kind for
        all, which then stays unused.
        """
        with self._lock:
            taken: dict[str, dict[str, Any]] = {}
            for key in ((name, kind) for name in (operation, EVERY_OPERATION) for kind in KINDS):
                fault = self._active.get(key)
                if fault is None or fault.kind in taken:
                    continue
                taken[fault.kind] = fault.params
                if fault.times_left is not None:
                    fault.times_left -= 1
                    if not fault.times_left:
                        del self._active[key]
            return FaultsOfCall(taken)


@dataclass(frozen=True)
class FaultsOfCall:
    """Faults of one call: kind -> parameters, complete with defaults."""

    kinds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def has(self, kind: str) -> bool:
        """Return True if that kind is on for this call."""
        return kind in self.kinds

    def param(self, kind: str, name: str, default: Any = None) -> Any:
        """Return a parameter of a kind; `default` when the kind is not on."""
        return self.kinds.get(kind, {}).get(name, default)


def _checked(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    known = KINDS[kind]
    extra = sorted(set(params) - set(known))
    if extra:
        takes = ", ".join(known) or "none"
        raise ValueError(f"{kind} has no parameter {', '.join(extra)} (it takes: {takes})")
    complete = {}
    for name, parameter in known.items():
        value = params.get(name, parameter.default)
        if value is ...:
            raise ValueError(f"{kind} needs {name}: {parameter.wanted}")
        if not parameter.check(value):
            raise ValueError(f"{name} of {kind} must be {parameter.wanted}, not {value!r}")
        complete[name] = value
    return complete
