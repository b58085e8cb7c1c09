"""Odd fields cost no message: what means one thing is taken as that, and counted by its kind."""

# ruff: noqa: E501 - a row for each case
from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chargepoint_driver.backends.ocpp.model import quirks
from chargepoint_driver.backends.ocpp.wire import schemas
from chargepoint_driver.backends.ocpp.wire.leniency import KINDS, Departures, number_of

from ..fuzzing import REQUESTS as EXAMPLES

REQUESTS = {version.removeprefix("ocpp"): requests for version, requests in EXAMPLES.items()}

STRICT = {"*": {"quirks": {"validation": "strict"}}}
V201 = {"subprotocols": ["ocpp2.0.1"]}


def usable(version: str, action: str, payload: Any) -> tuple[Any, list[tuple[str, str]]]:
    departures = Departures()
    found = schemas.take_request(version, action, payload, departures)
    return found, departures.found


# ---- one field ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kind", "taken"),
    [
        ({"iccid": None}, ("null", "iccid"), {}),
        ({"firmwareVersion": "v" * 51}, ("too_long", "firmwareVersion"), ...),
        ({"firmwareVersion": 3.1}, ("text_as_number", "firmwareVersion"), {"firmwareVersion": "3.1"}),
        ({"firmwareVersion": True}, ("text_as_number", "firmwareVersion"), {"firmwareVersion": "true"}),
        ({"firmwareVersion": ["1", 2]}, ("unusable", "firmwareVersion"), {}),
        ({"extra": 5}, ("unknown_field", "extra"), {"extra": 5}),
        ({"FirmwareVersion ": "1"}, ("field_name", "firmwareVersion"), {"firmwareVersion": "1"}),
        ({"firmware_version": "1"}, ("field_name", "firmwareVersion"), {"firmwareVersion": "1"}),
    ],
)  # fmt: skip
def test_a_field_of_a_boot(given, kind, taken) -> None:
    whole = {"chargePointVendor": "V", "chargePointModel": "M"}
    found, kinds = usable("1.6", "BootNotification", {**whole, **given})
    assert kinds == [kind]
    assert found == {**whole, **(given if taken is ... else taken)}


@pytest.mark.parametrize(
    ("given", "meter"),
    [
        (1000.5, 1000.5),
        ("1000", 1000),
        (" 1000 ", 1000),
        ("1e3", 1000),
        (1e3, 1000),
        ("1000.25", 1000.25),
        ("1000,5", 1000.5),
        ("+7", 7),
        (-3, -3),
        ("1,000", None),
        ("1_000", None),
        ("0x10", None),
        ("nan", None),
        ("٣", None),
        ("", None),
        (True, None),
        ([5], None),
        (None, None),
    ],
)
def test_whole_numbers(given, meter) -> None:
    payload = {"transactionId": 1, "timestamp": "2026-01-01T00:00:00Z", "meterStop": given}
    found, _ = usable("1.6", "StopTransaction", payload)
    assert found.get("meterStop") == meter


@pytest.mark.parametrize("word", ["charging", " Charging\n", "CHARGING", "Char ging", "charg-ing"])
def test_a_word_in_another_spelling(site, word) -> None:
    charger = site.charger()
    charger.status(word)
    assert (site.connector().ocpp_status, site.connector().status) == ("Charging", "INUSE")
    assert site.point().forgiven == {"spelling": {"StatusNotification.status": 1}}
    event = site.system.events()[-1]
    assert event["data"]["as_received"] == {"status": word}


@pytest.mark.parametrize("word", ["Dancing", "In Use", "Chargin", "0"])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_word_that_is_no_status_is_unknown(site, word, version) -> None:
    charger = site.charger(**({} if version == "1.6" else V201))
    if version == "1.6":
        charger.status(word)
    else:
        payload = {"timestamp": site.clock.iso(), "evseId": 1, "connectorId": 1}
        charger.ask("StatusNotification", {**payload, "connectorStatus": word})
    connector = site.connector()
    assert (connector.status, connector.ocpp_status) == ("UNKNOWN", word)
    assert connector.available_for_charging != 1
    assert set(site.point().forgiven) == {"unknown_word"}


