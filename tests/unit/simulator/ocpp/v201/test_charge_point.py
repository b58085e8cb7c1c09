"""A 2.0.1 twin."""

from __future__ import annotations

import pytest

from ..conftest import values

CP = "CP0001"
TOKEN = {"idToken": "REMOTE", "type": "ISO14443"}


@pytest.fixture
def twins(central, twins_of):
    return twins_of(ocpp="2.0.1", connectors=2)


def events(central, kind=None):
    return [one for one in central.payloads("TransactionEvent") if kind in (None, one["eventType"])]


def test_boots_and_tells_every_status(central, twins):
    boot = central.wait_for("BootNotification")
    assert boot["reason"] == "PowerUp"
    assert boot["chargingStation"]["model"]
    central.wait_for("StatusNotification", 2)
    reported = {
        one["evseId"]: one["connectorStatus"] for one in central.payloads("StatusNotification")
    }
    assert reported == {1: "Available", 2: "Available"}
    assert central.opened[0][1] == "ocpp2.0.1"


def test_a_charge_as_transaction_events(central, twins):
    twins.start_charging(CP, battery_kwh=60, soc_percent=20, max_ac_kw=11)
    twins.advance(180)
    twins.stop_charging(CP)
    central.wait(lambda: events(central, "Ended"))
    reported = events(central)
    assert [one["seqNo"] for one in reported] == list(range(5))
    assert len({one["transactionInfo"]["transactionId"] for one in reported}) == 1
    assert [one["triggerReason"] for one in reported] == [
        "Authorized",
        *["MeterValuePeriodic"] * 3,
        "StopAuthorized",
    ]
    assert reported[0]["transactionInfo"]["chargingState"] == "Charging"
    assert reported[-1]["transactionInfo"]["stoppedReason"] == "Local"
    first = values(reported[0], "Energy.Active.Import.Register")[0]
    last = values(reported[-1], "Energy.Active.Import.Register")[0]
    assert last - first == pytest.approx(550, abs=1)
    statuses = [one for one in central.payloads("StatusNotification") if one["evseId"] == 1]
    assert [one["connectorStatus"] for one in statuses] == ["Available", "Occupied"]


def test_charging_states_follow_limits_and_the_vehicle(central, twins):
    twins.start_charging(CP, battery_kwh=10, soc_percent=90, max_ac_kw=11)
    assert set_limit(central, 0)["status"] == "Accepted"
    central.wait(lambda: "SuspendedEVSE" in str(events(central, "Updated")))
    assert central.call(CP, "ClearChargingProfile", chargingProfileId=1)["status"] == "Accepted"
    twins.advance(3600)
    central.wait(lambda: "'SuspendedEV'" in str(events(central, "Updated")))
    states = [
        one["transactionInfo"]["chargingState"]
        for one in events(central, "Updated")
        if one["triggerReason"] == "ChargingStateChanged"
    ]
    assert states == ["SuspendedEVSE", "Charging", "SuspendedEV"]


def set_limit(central, limit, evse_id=1, purpose="TxDefaultProfile", profile_id=1, **more):
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "startSchedule": "2026-03-03T17:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    profile = {
        "id": profile_id,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
        **more,
    }
    return central.call(CP, "SetChargingProfile", evseId=evse_id, chargingProfile=profile)


