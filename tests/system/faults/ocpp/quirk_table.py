"""The table of how real charge points differ, each as quirks of a twin.

The driver has to show what it shows of a twin without quirks, unless the row asks for another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..table import FINE, REJECTED, UNKNOWN
from .table import VERSIONS

BOTH = VERSIONS
# Two for each request of a set-up that restarts it, and there are not many of them.
MAX_BOOTS = 12


@dataclass(frozen=True)
class QuirkRow:
    """One row. `quirks` are those of the twin. `versions` are those that the row exists for.

    `shows` are points that differ from those of the neighbour while it charges; `...` is not
    looked at. `counted` is the kind of departure from the schema that is counted. `sessions` are
    driven one after another, with a boot between them where `boots` is true. `energy`: whether the
    record has the energy that flowed; `recorded` are further fields of each record. `remote`: each
    session is started from afar, and a vehicle arrives. `connectors` are those of both twins.
    `unlock`: the code that an unlock ends with, at once, and '' where it is done (None: not
    tried). `max_boots`: the central system sets the twin up first, and the twin may connect so
    often.
    """

    name: str
    quirks: Mapping[str, Mapping[str, Any]]
    versions: tuple[str, ...] = BOTH
    shows: Mapping[str, Any] = field(default_factory=dict)
    counted: str | None = None
    sessions: int = 1
    boots: bool = False
    energy: bool = True
    recorded: Mapping[str, Any] = field(default_factory=dict)
    remote: bool = False
    connectors: Any = 2
    unlock: str | None = None
    max_boots: int = 0


# Nobody knows whether a connector with such a word can be used, so it is not offered.
_UNKNOWN_WORD: dict[str, Any] = {"Status": "UNKNOWN", "portLoad 2": None} | {
    f"{attribute} {connector}": value
    for connector in (1, 2)
    for attribute, value in {
        "Status": "UNKNOWN",
        "ocppStatus": "Parked",
        "composite_status": "down",
        "available_for_charging": -1,
    }.items()
}


# Both live phases carry half of 11 kW at 230 V.
_DEAD_PHASE: dict[str, Any] = {
    "currentL1 1": 23.9,
    "currentL2 1": 0.0,
    "currentL3 1": 23.9,
    "voltageL2 1": 0.0,
    "portCurrent 1": ...,
    "portVoltage 1": ...,
}
_FED_BACK: dict[str, Any] = {
    "portLoad 1": -5.0,
    "SoC 1": ...,
    **{f"{name} 1": ... for name in ("portCurrent", "currentL1", "currentL2", "currentL3")},
}


def _one(name: str, quirk: str, /, counted: str | None = None, **parameters: Any) -> QuirkRow:
    return QuirkRow(name, {quirk: parameters}, counted=counted)


def _stop(value: int | None) -> QuirkRow:
    quirk = {"transaction_id": {"value": value, "actions": ["StopTransaction"]}}
    recorded = {"matched_by": "position"}
    return QuirkRow(f"stop with id {value}", quirk, ("1.6",), recorded=recorded)


def _times(form: str, counted: str | None = None) -> QuirkRow:
    return _one(f"times {form}", "timestamp_form", counted, form=form)


def _broken(form: str, unlock: str) -> QuirkRow:
    quirk = {"broken_answers": {"form": form, "actions": ["UnlockConnector"]}}
    return QuirkRow(f"answers {form}", quirk, unlock=unlock)


def _reboots(name: str, *actions: str, answers: bool) -> QuirkRow:
    quirk = {"actions": list(actions), "answers": answers, "forgets": True}
    return QuirkRow(name, {"reboots_on": quirk}, max_boots=MAX_BOOTS)


QUIRK_ROWS = (
    QuirkRow("no quirk", {}),
    QuirkRow("no quirk, started from afar", {}, remote=True),
    QuirkRow("no quirk, DC", {}, connectors=[{"kind": "DC", "rated_kw": 50}] * 2),
    # 1. Sessions.
    QuirkRow("numbers from 1 after each boot", {"numbers_from_one": {}}, sessions=2, boots=True),
    QuirkRow(
        "every transaction is number 1", {"numbers_from_one": {"always_one": True}}, sessions=2
    ),
    QuirkRow("sessions look alike", {"sessions_look_alike": {}}, sessions=2, boots=True),
    *(_stop(value) for value in (-1, 0, None)),
    QuirkRow("starts are lost", {"loses_start": {}}, sessions=2, energy=False),
    QuirkRow("register falls", {"register_falls": {"after_samples": 2}}, energy=False,
             shows={"energyRegister 1": ...},
             recorded={"register_resets": 1, "energy_is_minimum": True}),
    _one("register of the session", "session_register"),
    _one("start sent twice", "repeats_start"),
    QuirkRow("clock never set", {"clock_never_set": {}}, sessions=2, boots=True),
    _one("clock at 1970", "clock_1970"),
    QuirkRow("no idToken, or an empty idTag", {"no_id_token": {}}, recorded={"id_tag": None}),
    QuirkRow("no idToken, started from afar", {"no_id_token": {}}, ("2.0.1",), remote=True),
    QuirkRow("no reason of the stop", {"no_stop_reason": {}}, recorded={"reason": "Local"}),
    # 2. Messages.
    _one("null for optional fields", "null_fields", "null"),
    QuirkRow("texts too long", {"long_texts": {"characters": 60}}, counted="too_long",
             recorded={"id_tag": "TAG-".ljust(60, "x")}),
    _one("numbers as text", "number_format", "number_as_text", form="text"),
    _one("numbers as fractions", "number_format", form="fraction"),
    _one("values with blanks", "number_format", form="blanks"),
    _times("missing", "missing"),
    _times("null", "null"),
    _times("unreadable", "time"),
    *(_times(form) for form in ("hours", "compact", "comma", "no_zone")),
    _one("words in small letters", "word_form", "spelling"),
    _one("words in capitals", "word_form", "spelling", case="upper"),
    _one("blanks around words", "word_form", "spelling", case="as_is", blanks=True),
    _one("line breaks in measurands", "measurand_line_break", "spelling"),
    _one("DataTransfer of any shape", "sends_data_transfer"),
    QuirkRow("EVSE in the first event only", {"evse_only_at_start": {}}, ("2.0.1",)),
    *(_broken(form, UNKNOWN) for form in ("cut", "bare_word", "only_id")),
    _broken("short_error", REJECTED),
    # A spare comma hides nothing.
    _broken("leading_comma", FINE),
    # 3. Moments.
    _one("moments split", "split_moments"),
    _one("begin next to the values", "begin_beside_values"),
    *(_one(f"values of the {place}", "value_location", location=place)
      for place in ("Body", "Cable", "Inlet")),
    _one("totals and phases", "totals_and_phases", neutral=True),
    _one("phases only", "phases_only"),
    _one("kW and kWh", "kilo_units"),
    QuirkRow("dead phase", {"dead_phase": {"phase": 2}}, shows=_DEAD_PHASE),
    QuirkRow("feeds back", {"feeds_back": {"kw": 5}},
             shows={**_FED_BACK, "powerExported 1": 5.0, "energyRegisterExported 1": 0.062}),
    QuirkRow("feeds back, negative", {"feeds_back": {"kw": 5, "form": "negative"}},
           shows=_FED_BACK),
    # 4. Statuses.
    _one("old times of statuses", "old_status_times"),
    *(_one(f"connector 0 Unavailable, asked: {answer}", "connector_0_unavailable", trigger=answer)
      for answer in ("truth", "silent", "rejected")),
    QuirkRow(
        "unknown word of a status",
        {"unknown_status": {"word": "Parked"}},
        shows=_UNKNOWN_WORD, counted="unknown_word",
    ),
    # 5. Set-up.
    _reboots("reboots when asked for settings", "GetConfiguration", "GetVariables", answers=False),
    _reboots("reboots at each setting", "ChangeConfiguration", "SetVariables", answers=True),
)  # fmt: skip