@pytest.mark.parametrize(("given", "truth"), [("true", True), ("FALSE ", False), (1, True), ("0", False)])  # fmt: skip
def test_truth_values_as_texts(given, truth) -> None:
    payload = {**REQUESTS["2.0.1"]["TransactionEvent"], "offline": given}
    found, kinds = usable("2.0.1", "TransactionEvent", payload)
    assert found["offline"] is truth
    assert kinds == [("boolean_as_text", "offline")]


# ---- whole messages -------------------------------------------------------------------------


def with_nulls(value: Any) -> Any:
    """Return the same with null next to everything, and in every list."""
    if isinstance(value, dict):
        return {**{key: with_nulls(each) for key, each in value.items()}, "extra": None}
    return [None, *map(with_nulls, value), None] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("version", "action"), [(v, action) for v, each in REQUESTS.items() for action in sorted(each)]
)
def test_null_is_absent_everywhere(version, action) -> None:
    payload = REQUESTS[version][action]
    if not schemas.take_request(version, action, payload, Departures()) or not payload:
        return
    found, kinds = usable(version, action, with_nulls(payload))
    assert found == payload
    assert {kind for kind, _ in kinds} == {"null"}


def test_a_session_of_odd_messages_is_recorded_whole(site, clock) -> None:
    charger = site.charger()
    tag = "A-TAG-OF-21-CHARACTER"
    charger.ask("BootNotification", {"chargePointVendor": "x" * 99, "chargePointModel": None})
    assert charger.ask("Authorize", {"idTag": tag})["idTagInfo"]["status"] == "Accepted"
    start = {"connectorId": "1", "idTag": tag, "meterStart": "1e3", "timestamp": "yesterday"}
    transaction = charger.ask("StartTransaction", start)["transactionId"]
    clock.ahead_s += 600
    stop = {"transactionId": str(transaction), "idTag": tag, "meterStop": 2500.5, "reason": "bored"}
    charger.ask("StopTransaction", stop)
    (row,) = site.month()
    assert (row["id_tag"], row["energy_wh"], row["reason"]) == (tag, 1500.5, "bored")
    assert row["duration_s"] == 600
    assert set(site.point().forgiven) == {
        *("too_long", "null", "missing", "number_as_text", "time", "fraction", "unknown_word")
    }


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"transactionId": None, "meterStop": None, "timestamp": None},
        {"transactionId": {"id": 1}, "meterStop": [], "timestamp": 5, "idTag": {}, "reason": 7},
        {"transactionId": "abc", "meterStop": 1e40, "transactionData": 5},
        {"transactionId": 10**40, "meterStop": -(10**30), "transactionData": [[5], None, {}]},
        {"transactionData": {"timestamp": "x", "sampledValue": {"value": None}}},
    ],
)
def test_a_stop_is_taken_whatever_it_holds(site, payload) -> None:
    assert site.charger().request("StopTransaction", payload)[0] == 3
    assert "internal_errors" not in site.point().counters


@pytest.mark.parametrize("payload", [None, [], "", 5, [{"transactionId": 1}]])
def test_a_stop_that_is_no_object_is_refused(site, payload) -> None:
    assert site.charger().request("StopTransaction", payload)[0] == 4


@pytest.mark.parametrize(
    "payload",
    [
        {"eventType": "Ended"},
        {"eventType": "ended", "transactionInfo": None, "seqNo": "x", "evse": [], "idToken": 5},
        {"eventType": " ENDED", "transactionInfo": {"transactionId": 12}, "seqNo": 1.5},
        {"transactionInfo": {"transactionId": "t", "stoppedReason": "Remote"}},
        {"eventType": "Ended", "transactionInfo": {"transactionId": "t"}, "meterValue": {"x": 1}},
        {"eventType": "Ended", "transactionInfo": [], "evse": 1, "idToken": "A", "timestamp": {}},
    ],
)
def test_an_end_is_taken_whatever_it_holds(site, payload) -> None:
    charger = site.charger(**V201)
    assert charger.request("TransactionEvent", payload)[0] == 3
    assert "internal_errors" not in site.point().counters
    assert site.system.events()[-1]["action"] == "TransactionEvent"


