"""Each quirk that is known from the field has the effect in its row, over 1.6 and 2.0.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chargepoint_driver.simulator.ocpp.quirks.mutations import BROKEN

from ..conftest import values
from ..power.test_profiles import set_profile
from .test_quirks import CP, charging, sample

VERSIONS = ("1.6", "2.0.1")


def started(twins, central, ocpp="1.6", id_tag="ME", **vehicle) -> dict[str, Any]:
    """Begin to charge; return the messages about it to the central system."""
    action = "StartTransaction" if ocpp == "1.6" else "TransactionEvent"
    twins.wait(CP, lambda actual: not actual["queued"])
    before = len(central.payloads(action))
    twins.start_charging(CP, id_tag=id_tag, **{"battery_kwh": 80, "max_ac_kw": 11, **vehicle})
    twins.wait(CP, lambda actual: actual["connectors"][0]["transaction_id"] is not None)
    return central.wait_for(action, before + 1)


def sampled(twins, central, ocpp="1.6") -> dict[str, Any]:
    """The next message with values."""
    action = "MeterValues" if ocpp == "1.6" else "TransactionEvent"
    twins.wait(CP, lambda actual: not actual["queued"])
    before = len(central.payloads(action))
    twins.act(CP, "sample")
    central.wait(lambda: any("meterValue" in one for one in central.payloads(action)[before:]))
    return next(one for one in central.payloads(action)[before:] if "meterValue" in one)


def entries(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for entry in message["meterValue"] for one in entry["sampledValue"]]


# ---- limits that are not obeyed -----------------------------------------------------------


@pytest.mark.parametrize("ocpp", VERSIONS)
@pytest.mark.parametrize("offered", ["truth", "echo"])
def test_an_offered_current_that_claims_the_limit(central, twins_of, ocpp, offered):
    quirk = {"composite": "echo", "offered": offered}
    twins = twins_of(ocpp=ocpp, quirks={"ignores_profiles": quirk})
    started(twins, central, ocpp)
    assert put_default(central, ocpp, 10) == "Accepted"
    message = sampled(twins, central, ocpp)
    assert values(message, "Power.Active.Import") == [11_000]
    told_a = 10 if offered == "echo" else 22_000 / 230 / 3
    assert values(message, "Current.Offered") == [pytest.approx(told_a, abs=0.1)]


def put_default(central, ocpp, limit_a):
    if ocpp == "1.6":
        return set_profile(central, limit_a)
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
    }
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    return central.call(CP, "SetChargingProfile", evseId=1, chargingProfile=profile)["status"]


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_composite_schedules_without_content(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp)
    ask = {"connectorId" if ocpp == "1.6" else "evseId": 1, "duration": 60}
    twins.quirk(CP, "ignores_profiles", composite="empty")
    assert central.call(CP, "GetCompositeSchedule", **ask) == {"status": "Accepted"}
    twins.quirk(CP, "ignores_profiles", composite="rejected")
    assert central.call(CP, "GetCompositeSchedule", **ask)["status"] == "Rejected"


def test_a_profile_that_works_only_later(central, twins_of):
    twins = twins_of(quirks={"ignores_profiles": {"obeys_after_s": 120}})
    started(twins, central)
    assert set_profile(central, 5000, unit="W") == "Accepted"
    for seconds, power_kw in ((0, 11), (119, 11), (1, 5)):
        twins.advance(seconds)
        assert twins.state(CP)["power_kw"] == pytest.approx(power_kw)


# ---- identity of sessions -------------------------------------------------------------------


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_transactions_numbered_from_one_after_each_boot(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"numbers_from_one": {}})
    reported = []
    for boots in (1, 1, 2):
        if boots == 2:
            twins.act(CP, "reboot")
            central.wait_for("BootNotification", 2)
            twins.wait_connected()
        begun = started(twins, central, ocpp)
        if ocpp == "1.6":
            reported.append(sampled(twins, central)["transactionId"])
        else:
            reported.append(begun["transactionInfo"]["transactionId"])
        twins.stop_charging(CP)
    assert reported == ([1, 2, 1] if ocpp == "1.6" else ["1", "2", "1"])


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_two_sessions_that_look_alike(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"sessions_look_alike": {}})
    found = []
    for _ in range(2):
        found.append(started(twins, central, ocpp))
        twins.advance(600)
        twins.stop_charging(CP)
        twins.act(CP, "reboot")
        central.wait_for("BootNotification", len(found) + 1)
        twins.wait_connected()
    assert found[0] == found[1]
    assert list(twins.state(CP)["quirks"]) == ["sessions_look_alike"]
    twins.act(CP, "quirk_off", name="sessions_look_alike")
    assert started(twins, central, ocpp) != found[0]


@pytest.mark.parametrize("value", [-1, 0, None])
def test_a_stop_with_an_id_that_says_nothing(central, twins_of, value):
    quirk = {"value": value, "actions": ["StopTransaction"]}
    twins = twins_of(quirks={"transaction_id": quirk})
    charging(twins, central)
    assert sample(twins, central)["transactionId"] == 100
    twins.stop_charging(CP)
    assert central.wait_for("StopTransaction")["transactionId"] is value or value == -1
    assert central.payloads("StopTransaction")[0]["transactionId"] == value


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_an_orphaned_stop(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"loses_start": {}})
    twins.start_charging(CP)
    twins.advance(30)
    twins.stop_charging(CP)
    if ocpp == "1.6":
        assert central.wait_for("StopTransaction")["transactionId"] == -1
        assert central.payloads("StartTransaction") == []
    else:
        ended = central.wait_for("TransactionEvent", eventType="Ended")
        assert ended["transactionInfo"]["transactionId"]
        assert "Started" not in {one["eventType"] for one in central.payloads("TransactionEvent")}


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_a_register_that_falls(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"register_falls": {"after_samples": 2}})
    started(twins, central, ocpp)
    twins.advance(180)
    action = "MeterValues" if ocpp == "1.6" else "TransactionEvent"
    twins.wait(CP, lambda actual: not actual["queued"])
    first, second, third = registers(central, action)[-3:]
    assert (second, third) == (0, pytest.approx(183, abs=1))
    assert first > 10_000
    # The truth does not fall.
    assert twins.state(CP)["connectors"][0]["energy_kwh"] == pytest.approx(0.55, abs=0.01)


def registers(central, action):
    name = "Energy.Active.Import.Register"
    found = [one for one in central.payloads(action) if "meterValue" in one]
    return [value for one in found for value in values(one, name)]


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_the_register_of_the_begin_beside_the_values(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"begin_beside_values": {}})
    started(twins, central, ocpp)
    twins.advance(600)
    found = entries(sampled(twins, central, ocpp))
    contexts = [
        one["context"] for one in found if one["measurand"] == "Energy.Active.Import.Register"
    ]
    assert contexts == ["Sample.Periodic", "Transaction.Begin"]
    assert len({one["context"] for one in found}) == 2
    twins.stop_charging(CP)
    if ocpp == "1.6":
        message = {"meterValue": central.wait_for("StopTransaction")["transactionData"]}
    else:
        message = central.wait_for("TransactionEvent", eventType="Ended")
    found = [(one["context"], float(one["value"])) for one in entries(message)]
    assert [context for context, _ in found] == ["Transaction.End", "Transaction.Begin"]
    assert found[0][1] - found[1][1] == pytest.approx(1833, abs=1)


# ---- how a message is written -----------------------------------------------------------------


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_null_for_optional_fields(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"null_fields": {}})
    begun = started(twins, central, ocpp)
    assert begun["reservationId"] is None
    boot = central.payloads("BootNotification")[0]
    assert (boot["iccid"] if ocpp == "1.6" else boot["chargingStation"]["modem"]) is None
    power = [one for one in entries(sampled(twins, central, ocpp)) if "Power" in one["measurand"]]
    assert power[0]["phase"] is None


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_texts_that_are_too_long(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"long_texts": {"characters": 50}})
    begun = started(twins, central, ocpp)
    token = begun["idTag"] if ocpp == "1.6" else begun["idToken"]["idToken"]
    assert token == "ME-".ljust(50, "x")


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_numbers_as_texts_and_fractions(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"number_format": {"form": "text"}})
    begun = started(twins, central, ocpp)
    assert (begun["connectorId"] if ocpp == "1.6" else begun["evse"]["id"]) == "1"
    twins.quirk(CP, "number_format", form="blanks")
    power = [one for one in entries(sampled(twins, central, ocpp)) if "Power" in one["measurand"]]
    assert power[0]["value"].strip() != power[0]["value"]
    twins.quirk(CP, "number_format", form="fraction")
    twins.stop_charging(CP)
    if ocpp == "1.6":
        assert central.wait_for("StopTransaction")["meterStop"] % 1 == 0.5
    else:
        ended = central.wait_for("TransactionEvent", eventType="Ended")
        assert isinstance(ended["seqNo"], float)


@pytest.mark.parametrize(
    ("form", "wanted"),
    [
        ("missing", ...),
        ("null", None),
        ("unreadable", "today"),
        ("hours", "2026-03-03T18:00:00.000+00"),
        ("compact", "20260303T180000Z"),
        ("comma", "2026-03-03T18:00:00,000Z"),
        ("no_zone", "2026-03-03T18:00:00"),
        ("epoch", "1772560800"),
    ],
)
def test_timestamps(central, twins_of, form, wanted):
    twins = twins_of(quirks={"timestamp_form": {"form": form, "actions": ["StartTransaction"]}})
    begun = started(twins, central)
    assert begun.get("timestamp", ...) == wanted
    assert "Z" in central.payloads("StatusNotification")[0]["timestamp"]
    twins.quirk(CP, "timestamp_form", form=form)
    assert sampled(twins, central)["meterValue"][0].get("timestamp", ...) == wanted


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_words_in_another_case_and_with_blanks(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"word_form": {"case": "lower", "blanks": True}})
    name = "status" if ocpp == "1.6" else "connectorStatus"
    central.wait_for("StatusNotification")
    reported = {one[name] for one in central.payloads("StatusNotification")}
    assert reported == {" available "}
    started(twins, central, ocpp)
    found = {one["measurand"] for one in entries(sampled(twins, central, ocpp))}
    assert " power.active.import " in found


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_line_breaks_moments_and_locations(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"measurand_line_break": {}})
    started(twins, central, ocpp)
    found = entries(sampled(twins, central, ocpp))
    assert all(one["measurand"].endswith("\n") for one in found)
    twins.act(CP, "quirk_off", name="measurand_line_break")
    twins.quirk(CP, "split_moments")
    message = sampled(twins, central, ocpp)
    assert len(message["meterValue"]) == len(entries(message)) > 5
    assert len({one["timestamp"] for one in message["meterValue"]}) == 1
    twins.quirk(CP, "value_location", location="Cable")
    assert {one["location"] for one in entries(sampled(twins, central, ocpp))} == {"Cable"}


def test_only_the_first_event_names_evse_and_token(central, twins_of):
    twins = twins_of(ocpp="2.0.1", quirks={"evse_only_at_start": {}, "no_id_token": {}})
    begun = started(twins, central, "2.0.1")
    assert (begun["evse"]["id"], "idToken" in begun) == (1, False)
    assert "evse" not in sampled(twins, central, "2.0.1")


def test_an_empty_tag(central, twins_of):
    twins = twins_of(quirks={"no_id_token": {}})
    assert started(twins, central)["idTag"] == ""


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_an_end_without_reason(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"no_stop_reason": {}})
    started(twins, central, ocpp)
    twins.stop_charging(CP)
    if ocpp == "1.6":
        assert "reason" not in central.wait_for("StopTransaction")
    else:
        ended = central.wait_for("TransactionEvent", eventType="Ended")
        assert "stoppedReason" not in ended["transactionInfo"]


# ---- what flows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_a_dead_phase(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"dead_phase": {"phase": 2}})
    started(twins, central, ocpp, max_ac_kw=22)
    message = sampled(twins, central, ocpp)
    assert values(message, "Voltage") == [230, 0, 230]
    live_a = pytest.approx(31.9, abs=0.1)
    assert values(message, "Current.Import") == [live_a, 0, live_a]
    assert values(message, "Power.Active.Import") == [pytest.approx(22_000 * 2 / 3, abs=0.1)]
    assert twins.state(CP)["power_kw"] == pytest.approx(22 * 2 / 3)


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_a_vehicle_that_feeds_back(central, twins_of, ocpp):
    twins = twins_of(ocpp=ocpp, quirks={"feeds_back": {"kw": 6}})
    started(twins, central, ocpp, soc_percent=50)
    twins.advance(600)
    state = twins.state(CP)["connectors"][0]
    assert (state["power_kw"], state["exported_wh"]) == (-6, pytest.approx(1000))
    assert state["soc_percent"] == pytest.approx(50 - 100 / 80)
    message = sampled(twins, central, ocpp)
    assert values(message, "Power.Active.Import") == [0]
    assert values(message, "Power.Active.Export") == [6000]
    assert values(message, "Energy.Active.Export.Register") == [1000]
    twins.quirk(CP, "feeds_back", kw=6, form="negative")
    message = sampled(twins, central, ocpp)
    assert values(message, "Power.Active.Import") == [-6000]
    assert values(message, "Power.Active.Export") == []
    # Until the battery is empty.
    twins.advance(30 * 3600)
    assert twins.state(CP)["power_kw"] == 0
    assert twins.state(CP)["connectors"][0]["exported_wh"] == pytest.approx(40_000, rel=1e-3)


def test_further_measurands_when_asked_for(central, twins_of):
    names = "Frequency,Power.Factor,Power.Reactive.Import,Energy.Active.Export.Register"
    twins = twins_of(configuration={"MeterValuesSampledData": names})
    started(twins, central)
    found = {one["measurand"]: one.get("unit") for one in entries(sampled(twins, central))}
    assert found["Frequency"] == "Hertz"
    assert found["Power.Reactive.Import"] == "var"
    assert found["Power.Factor"] is None
    assert values(sampled(twins, central), "Energy.Active.Export.Register") == [0]


# ---- statuses and clocks ------------------------------------------------------------------------


@pytest.mark.parametrize("ocpp", VERSIONS)
def test_old_times_and_unknown_words_of_statuses(central, twins_of, ocpp):
    quirks = {"old_status_times": {"age_s": 86_400}, "unknown_status": {"word": "Parked"}}
    twins_of(ocpp=ocpp, quirks=quirks)
    name = "status" if ocpp == "1.6" else "connectorStatus"
    reported = central.wait_for("StatusNotification", connectorId=1)
    assert (reported[name], reported["timestamp"][:10]) == ("Parked", "2026-03-02")
    if ocpp == "1.6":
        reported = central.wait_for("StatusNotification", connectorId=0)
        assert (reported[name], reported["timestamp"][:10]) == ("Available", "2026-03-03")


@pytest.mark.parametrize("ocpp", VERSIONS)
@pytest.mark.parametrize("trigger", ["truth", "silent", "rejected"])
def test_connector_0_unavailable(central, twins_of, ocpp, trigger):
    twins = twins_of(ocpp=ocpp, quirks={"connector_0_unavailable": {"trigger": trigger}})
    name = "status" if ocpp == "1.6" else "connectorStatus"
    assert central.wait_for("StatusNotification", connectorId=0)[name] == "Unavailable"
    assert twins.state(CP)["operative"]
    ask = {"requestedMessage": "StatusNotification"}
    ask |= {"connectorId": 0} if ocpp == "1.6" else {"evse": {"id": 0}}
    answer = central.call(CP, "TriggerMessage", **ask)
    assert answer["status"] == ("Rejected" if trigger == "rejected" else "Accepted")
    if trigger == "truth":
        reported = central.wait_for("StatusNotification", 2, connectorId=0)
        assert reported[name] == "Available"


@pytest.mark.parametrize("stands", [True, False])
def test_a_clock_that_is_never_set(central, twins_of, stands):
    quirk = {"start": "2010-01-01T00:00:00.000Z", "stands": stands}
    twins = twins_of(quirks={"clock_never_set": quirk})
    twins.advance(60)
    expected = "2010-01-01T00:00:00" if stands else "2010-01-01T00:01:00"
    assert started(twins, central)["timestamp"].startswith(expected)


# ---- set-up and answers --------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [True, False])
def test_a_reboot_whenever_it_is_asked(central, twins_of, answers):
    quirk = {"actions": ["ChangeConfiguration"], "answers": answers, "forgets": True}
    twins = twins_of(quirks={"reboots_on": quirk})
    ask = {"key": "MeterValueSampleInterval", "value": "30"}
    asked = central.ask(CP, "ChangeConfiguration", **ask)
    central.wait_for("BootNotification", 2)
    assert asked.done() == answers
    twins.wait_connected()
    shown = central.call(CP, "GetConfiguration", key=["MeterValueSampleInterval"])
    assert shown["configurationKey"][0]["value"] == "60"
    assert len(central.payloads("BootNotification")) == 2


@pytest.mark.parametrize("form", BROKEN)
def test_broken_answers(central, twins_of, form):
    twins = twins_of(quirks={"broken_answers": {"form": form, "actions": ["GetConfiguration"]}})
    central.wait_for("StatusNotification", 2)
    assert central.call(CP, "ClearCache") == {"status": "Accepted"}
    before = len(central.frames)
    central.ask(CP, "GetConfiguration")
    central.wait(lambda: len(central.frames) > before)
    text = central.frames[before][1]
    if form == "short_error":
        assert len(json.loads(text)) == 2
    else:
        with pytest.raises(ValueError, match=r".+"):
            json.loads(text)
    assert ('"c1"' in text) == (form != "no_frame")
    assert twins.state(CP)["connected"]


def test_a_data_transfer_of_any_shape(central, twins_of):
    twins_of(quirks={"sends_data_transfer": {"payload": {"data": [1, {"a": None}]}}})
    assert central.wait_for("DataTransfer") == {"data": [1, {"a": None}]}