def test_profiles_are_set_reported_and_cleared(central, twins):
    assert set_limit(central, 7000.0)["status"] == "Accepted"
    assert set_limit(central, 9000, 0, "ChargingStationMaxProfile", 2)["status"] == "Accepted"
    assert set_limit(central, 9000, 1, "ChargingStationMaxProfile", 3)["status"] == "Rejected"
    assert set_limit(central, 9000, 0, "ChargingStationExternalConstraints", 3)["status"] == (
        "Rejected"
    )
    duplicate = set_limit(central, 8000, profile_id=4)
    assert duplicate["statusInfo"]["reasonCode"] == "DuplicateProfile"
    assert set_limit(central, 8000, purpose="TxProfile", profile_id=5)["status"] == "Rejected"
    twins.start_charging(CP, max_ac_kw=11)
    transaction = twins.state(CP)["connectors"][0]["transaction_id"]
    wish = {"purpose": "TxProfile", "profile_id": 5, "transactionId": transaction}
    assert set_limit(central, 5000, **wish)["status"] == "Accepted"
    actual = twins.wait(CP, lambda actual: actual["power_kw"] == pytest.approx(5))
    assert actual["connectors"][0]["limit_kw"] == pytest.approx(5)
    composite = central.call(CP, "GetCompositeSchedule", duration=60, evseId=1)
    assert composite["schedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 5000.0, "numberPhases": 3}
    ]
    asked = central.call(CP, "GetChargingProfiles", requestId=9, chargingProfile={})
    assert asked == {"status": "Accepted"}
    central.wait_for("ReportChargingProfiles", 2)
    reports = central.payloads("ReportChargingProfiles")
    assert [one["tbc"] for one in reports] == [True, False]
    assert {p["id"] for one in reports for p in one["chargingProfile"]} == {1, 2, 5}
    clear = {"chargingProfileCriteria": {"chargingProfilePurpose": "ChargingStationMaxProfile"}}
    assert central.call(CP, "ClearChargingProfile", **clear) == {"status": "Accepted"}
    assert central.call(CP, "ClearChargingProfile", **clear) == {"status": "Unknown"}
    twins.stop_charging(CP)
    assert [one["id"] for one in twins.state(CP)["profiles"]] == [1]