@pytest.mark.parametrize("given", [None, -1, 10**12, "one"])
@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_start_without_a_connector_is_a_session(site, clock, known, given) -> None:
    charger = site.charger()
    for number in range(1, known + 1):
        charger.status("Preparing", number)
    start = {"idTag": "A", "meterStart": 100, "timestamp": clock.iso(600)}
    if given is not None:
        start["connectorId"] = given
    transaction = charger.ask("StartTransaction", start)["transactionId"]
    charger.stop(transaction, clock.iso(), 600)
    (row,) = site.month()
    assert (row["connector"], row["energy_wh"]) == (1 if known == 1 else 0, 500)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_meter_values_of_nobody_knows_which_connector_are_recorded(site, clock, version) -> None:
    charger = site.charger(subprotocols=[f"ocpp{version}"])
    value = {"value": "9000" if version == "1.6" else 9000, "measurand": "Power.Active.Import"}
    charger.ask(
        "MeterValues", {"meterValue": [{"timestamp": clock.iso(), "sampledValue": [value]}]}
    )
    assert site.point().connectors == {}
    assert site.system.events()[-1]["action"] == "MeterValues"
    assert site.point().forgiven["unusable"] == {"MeterValues": 1}


def test_a_bare_value_is_the_field_that_names_its_object() -> None:
    payload = {**REQUESTS["2.0.1"]["TransactionEvent"], "evse": 2, "idToken": "TAG"}
    found, _ = usable("2.0.1", "TransactionEvent", payload)
    assert (found["evse"], found["idToken"]) == ({"id": 2}, {"idToken": "TAG"})


@pytest.mark.parametrize(
    "payload",
    [
        *({"vendorId": "v", "data": data} for data in ({"a": [1]}, [1, 2], 5, True, None, "x" * 9000)),
        *({"data": "x"}, {"vendorId": 7}, [1, 2], "text", None, 5, {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_data_transfer_of_any_shape(site, payload, version) -> None:
    charger = site.charger(subprotocols=[f"ocpp{version}"])
    assert charger.ask("DataTransfer", payload) == {"status": "UnknownVendorId"}
    data = site.system.events()[-1]["data"]
    given = payload.get("data") if isinstance(payload, dict) else payload
    assert data.get("data") == given


def test_a_lone_value_counts_as_a_list(site, clock) -> None:
    charger = site.charger(**V201)
    power = {"value": " 4500 ", "measurand": "power.active.import\n"}
    charger.ask("MeterValues", {"evseId": "1", "meterValue": {"sampledValue": power}})
    assert site.connector().load_kw == 4.5


def test_the_heartbeat_may_hold_nothing_at_all(site) -> None:
    assert "currentTime" in site.charger().ask("Heartbeat", None)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_nulls_in_meter_values_are_counted_on_the_quick_way_too(site, clock, version) -> None:
    charger = site.charger(subprotocols=[f"ocpp{version}"])
    value = {"value": "7000" if version == "1.6" else 7000, "measurand": "Power.Active.Import"}
    values = [
        {"timestamp": clock.iso(), "sampledValue": [{**value, "context": None, "phase": None}]}
    ]
    number = "connectorId" if version == "1.6" else "evseId"
    charger.ask("MeterValues", {number: 1, "meterValue": values})
    assert site.connector().load_kw == 7
    assert "null" in site.point().forgiven
    assert site.point().counters["forgiven"] == 1


def test_answers_are_read_the_same_way(site) -> None:
    charger = site.charger()

    def answer() -> None:
        _, number, _, _ = json.loads(charger.ws.recv(10))
        keys = [{"key": "A", "value": 60, "readonly": "true"}, None, {"key": "B", "value": None}]
        text = json.dumps([3, number, {"configurationKey": keys, "unknownKey": None}])
        charger.ws.send(text)

    thread = threading.Thread(target=answer)
    thread.start()
    found = site.system.call("CP1", "GetConfiguration", {}, timeout_s=10)
    thread.join()
    assert found["configurationKey"][0] == {"key": "A", "value": "60", "readonly": True}
    assert [each["key"] for each in found["configurationKey"]] == ["A", "B"]
    assert (
        "GetConfiguration answer.configurationKey.readonly"
        in site.point().forgiven["boolean_as_text"]
    )


# ---- strict ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Authorize", {"idTag": "x" * 21}, "TypeConstraintViolation"),
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": None}, "TypeConstraintViolation"),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "charging"}, "PropertyConstraintViolation"),
        ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 1}, "ProtocolError"),
        ("Heartbeat", None, "FormationViolation"),
    ],
)  # fmt: skip
def test_strict_refuses_what_lenient_takes(start, action, payload, code) -> None:
    site = start(charge_points={**STRICT, "LENIENT": {}})
    assert site.charger().request(action, payload)[2] == code
    assert site.charger("LENIENT").request(action, payload)[0] == 3
    assert site.charger("CP2").send('[2,5,"Heartbeat",{}]')[:3] == [4, "-1", "ProtocolError"]


