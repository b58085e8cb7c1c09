"""Quirks: deviations of chargers from the standard, as a table, and those of one twin.

A quirk is data, switched on and off by name while a twin runs. What it does is carried
out where the name is looked up; its parameters are checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...faults import Parameter
from ..moments import seconds_of
from .kinds import Kind, choice, flag, is_count, is_seconds, is_text, one_of, texts
from .mutations import BROKEN_ANSWERS, MUTATIONS


def _is_moment(value: Any) -> bool:
    return is_text(value) and seconds_of(value) is not None


QUIRKS: Mapping[str, Kind] = {
    # Charging profiles.
    "limit_unit": Kind(
        "takes limits in one unit only; profiles in the other are refused",
        {"unit": Parameter(one_of("W", "A"), "W or A")},
    ),
    "rate_unit_spelling": Kind(
        "spells ChargingScheduleAllowedChargingRateUnit its own way",
        {"text": Parameter(is_text, "a text such as Amps;Power")},
    ),
    "refuses_purpose": Kind(
        "refuses profiles of these purposes (OCPP's names)",
        {
            "purposes": texts("a list of purposes"),
            "status": Parameter(
                one_of("Rejected", "NotSupported"), "Rejected or NotSupported", "Rejected"
            ),
        },
    ),
    "ignores_profiles": Kind(
        "accepts profiles and does not obey them, or only later; may claim that it does",
        {
            "composite": Parameter(
                one_of("truth", "echo", "empty", "rejected"),
                "GetCompositeSchedule tells the truth, echoes the profile, is empty or rejected",
                "truth",
            ),
            "offered": Parameter(
                one_of("truth", "echo"), "the offered current and power: truth or echo", "truth"
            ),
            "obeys_after_s": Parameter(
                lambda value: value is None or (is_seconds(value) and value > 0),
                "simulated seconds until it obeys, or null (never)",
                None,
            ),
        },
    ),
    "profile_kinds": Kind(
        "accepts these kinds of profile only", {"kinds": texts("Absolute, Relative, Recurring")}
    ),
    "max_stack_level": Kind(
        "refuses a higher stack level", {"level": Parameter(is_count, "0 or more")}
    ),
    "min_of_purposes": Kind(
        "a TxProfile does not overrule TxDefaultProfile; the lower one caps", {}
    ),
    "tx_profile_overrules": Kind("nothing: every twin keeps this rule (an older name)", {}),
    "forgets_profiles": Kind("profiles are lost at a reboot", {}),
    "needs_replug": Kind("after a stop it refuses to start until unplugged", {}),
    # The connection.
    "no_boot_on_reconnect": Kind("no BootNotification when it merely reconnects", {}),
    "no_subprotocol": Kind("offers no subprotocol", {}),
    "subprotocols": Kind("offers these subprotocols", {"offered": texts("a list of names")}),
    "probes": Kind(
        "connects with these subprotocols first and hangs up", {"offered": texts("names")}
    ),
    "keeps_old_socket": Kind("at a reconnect the old socket stays open", {}),
    "encodes_whole_id": Kind("percent-encodes every character of its id", {}),
    "late_answers": Kind(
        "answers CALLs late", {"seconds": Parameter(is_seconds, "real seconds", 65)}
    ),
    "deaf": Kind("never answers a CALL; its own messages go on", {}),
    "same_message_ids": Kind("uses one message id again and again", {}),
    "refuses_actions": Kind(
        "answers these actions with a CALLERROR",
        {
            "actions": texts("a list of actions"),
            "code": Parameter(is_text, "an error code", "NotSupported"),
        },
    ),
    # Transactions and meter values.
    "transaction_id": Kind(
        "uses an id of its own in MeterValues and StopTransaction (1.6)",
        {
            "value": Parameter(
                lambda value: value is None or type(value) is int,
                "a whole number, negative or huge, or null",
                -1,
            ),
            "actions": texts("actions", ["MeterValues", "StopTransaction"]),
        },
    ),
    "meter_values_after_stop": Kind(
        "sends MeterValues of a transaction that has ended",
        {"times": Parameter(is_count, "how often", 1)},
    ),
    "numbers_from_one": Kind(
        "numbers its transactions from 1 after each boot, in 1.6 in place of the given number",
        {"always_one": flag(False)},
    ),
    "sessions_look_alike": Kind(
        "a session begins with the same id, time and register as the one before",
        {},
    ),
    "loses_start": Kind("never sends the start of a transaction: its stop is an orphan", {}),
    "register_falls": Kind(
        "the register begins at 0 again inside a session",
        {"after_samples": Parameter(is_count, "after how many samples", 2)},
    ),
    "begin_beside_values": Kind(
        "each message with values has the register of the begin too (Transaction.Begin)", {}
    ),
    "dead_phase": Kind(
        "one phase of an AC connector carries nothing",
        {"phase": Parameter(one_of(1, 2, 3), "1, 2 or 3", 2)},
    ),
    "feeds_back": Kind(
        "the vehicle feeds back while its transaction runs",
        {
            "kw": Parameter(
                lambda value: type(value) in (int, float) and 0 < value <= 2_000, "kW", 5.0
            ),
            "form": choice("export", "negative", default="export"),
        },
    ),
    "repeats_start": Kind("sends StartTransaction twice (1.6)", {}),
    "session_register": Kind("the register starts at 0 with each transaction", {}),
    "skips_seq_no": Kind("leaves a gap in seqNo of TransactionEvent (2.0.1)", {}),
    "totals_and_phases": Kind(
        "sends the total and the phases",
        {"neutral": flag(False)},
    ),
    "phases_only": Kind("sends phases without a total", {}),
    "bare_values": Kind("leaves out measurand, unit, context and location", {}),
    "empty_values": Kind("sends empty texts where a value is missing", {}),
    "kilo_units": Kind("sends kW and kWh", {}),
    "breaks_schema": Kind("units, contexts and booleans that the schema does not have", {}),
    # Statuses.
    "old_status_times": Kind(
        "a StatusNotification of a connector carries the time of a change long ago",
        {
            "age_s": Parameter(
                lambda value: type(value) in (int, float) and value >= 0, "s", 176_400
            )
        },
    ),
    "connector_0_unavailable": Kind(
        "reports connector (EVSE) 0 as Unavailable, and never corrects it",
        {"trigger": choice("truth", "silent", "rejected", default="truth")},
    ),
    # Time.
    "clock_never_set": Kind(
        "its clock begins at the same moment at each boot, and may stand still",
        {
            "start": Parameter(_is_moment, "a time in UTC", "2000-01-01T00:00:00.000Z"),
            "stands": flag(False),
        },
    ),
    "clock_1970": Kind("its clock began at 1970 when it booted", {}),
    "local_time_as_utc": Kind(
        "sends local time marked Z",
        {"offset_s": Parameter(is_seconds, "seconds, negative in the west", -28_800)},
    ),
    # Configuration and commands.
    "sampled_data_as_a_whole": Kind(
        "refuses MeterValuesSampledData when one measurand is unknown or there are too many",
        {
            "known": texts("the measurands it knows", ["Energy.Active.Import.Register"]),
            "most": Parameter(is_count, "how many at once", 4),
        },
    ),
    "max_keys": Kind(
        "GetConfiguration accepts that many keys at once (GetConfigurationMaxKeys)",
        {"keys": Parameter(is_count, "a number", 1)},
    ),
    "reboots_on": Kind(
        "restarts when it gets one of these requests",
        {
            "actions": texts("actions", ["GetConfiguration", "GetVariables", "GetBaseReport"]),
            "answers": flag(False),
            "forgets": flag(False),
        },
    ),
    "broken_answers": BROKEN_ANSWERS,
    "sends_data_transfer": Kind(
        "sends a DataTransfer of any shape after each boot",
        {
            "payload": Parameter(
                lambda value: isinstance(value, Mapping),
                "an object",
                {"vendorId": "Twin Works", "data": {"state": [1, None]}},
            )
        },
    ),
    "refuses_availability_0": Kind("ChangeAvailability of connector 0 is refused", {}),
    # What is written.
    **MUTATIONS,
}
# What a quirk brings with it.
IMPLIED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "sessions_look_alike": {
        "clock_never_set": {"stands": True},
        "numbers_from_one": {"always_one": True},
        "session_register": {},
    }
}


class Quirks:
    """The quirks of one twin that are switched on."""

    __slots__ = ("_active", "_given")

    def __init__(self, active: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Raises ValueError, naming all that is wrong."""
        faults = quirk_faults(active or {})
        if faults:
            raise ValueError("; ".join(faults))
        # As they were switched on, and with what they bring with them.
        self._given: dict[str, dict[str, Any]] = {}
        self._active: dict[str, dict[str, Any]] = {}
        for name, parameters in (active or {}).items():
            self.on(name, **parameters)

    def on(self, /, name: str, **parameters: Any) -> None:
        """Switch on (or change). Raises ValueError."""
        faults = quirk_faults({name: parameters})
        if faults:
            raise ValueError("; ".join(faults))
        self._given[name] = _complete(name, parameters)
        self._imply()

    def off(self, name: str) -> None:
        """Switch off; not an error when it was not on. ValueError for an unknown name."""
        if name not in QUIRKS:
            raise ValueError(_unknown(name))
        self._given.pop(name, None)
        self._imply()

    def _imply(self) -> None:
        implied = {
            other: _complete(other, parameters)
            for name in self._given
            for other, parameters in IMPLIED.get(name, {}).items()
        }
        self._active = {**implied, **self._given}

    @property
    def active(self) -> Mapping[str, Mapping[str, Any]]:
        """Those that are on, with what they bring with them, and their parameters."""
        return self._active

    def has(self, name: str) -> bool:
        """Return True if it is on."""
        return name in self._active

    def get(self, name: str, parameter: str, default: Any = None) -> Any:
        """Return a parameter; `default` when the quirk is not on."""
        return self._active.get(name, {}).get(parameter, default)

    def as_json(self) -> dict[str, dict[str, Any]]:
        """Those that are on, with their parameters."""
        return {name: dict(parameters) for name, parameters in self._given.items()}


def _complete(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {key: row.default for key, row in QUIRKS[name].parameters.items()}
    return {**defaults, **parameters}


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