def test_request_start_and_stop(central, twins):
    twins.plug(CP, 2)
    reply = central.call(CP, "RequestStartTransaction", remoteStartId=42, idToken=TOKEN)
    assert reply == {"status": "Accepted"}
    started = central.wait_for("TransactionEvent", eventType="Started")
    assert started["evse"]["id"] == 2
    assert started["triggerReason"] == "RemoteStart"
    assert started["transactionInfo"]["remoteStartId"] == 42
    transaction = started["transactionInfo"]["transactionId"]
    assert central.call(CP, "RequestStopTransaction", transactionId="x")["status"] == "Rejected"
    status = central.call(CP, "GetTransactionStatus", transactionId=transaction)
    assert status["ongoingIndicator"] is True
    reply = central.call(CP, "RequestStopTransaction", transactionId=transaction)
    assert reply == {"status": "Accepted"}
    ended = central.wait_for("TransactionEvent", eventType="Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"


def test_variables(central, twins):
    def data(component, variable, **more):
        return {"component": {"name": component}, "variable": {"name": variable}, **more}

    got = central.call(
        CP,
        "GetVariables",
        getVariableData=[
            data("EVSE", "Count"),
            data("EVSE", "Nonsense"),
            data("Nonsense", "Count"),
            data("EVSE", "Count", attributeType="MaxSet"),
        ],
    )["getVariableResult"]
    assert [one["attributeStatus"] for one in got] == [
        "Accepted",
        "UnknownVariable",
        "UnknownComponent",
        "NotSupportedAttributeType",
    ]
    assert got[0]["attributeValue"] == "2"
    done = central.call(
        CP,
        "SetVariables",
        setVariableData=[
            data("OCPPCommCtrlr", "HeartbeatInterval", attributeValue="7"),
            data("EVSE", "Count", attributeValue="7"),
        ],
    )["setVariableResult"]
    assert [one["attributeStatus"] for one in done] == ["Accepted", "Rejected"]
    twins.advance(8)
    central.wait_for("Heartbeat")


def test_reports_come_in_parts(central, twins):
    ask = {"requestId": 5, "reportBase": "FullInventory"}
    assert central.call(CP, "GetBaseReport", **ask) == {"status": "Accepted"}
    central.wait(lambda: [one for one in central.payloads("NotifyReport") if not one["tbc"]])
    parts = central.payloads("NotifyReport")
    assert [one["seqNo"] for one in parts] == list(range(len(parts)))
    names = [one["variable"]["name"] for part in parts for one in part["reportData"]]
    assert "TxUpdatedInterval" in names
    assert len(names) > 40
    wish = {"requestId": 6, "componentVariable": [{"component": {"name": "EVSE"}}]}
    assert central.call(CP, "GetReport", **wish) == {"status": "Accepted"}
    central.wait_for("NotifyReport", requestId=6)
    wish = {"requestId": 7, "componentVariable": [{"component": {"name": "Nonsense"}}]}
    assert central.call(CP, "GetReport", **wish) == {"status": "EmptyResultSet"}


def test_reset_when_idle_waits(central, twins):
    twins.start_charging(CP)
    assert central.call(CP, "Reset", type="OnIdle") == {"status": "Scheduled"}
    twins.stop_charging(CP)
    boot = central.wait_for("BootNotification", 2)
    assert boot["reason"] == "RemoteReset"
    twins.wait_connected()
    twins.start_charging(CP, 2)
    assert central.call(CP, "Reset", type="Immediate") == {"status": "Accepted"}
    central.wait_for("BootNotification", 3)
    ended = central.wait_for("TransactionEvent", 2, eventType="Ended")
    assert ended["triggerReason"] == "ResetCommand"


def test_faults_are_events(central, twins):
    twins.act(CP, "fault", connector=2, error_code="OverVoltage", info="242 V")
    reported = central.wait_for("NotifyEvent")["eventData"][0]
    assert (reported["actualValue"], reported["techInfo"]) == ("true", "242 V")
    assert reported["component"]["evse"] == {"id": 2, "connectorId": 1}
    central.wait_for("StatusNotification", evseId=2, connectorStatus="Faulted")
    twins.act(CP, "clear_fault", connector=2)
    assert central.wait_for("NotifyEvent", 2)["eventData"][0]["cleared"] is True


def test_the_rest_of_the_requests(central, twins):
    reserve = {"id": 3, "expiryDateTime": "2026-03-03T19:00:00Z", "idToken": TOKEN, "evseId": 2}
    assert central.call(CP, "ReserveNow", **reserve) == {"status": "Accepted"}
    central.wait_for("StatusNotification", evseId=2, connectorStatus="Reserved")
    twins.advance(3601)
    central.wait_for("ReservationStatusUpdate", reservationUpdateStatus="Expired")
    assert central.call(CP, "CancelReservation", reservationId=3) == {"status": "Rejected"}
    unlock = {"evseId": 1, "connectorId": 1}
    assert central.call(CP, "UnlockConnector", **unlock) == {"status": "Unlocked"}
    twins.start_charging(CP)
    assert central.call(CP, "UnlockConnector", **unlock)["status"].startswith("Ongoing")
    gone = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    assert central.call(CP, "ChangeAvailability", **gone) == {"status": "Scheduled"}
    assert central.call(CP, "ClearCache") == {"status": "Accepted"}
    entry = {"idToken": TOKEN, "idTokenInfo": {"status": "Accepted"}}
    send = {"versionNumber": 4, "updateType": "Full", "localAuthorizationList": [entry]}
    assert central.call(CP, "SendLocalList", **send) == {"status": "Accepted"}
    assert central.call(CP, "GetLocalListVersion") == {"versionNumber": 4}
    log = {"logType": "DiagnosticsLog", "requestId": 8, "log": {"remoteLocation": "https://x"}}
    assert central.call(CP, "GetLog", **log)["status"] == "Accepted"
    firmware = {"location": "https://x/new", "retrieveDateTime": "2026-03-03T19:01:00Z"}
    reply = central.call(CP, "UpdateFirmware", requestId=9, firmware=firmware, customData={})
    assert reply == {"status": "Accepted"}
    twins.advance(200)
    central.wait_for("LogStatusNotification", status="Uploaded", requestId=8)
    central.wait_for("FirmwareStatusNotification", status="Installed", requestId=9)
    central.wait_for("BootNotification", 2)
    assert central.call(CP, "CustomerInformation")[0] == "NotImplemented"


@pytest.mark.parametrize(
    "message", ["Heartbeat", "StatusNotification", "MeterValues", "TransactionEvent"]
)
def test_triggers(central, twins, message):
    twins.start_charging(CP)
    central.wait(lambda: len(central.payloads("TransactionEvent")) == 1)
    central.wait_for("StatusNotification", 3)
    before = len(central.payloads(message))
    ask = {"requestedMessage": message, "evse": {"id": 1}}
    assert central.call(CP, "TriggerMessage", **ask) == {"status": "Accepted"}
    central.wait_for(message, before + 1)


def test_what_happened_offline_is_marked(central, twins):
    twins.act(CP, "offline")
    twins.start_charging(CP)
    twins.advance(120)
    twins.stop_charging(CP)
    twins.act(CP, "online")
    central.wait(lambda: events(central, "Ended"))
    assert {one["offline"] for one in events(central)} == {True}
    assert events(central)[0]["timestamp"] == "2026-03-03T18:00:00.000Z"
    assert events(central)[-1]["timestamp"] == "2026-03-03T18:02:00.000Z"