def test_strict_by_the_model(start, monkeypatch) -> None:
    entry = {"vendor": "^test", "quirks": {"validation": "strict"}}
    monkeypatch.setattr(quirks, "_entries", lambda: [quirks.read_entry(entry)])
    site = start()
    charger = site.charger()
    assert charger.request("Authorize", {"idTag": "x" * 21})[0] == 3
    charger.boot()
    charger.ask("Heartbeat", {})
    assert charger.request("Authorize", {"idTag": "x" * 21})[0] == 4


# ---- the rule as a whole --------------------------------------------------------------------


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@given(st.data())
def test_any_value_in_any_place_is_taken_or_left_out(data) -> None:
    version = data.draw(st.sampled_from(sorted(REQUESTS)))
    action = data.draw(st.sampled_from(sorted(REQUESTS[version])))
    payload = json.loads(json.dumps(REQUESTS[version][action]))
    here: Any = payload
    while isinstance(here, (dict, list)) and here:
        key = data.draw(
            st.sampled_from(range(len(here)) if isinstance(here, list) else sorted(here))
        )
        if not isinstance(here[key], (dict, list)) or data.draw(st.booleans()):
            here[key] = data.draw(ODD)
            break
        here = here[key]
    found, kinds = usable(version, action, payload)
    assert isinstance(found, dict)
    assert {kind for kind, _ in kinds} <= set(KINDS)
    # What was made usable stays as it is.
    again, more = usable(version, action, found)
    assert again == found
    assert {kind for kind, _ in more} <= {"missing", "unknown_field", "too_long", "unknown_word", "shape", "fraction", "number_as_text"}  # fmt: skip


@given(st.text())
def test_numbers_of_any_text(text) -> None:
    found = number_of(text)
    assert found is None or isinstance(found, float)


def test_what_was_forgiven_is_in_the_file_for_diagnostics(site) -> None:
    site.charger().ask("Authorize", {"idTag": "x" * 21})
    site.stop()
    with sqlite3.connect(site.config.database) as db:
        (worked,) = db.execute("SELECT worked FROM charge_points").fetchone()
    assert json.loads(worked)["departures"]["forgiven"] == {"too_long": {"Authorize.idTag": 1}}


def test_the_page_has_each_kind() -> None:
    page = (Path(__file__).parents[5] / "docs" / "reference" / "ocpp.md").read_text(
        encoding="utf-8"
    )
    for kind, meaning in KINDS.items():
        assert f"| `{kind}` | {meaning} |" in page
