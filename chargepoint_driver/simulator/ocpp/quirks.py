"""How charge points differ from the book: the table of quirks, and those of one twin.

A quirk is data, switched on and off by name while a twin runs. What it does is carried
out where the name is looked up; its parameters are checked here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..faults import Parameter


@dataclass(frozen=True)
class Kind:
    """A row of the table: what it does, and its parameters."""

    effect: str
    parameters: Mapping[str, Parameter]


def _one_of(*choices: Any) -> Callable[[Any], bool]:
    return lambda value: value in choices and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 100_000


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_seconds(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 86_400


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(wanted: str, default: Any = ...) -> Parameter:
    return Parameter(_is_texts, wanted, default)


QUIRKS: Mapping[str, Kind] = {
    # Charging profiles.
    "limit_unit": Kind(
        "takes limits in one unit only; profiles in the other are refused",
        {"unit": Parameter(_one_of("W", "A"), "W or A")},
    ),
    "rate_unit_spelling": Kind(
        "spells ChargingScheduleAllowedChargingRateUnit its own way",
        {"text": Parameter(_is_text, "a text such as Amps;Power")},
    ),
    "refuses_purpose": Kind(
        "refuses profiles of these purposes (OCPP's names)",
        {
            "purposes": _texts("a list of purposes"),
            "status": Parameter(
                _one_of("Rejected", "NotSupported"), "Rejected or NotSupported", "Rejected"
            ),
        },
    ),
    "ignores_profiles": Kind(
        "accepts profiles and does not apply them",
        {
            "composite": Parameter(
                _one_of("truth", "echo"), "truth or echo (GetCompositeSchedule pretends)", "truth"
            )
        },
    ),
    "profile_kinds": Kind(
        "accepts these kinds of profile only", {"kinds": _texts("Absolute, Relative, Recurring")}
    ),
    "max_stack_level": Kind(
        "refuses a higher stack level", {"level": Parameter(_is_count, "0 or more")}
    ),
    "tx_profile_overrules": Kind("a TxProfile replaces TxDefaultProfile while it runs", {}),
    "forgets_profiles": Kind("profiles are lost at a reboot", {}),
    "needs_replug": Kind("after a stop it refuses to start until unplugged", {}),
    # The connection.
    "no_boot_on_reconnect": Kind("no BootNotification when it merely reconnects", {}),
    "no_subprotocol": Kind("offers no subprotocol", {}),
    "subprotocols": Kind("offers these subprotocols", {"offered": _texts("a list of names")}),
    "probes": Kind(
        "connects with these subprotocols first and hangs up", {"offered": _texts("names")}
    ),
    "keeps_old_socket": Kind("at a reconnect the old socket stays open", {}),
    "encodes_whole_id": Kind("percent-encodes every character of its id", {}),
    "late_answers": Kind(
        "answers CALLs late", {"seconds": Parameter(_is_seconds, "real seconds", 65)}
    ),
    "deaf": Kind("never answers a CALL; its own messages go on", {}),
    "same_message_ids": Kind("uses one message id again and again", {}),
    "refuses_actions": Kind(
        "answers these actions with a CALLERROR",
        {
            "actions": _texts("a list of actions"),
            "code": Parameter(_is_text, "an error code", "NotSupported"),
        },
    ),
    # Transactions and meter values.
    "transaction_id": Kind(
        "uses an id of its own in MeterValues and StopTransaction (1.6)",
        {
            "value": Parameter(_is_int, "a whole number, negative or huge", -1),
            "actions": _texts("actions", ["MeterValues", "StopTransaction"]),
        },
    ),
    "meter_values_after_stop": Kind(
        "sends MeterValues of a transaction that has ended",
        {"times": Parameter(_is_count, "how often", 1)},
    ),
    "repeats_start": Kind("sends StartTransaction twice (1.6)", {}),
    "session_register": Kind("the register starts at 0 with each transaction", {}),
    "skips_seq_no": Kind("leaves a gap in seqNo of TransactionEvent (2.0.1)", {}),
    "totals_and_phases": Kind(
        "sends the total beside the phases",
        {"neutral": Parameter(lambda value: isinstance(value, bool), "true or false", False)},
    ),
    "phases_only": Kind("sends phases without a total", {}),
    "bare_values": Kind("leaves out measurand, unit, context and location", {}),
    "empty_values": Kind("sends empty texts where a value is missing", {}),
    "kilo_units": Kind("sends kW and kWh", {}),
    "breaks_schema": Kind("units, contexts and booleans that the schema does not have", {}),
    # Time.
    "clock_1970": Kind("its clock began at 1970 when it booted", {}),
    "local_time_as_utc": Kind(
        "sends local time marked Z",
        {"offset_s": Parameter(_is_seconds, "seconds, negative in the west", -28_800)},
    ),
    # Configuration and commands.
    "sampled_data_as_a_whole": Kind(
        "refuses MeterValuesSampledData when one measurand is unknown or there are too many",
        {
            "known": _texts("the measurands it knows", ["Energy.Active.Import.Register"]),
            "most": Parameter(_is_count, "how many at once", 4),
        },
    ),
    "max_keys": Kind(
        "GetConfiguration takes so many keys at once (GetConfigurationMaxKeys)",
        {"keys": Parameter(_is_count, "a number", 1)},
    ),
    "refuses_availability_0": Kind("ChangeAvailability of connector 0 is refused", {}),
}


class Quirks:
    """The quirks of one twin that are switched on."""

    __slots__ = ("_active",)

    def __init__(self, active: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Raises ValueError, naming all that is wrong."""
        faults = quirk_faults(active or {})
        if faults:
            raise ValueError("; ".join(faults))
        self._active: dict[str, dict[str, Any]] = {}
        for name, parameters in (active or {}).items():
            self.on(name, **parameters)

    def on(self, /, name: str, **parameters: Any) -> None:
        """Switch on (or change). Raises ValueError."""
        faults = quirk_faults({name: parameters})
        if faults:
            raise ValueError("; ".join(faults))
        defaults = {key: row.default for key, row in QUIRKS[name].parameters.items()}
        self._active[name] = {**defaults, **parameters}

    def off(self, name: str) -> None:
        """Switch off; not an error when it was not on. ValueError for an unknown name."""
        if name not in QUIRKS:
            raise ValueError(_unknown(name))
        self._active.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether it is on."""
        return name in self._active

    def get(self, name: str, parameter: str, default: Any = None) -> Any:
        """A parameter; `default` when the quirk is not on."""
        return self._active.get(name, {}).get(parameter, default)

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Those that are on, with their parameters."""
        return {name: dict(parameters) for name, parameters in self._active.items()}


def quirk_faults(wanted: Any) -> list[str]:
    """All that is wrong with quirks given as data ({name: {parameter: value}})."""
    if not isinstance(wanted, Mapping):
        return ["quirks: must be an object of name: parameters"]
    faults = []
    for name, parameters in wanted.items():
        if name not in QUIRKS:
            faults.append(_unknown(name))
            continue
        if not isinstance(parameters, Mapping):
            faults.append(f"quirk {name}: parameters must be an object")
            continue
        known = QUIRKS[name].parameters
        faults += [
            f"quirk {name}: no parameter {key!r} (it takes: {', '.join(known) or 'none'})"
            for key in parameters
            if key not in known
        ]
        for key, row in known.items():
            value = parameters.get(key, row.default)
            if value is ...:
                faults.append(f"quirk {name}: needs {key}: {row.wanted}")
            elif not row.check(value):
                faults.append(f"quirk {name}: {key} must be {row.wanted}, not {value!r}")
    return faults


def _unknown(name: object) -> str:
    return f"unknown quirk {name!r}: use one of {', '.join(sorted(QUIRKS))}"
